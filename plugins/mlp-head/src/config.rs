//! The plugin's section of a recipe, and what it comes to under a profile.

use convert_backbones::{BackboneConfig, FeatureKind, FeatureRequest, Published, presets};
use convert_sdk::{Context, Deserialize, Error, JsonSchema, Result, Serialize, config};
use serde_json::{Value, json};

/// A small MLP on the mean patch features of each region, over a frozen backbone (paper 3.2, B.1).
///
/// By default it trains in the cheaper mode of method 4: each of an image's `views` goes through the backbone once, before training, and the head learns from the
/// pooled features; `mode: augmented` is the paper's training. A view serves all regions of its image. Prediction runs the backbone once an image, however many masks it has.
#[config(default)]
#[derive(Clone, Debug)]
#[schemars(extend("x-presets" = presets(preset)))]
pub struct MlpHeadConfig {
    /// The frozen backbone that gives the patch features.
    pub backbone: BackboneConfig,
    /// Which features are pooled; default `patch`, the final-norm patch tokens (method 4).
    pub feature: FeatureKind,
    /// The block they come from, from 1; default the last.
    pub layer: Option<u32>,
    /// Side in pixels to which images are resized; a multiple of the patch size. Default 512 (paper B.1).
    #[schemars(range(min = 1, max = 8192))]
    pub input_size: u32,
    /// Where the vector of a region comes from; default `mask` (paper). `crop` sees small regions in more detail, and adds a pass of the backbone over `crop_size` pixels for
    /// each region and one for the whole image.
    pub regions: Regions,
    /// With `regions: crop` or `both`: the side of a region's crop, as a multiple of the longer side of its box; default 1. The crop is a square, moved into the image
    /// where it can be.
    #[schemars(range(min = 0.1, max = 100.0))]
    pub crop_scale: f64,
    /// With `regions: crop` or `both`: side in pixels to which crops are resized; a multiple of the patch size. Default 224.
    #[schemars(range(min = 1, max = 8192))]
    pub crop_size: u32,
    /// With `regions: crop` or `both`: what a crop's vector is made of, one behind the other. Default: class-token where the backbone has one, mask-mean, mask-std.
    pub crop_pooling: Option<Vec<CropPart>>,
    /// How the training features are made: `augmented` as in the paper, or `pooled-features` (default), a far cheaper approximation of it.
    pub mode: Mode,
    /// With `mode: pooled-features`: views of each image to train on; default 1. The first is the plain image, the others are random ones (RandomResizedCrop, horizontal flip,
    /// RandAugment(2, 9), patch dropout): those of the first epochs of `mode: augmented`. Each runs the backbone once. The vectors lie in the stage's folder until the training ends:
    /// regions × views × dimension × 4 bytes.
    #[schemars(range(min = 1, max = 64))]
    pub views: u32,
    /// What a region's vector is; default `mean` (paper). `mean-std` doubles it by how much each feature varies within the region, which tells objects apart
    /// whose means are alike (docs/label-quality.md).
    pub pooling: Pooling,
    /// Whether the features of each plain image are kept on disk (in `cache` of the work directory), so that later stages, rounds and runs need no backbone for
    /// them; default false. The run says how much disk they take before it starts: patches × dimension × 4 bytes an image. Random views are never kept.
    pub cache: bool,
    /// Share of a region's active patches that each view (with pooled features, each after the first) drops at random, in [0, 1); default 0.25 (method 4).
    #[schemars(range(min = 0.0, max = 0.99))]
    pub patch_dropout: f64,
    /// A region's patches are those it covers by more than this share; default 0.5 (paper), or 0 in training under the profile authors-code. The best-covered ones where there is none.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub coverage: Option<f64>,
    /// Whether each feature dimension is shifted and scaled to mean 0 and spread 1 over the training regions; default true (method 3). Folded into the first layer on export.
    pub standardize: bool,
    /// Width of the hidden layers; default 1024 (paper B.1). A head whose weights take more than the free memory in training, 28 bytes each, is refused.
    #[schemars(range(min = 1, max = 65_536))]
    pub hidden: u32,
    /// Hidden layers; default 1 (paper), or 2 under the profile authors-code.
    #[schemars(range(min = 1, max = 8))]
    pub hidden_layers: Option<u32>,
    /// Share of the inputs of each hidden layer that training drops at random, in [0, 1); default 0 (paper), or 0.1 under the profile authors-code.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: Option<f64>,
    /// How the head is built and trained; default `paper`: as `hidden` to `batch_size` say. `auto` takes what does best on regions held out, and does not look at these keys but
    /// `hidden`.
    pub head: HeadChoice,
    /// Parts of the images that are held out, each while one more head learns from the rest: the run says how well these do on regions that they have not seen. Default 1, a tenth of
    /// the images. With several every image is in one, as `convert audit` wants. With `mode: augmented`, and with fewer than three images a class, there are none.
    #[schemars(range(min = 0, max = 64))]
    pub folds: u32,
    /// What is done so that probabilities mean what they say; default `none`.
    pub calibration: Calibration,
    /// Heads that are trained on the same vectors with other random numbers, one after the other; their probabilities are averaged. Default 1 (paper). Three raise precision a
    /// little (docs/label-quality.md), and take three times as long to train, which is little beside the backbone but with `mode: augmented`.
    #[schemars(range(min = 1, max = 64))]
    pub heads: u32,
    /// Passes over the training regions; default 300 (paper B.1).
    #[schemars(range(min = 1, max = 100_000))]
    pub epochs: u32,
    /// Highest learning rate; default 0.1 (paper B.1).
    #[schemars(range(min = 0.0))]
    pub learning_rate: f64,
    /// Epochs in which the learning rate rises linearly, before it falls along a cosine; default 5 (paper B.1).
    #[schemars(range(min = 0, max = 100_000))]
    pub warmup_epochs: u32,
    /// Nesterov momentum, in [0, 1); default 0.9 (paper B.1).
    #[schemars(range(min = 0.0, max = 0.9999))]
    pub momentum: f64,
    /// Weight decay; default 1e-4 (paper B.1).
    #[schemars(range(min = 0.0))]
    pub weight_decay: f64,
    /// Regions a step; default 512 (paper B.1), or all where there are fewer. With `mode: augmented` at most so many, since an image's regions stay together.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub batch_size: u32,
    /// Epochs between the checkpoints from which an interrupted training continues with equal bits; default 1.
    #[schemars(range(min = 1, max = 100_000))]
    pub checkpoint_every: u32,
    /// The share of the training images that may turn out to be unusable (broken files, say); with more the training stops. Default 0.01.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-identity" = false))]
    pub max_lost: f64,
}

