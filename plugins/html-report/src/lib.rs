//! The exporter `html-report`: one self-contained page that shows what a run made of its images.
//!
//! While the samples stream by, [`tally`] counts classes and pairs and [`sampling`] decides which images become [`card`]s of the gallery;
//! at the end [`page`] puts the [`sections`] together.

mod card;
mod config;
mod escape;
mod exporter;
mod outline;
mod page;
mod report;
mod sampling;
mod sections;
mod tally;
mod thumbnail;

#[cfg(test)]
mod rules;
#[cfg(test)]
mod tests;

pub use config::HtmlReportConfig;
pub use exporter::HtmlReport;

convert_sdk::export_plugins! {
    exporter "html-report" => HtmlReport { results_version: 2 },
}
