//! Proposer `torchscript-masks`: the masks of any module that `torch.jit` exported.

mod config;
mod input;
mod output;
mod proposer;

pub use config::{Shape, TorchScriptMasksConfig};
pub use proposer::TorchScriptMasks;

convert_sdk::export_plugins! {
    proposer "torchscript-masks" => TorchScriptMasks { results_version: 1, seeded: false, device: true },
}