/// How the training features are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "convert_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "convert_sdk::schemars")]
pub enum Mode {
    /// Once, before training, for a fixed set of views (the cheaper mode of method 4, an approximation: no fresh augmentation each epoch).
    #[default]
    PooledFeatures,
    /// Anew in every epoch, as the paper does: a fresh view of each image (RandomResizedCrop, horizontal flip, RandAugment(2, 9), the geometric parts
    /// identically on image and masks) goes through the backbone and serves all its regions, each with its own patch dropout. A region whose mask leaves the view is skipped in
    /// that epoch and counted. The regions of an image are in one batch.
    Augmented,
}

/// How the head is built and trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "convert_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "convert_sdk::schemars")]
pub enum HeadChoice {
    /// As the keys say; their defaults are the paper's, for a million images.
    #[default]
    Paper,
    /// Linear heads of several weight decays and an MLP are trained without a part of the images and asked about it; the one with the best probabilities there is
    /// trained on all. For sets of hundreds or thousands of images.
    Auto,
}

/// What is done so that probabilities mean what they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "convert_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "convert_sdk::schemars")]
pub enum Calibration {
    /// Nothing: they are the head's.
    #[default]
    None,
    /// Logits are divided by the number that suits the held-out folds best (Guo et al. 2017). Their labels are the training set's: where these are often wrong,
    /// probabilities become smaller than they should be.
    Temperature,
}

