use convert_sdk::{Deserialize, Error, InputFile, JsonSchema, Result, config, schemars, serde};

/// Proposes the masks of a TorchScript module: a segmentation or saliency network of yours, exported by `torch.jit.script` or `torch.jit.trace`.
///
/// The module is given one image, float [1, 3, H, W], RGB, of the size `size`, as (byte / 255 - mean) / std. It answers with a tuple (masks, scores), a dictionary that has `masks` and
/// `scores`, a list of one of these, or a tensor of masks alone. Masks are [N, h, w], [N, 1, h, w] or [1, N, h, w], of any h and w that stand for the whole image, boolean or numbers
/// (`threshold`); scores are N numbers. Without scores a mask's is the mean of its numbers inside. N may be 0.
///
/// The module is run once on a grey image before any work, so that an answer of another form refuses the recipe.
#[config]
#[derive(Clone, Debug)]
pub struct TorchScriptMasksConfig {
    /// The module's file.
    pub module: InputFile,
    /// S: the size that images are resized to, in pixels. Default 512.
    #[serde(default = "size")]
    #[schemars(range(min = 1, max = 8192))]
    pub size: u32,
    /// What S means. Default `square`.
    #[serde(default)]
    pub shape: Shape,
    /// Of the channels red, green and blue in [0, 1]. Default: ImageNet's, 0.485, 0.456 and 0.406.
    #[serde(default = "mean")]
    pub mean: [f32; 3],
    /// Of the channels red, green and blue in [0, 1]. Default: ImageNet's, 0.229, 0.224 and 0.225. A module that wants bytes has mean 0 and std 0.00392157 (1 / 255).
    #[serde(default = "std")]
    pub std: [f32; 3],
    /// A pixel belongs to a mask where the mask's number is above this. Default 0.5, for probabilities; 0 suits logits.
    #[serde(default = "threshold")]
    pub threshold: f64,
    /// Leave out masks with a lower score. Default: none.
    #[serde(default)]
    pub min_score: Option<f32>,
    /// Leave out masks that cover less than this share of the image, in [0, 1]. Default 0.001; an empty mask never stays.
    #[serde(default = "min_area")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_area: f64,
    /// The most masks of an image: those with the best scores. Default 100.
    #[serde(default = "max_masks")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_masks: usize,
}

/// How images become as large as the module wants them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "serde", rename_all = "kebab-case")]
#[schemars(crate = "schemars")]
pub enum Shape {
    /// S×S pixels; the aspect is not kept.
    #[default]
    Square,
    /// The longer side becomes S pixels, the aspect is kept.
    LongerSide,
    /// The shorter side becomes S pixels, the aspect is kept.
    ShorterSide,
}

fn size() -> u32 {
    512
}

fn mean() -> [f32; 3] {
    [0.485, 0.456, 0.406]
}

fn std() -> [f32; 3] {
    [0.229, 0.224, 0.225]
}

fn threshold() -> f64 {
    0.5
}

fn min_area() -> f64 {
    0.001
}

fn max_masks() -> usize {
    100
}

impl TorchScriptMasksConfig {
    /// What no schema says.
    ///
    /// # Errors
    /// Numbers that are not finite, and a std that is not positive.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(bad) = self.std.iter().find(|std| !(std.is_finite() && **std > 0.0)) {
            return Err(Error::config(format!("std {bad} is not a positive number")));
        }
        if let Some(bad) = self.mean.iter().find(|mean| !mean.is_finite()) {
            return Err(Error::config(format!("mean {bad} is not a number")));
        }
        if !self.threshold.is_finite() {
            return Err(Error::config(format!("threshold {} is not a number", self.threshold)));
        }
        Ok(())
    }
}
