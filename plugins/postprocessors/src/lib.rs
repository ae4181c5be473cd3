//! Postprocessors for classes that go together (paper E).

mod asymmetric_threshold;
mod cooccurrence_prior;
mod pairs;
#[cfg(test)]
mod rules;
mod upgrade;

pub use asymmetric_threshold::{AsymmetricThreshold, AsymmetricThresholdConfig};
pub use cooccurrence_prior::{CooccurrencePrior, CooccurrencePriorConfig, Normalisation};
pub use pairs::PairsConfig;

convert_sdk::export_plugins! {
    postprocessor "cooccurrence-prior" => CooccurrencePrior { results_version: 1, seeded: false },
    postprocessor "asymmetric-threshold" => AsymmetricThreshold { results_version: 1, seeded: false },
}