/// Where the vector of a region comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "convert_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "convert_sdk::schemars")]
pub enum Regions {
    /// The patches under the region's mask in the whole image.
    #[default]
    Mask,
    /// The region's crop, which goes through the backbone by itself. A head on whole images, for label maps of its own, still looks at the whole image.
    Crop,
    /// Both vectors, one behind the other.
    Both,
}

/// A part of a crop's vector, d numbers each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "convert_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "convert_sdk::schemars")]
pub enum CropPart {
    /// The class token.
    ClassToken,
    /// The mean of the mask's patches in the crop.
    MaskMean,
    /// Their standard deviation.
    MaskStd,
    /// The mean of all patches of the crop.
    AllMean,
    /// Their standard deviation.
    AllStd,
}

/// From the features of a region's patches to one vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "convert_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "convert_sdk::schemars")]
pub enum Pooling {
    /// Their mean, d numbers.
    #[default]
    Mean,
    /// Their mean and their standard deviation, 2·d numbers.
    MeanStd,
}

impl Pooling {
    /// Numbers a vector, where a patch has `dimension`.
    pub fn width(self, dimension: usize) -> usize {
        match self {
            Self::Mean => dimension,
            Self::MeanStd => 2 * dimension,
        }
    }
}

impl Default for MlpHeadConfig {
    fn default() -> Self {
        Self {
            backbone: BackboneConfig::default(),
            feature: FeatureKind::Patch,
            layer: None,
            input_size: 512,
            regions: Regions::default(),
            crop_scale: 1.0,
            crop_size: 224,
            crop_pooling: None,
            mode: Mode::default(),
            views: 1,
            pooling: Pooling::default(),
            cache: false,
            patch_dropout: 0.25,
            coverage: None,
            standardize: true,
            hidden: 1024,
            hidden_layers: None,
            dropout: None,
            head: HeadChoice::default(),
            folds: 1,
            calibration: Calibration::default(),
            heads: 1,
            epochs: 300,
            learning_rate: 0.1,
            warmup_epochs: 5,
            momentum: 0.9,
            weight_decay: 1e-4,
            batch_size: 512,
            checkpoint_every: 1,
            max_lost: 0.01,
        }
    }
}

/// What the features of a published model are pooled from: the paper's 512 pixels (B.1), or where patches of 14 do not fit into them the 518 of DINOv2's own training.
fn preset(model: &Published) -> Option<Value> {
    let input_size = if 512 % model.patch_size == 0 { 512 } else { 518 };
    Some(json!({ "feature": "patch", "layer": null, "input_size": input_size }))
}

/// Of each weight in training: itself, its gradient and its momentum, four bytes each; and when a checkpoint is written, weight and momentum as the bytes of
/// tensors and of the file.
const BYTES_A_PARAMETER: u64 = 3 * 4 + 2 * 8;

/// What the profile decides where the config does not.
const PAPER_COVERAGE: f32 = 0.5;
const AUTHORS_TRAINING_COVERAGE: f32 = 0.0;
const AUTHORS_DROPOUT: f64 = 0.1;

impl MlpHeadConfig {
    /// The features asked of the backbone.
    pub fn request(&self) -> FeatureRequest {
        FeatureRequest { kind: self.feature, layer: self.layer, input_size: self.input_size }
    }

    /// The features asked of the backbone for a region's crop.
    pub fn crop_request(&self) -> FeatureRequest {
        FeatureRequest { input_size: self.crop_size, ..self.request() }
    }

