use convert_backbones::{device, load_module, torch};
use convert_sdk::{Context, Image, Plugin, Proposal, Proposer, Result, ResultExt, SampleImage, Work};
use tch::{CModule, Device, IValue};

use crate::config::TorchScriptMasksConfig;
use crate::input::tensor;
use crate::output::Answer;

/// The proposer `torchscript-masks`.
#[derive(Debug)]
pub struct TorchScriptMasks {
    config: TorchScriptMasksConfig,
    module: CModule,
    device: Device,
    /// Bytes of its parameters.
    memory: u64,
}

impl Plugin for TorchScriptMasks {
    type Config = TorchScriptMasksConfig;

    fn new(config: TorchScriptMasksConfig, context: Context) -> Result<Self> {
        config.check()?;
        let device = device(&context)?;
        let (module, memory) = load_module(&config.module, device)?;
        let proposer = Self { config, module, device, memory };
        let side = proposer.config.size;
        let grey = Image::new(side, side, vec![128; side as usize * side as usize * 3])?;
        proposer.masks(&grey).context(|| format!("the module {} cannot be used", proposer.config.module.display()))?;
        Ok(proposer)
    }
}

impl Proposer for TorchScriptMasks {
    fn work(&self) -> Work {
        Work { masks: self.config.max_masks as u64, mask_pixels: u64::from(self.config.size).pow(2), memory: self.memory, ..Work::default() }
    }

    fn propose(&self, images: &[SampleImage<'_>]) -> Result<Vec<Vec<Proposal>>> {
        images.iter().map(|sample| self.masks(&sample.image)).collect()
    }
}

impl TorchScriptMasks {
    fn masks(&self, image: &Image<'_>) -> Result<Vec<Proposal>> {
        let input = tensor(image, &self.config, self.device)?;
        let answer = torch(|| self.module.forward_is(&[IValue::Tensor(input)])).context(|| "the torchscript module failed".into())?;
        Answer::new(answer)?.proposals(&self.config)
    }
}