    /// Ranges that the schema states, checked again for callers that are not the host.
    pub fn check(&self) -> Result<()> {
        let shares =
            [("patch_dropout", Some(self.patch_dropout)), ("dropout", self.dropout), ("momentum", Some(self.momentum)), ("coverage", self.coverage)];
        if let Some((key, value)) = shares.iter().find_map(|(key, value)| value.filter(|value| !(0.0..1.0).contains(value)).map(|value| (key, value)))
        {
            return Err(Error::config(format!("{key} {value} is outside [0, 1)")));
        }
        for (key, value) in [("learning_rate", self.learning_rate), ("weight_decay", self.weight_decay)] {
            if !value.is_finite() || value < 0.0 {
                return Err(Error::config(format!("{key} {value} is not a number of at least 0")));
            }
        }
        if !(self.crop_scale > 0.0 && self.crop_scale.is_finite()) {
            return Err(Error::config(format!("crop_scale {} is not a positive number", self.crop_scale)));
        }
        let counts = [
            ("crop_size", self.crop_size),
            ("views", self.views),
            ("hidden", self.hidden),
            ("heads", self.heads),
            ("epochs", self.epochs),
            ("batch_size", self.batch_size),
            ("checkpoint_every", self.checkpoint_every),
        ];
        if let Some((key, _)) = counts.iter().find(|(_, value)| *value == 0) {
            return Err(Error::config(format!("{key} must be at least 1")));
        }
        if self.hidden_layers == Some(0) {
            return Err(Error::config("hidden_layers must be at least 1"));
        }
        Ok(())
    }

    /// Weights and biases of a head for vectors of so many numbers.
    pub fn parameters(&self, width: usize, context: &Context) -> u64 {
        let (hidden, classes) = (u64::from(self.hidden), context.classes().len() as u64);
        let between = u64::from(self.hidden_layers(context)).saturating_sub(1);
        let square = (hidden + 1).saturating_mul(hidden).saturating_mul(between);
        ((width as u64 + 1).saturating_mul(hidden)).saturating_add(square).saturating_add((hidden + 1).saturating_mul(classes))
    }

    /// Whether the head can be trained in so many bytes of memory.
    ///
    /// # Errors
    /// A head that is larger.
    pub fn check_memory(&self, width: usize, context: &Context, free: u64) -> Result<()> {
        let parameters = self.parameters(width, context);
        let bytes = parameters.saturating_mul(BYTES_A_PARAMETER);
        if bytes > free {
            let (hidden, layers) = (self.hidden, self.hidden_layers(context));
            return Err(Error::config(format!(
                "a head of {parameters} parameters (hidden {hidden}, hidden_layers {layers}) takes {} MB to train, but {} MB of memory are free: lower `hidden`",
                bytes / 1_000_000,
                free / 1_000_000
            )));
        }
        Ok(())
    }

    /// Hidden layers under the context's profile.
    pub fn hidden_layers(&self, context: &Context) -> u32 {
        self.hidden_layers.unwrap_or(if context.authors_code() { 2 } else { 1 })
    }

    /// Dropout under the context's profile.
    pub fn dropout(&self, context: &Context) -> f64 {
        self.dropout.unwrap_or(if context.authors_code() { AUTHORS_DROPOUT } else { 0.0 })
    }

    /// The coverage above which a patch belongs to a region in training.
    pub fn training_coverage(&self, context: &Context) -> f32 {
        let default = if context.authors_code() { AUTHORS_TRAINING_COVERAGE } else { PAPER_COVERAGE };
        self.coverage.map_or(default, |coverage| coverage as f32)
    }

    /// The coverage above which a patch belongs to a region in prediction.
    pub fn prediction_coverage(&self) -> f32 {
        self.coverage.map_or(PAPER_COVERAGE, |coverage| coverage as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_beyond_the_memory_is_refused_with_its_parameters() {
        let context = Context::for_tests(&["a", "b", "c"]);
        let config = MlpHeadConfig { hidden: 10, hidden_layers: Some(3), ..MlpHeadConfig::default() };
        // 7 to 10, twice 10 to 10, 10 to 3, with biases
        let parameters = 80 + 2 * 110 + 33;
        assert_eq!(config.parameters(7, &context), parameters);
        assert!(config.check_memory(7, &context, parameters * 28).is_ok());
        let error = config.check_memory(7, &context, parameters * 28 - 1).unwrap_err().to_string();
        assert!(error.contains("a head of 333 parameters (hidden 10, hidden_layers 3)"), "{error}");
        let largest = MlpHeadConfig { hidden: u32::MAX, hidden_layers: Some(u32::MAX), ..MlpHeadConfig::default() };
        assert!(largest.check_memory(usize::MAX / 2, &context, 1 << 40).is_err());
    }
}
