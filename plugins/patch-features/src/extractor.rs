use convert_backbones::{Backbone, BackboneConfig, FeatureKind, FeatureRequest};
use convert_sdk::{Context, Extractor, FeatureMap, Finding, Image, Plugin, Result, config};

/// Gives one feature vector a patch, from the backbones that maskcut and mlp-head use (method 1.1 and 1.2).
#[config(default)]
#[derive(Clone, Debug)]
pub struct PatchFeaturesConfig {
    /// The model. In `convert features --backbone` its keys may also stand beside the others.
    pub backbone: BackboneConfig,
    /// Which of the model's vectors stand for the patches. Default `patch`, the final-norm patch tokens.
    pub feature: FeatureKind,
    /// The block that they come from, counted from 1. Default: the last.
    #[schemars(range(min = 1))]
    pub layer: Option<u32>,
    /// S: images are resized to S×S pixels, a multiple of the patch size. Default 224.
    #[schemars(range(min = 1, max = 8192))]
    pub input_size: u32,
}

impl Default for PatchFeaturesConfig {
    fn default() -> Self {
        Self { backbone: BackboneConfig::default(), feature: FeatureKind::Patch, layer: None, input_size: 224 }
    }
}

/// The extractor `patch-features`.
#[derive(Debug)]
pub struct PatchFeatures {
    backbone: Backbone,
    request: FeatureRequest,
}

impl Plugin for PatchFeatures {
    type Config = PatchFeaturesConfig;

    fn new(config: PatchFeaturesConfig, context: Context) -> Result<Self> {
        let backbone = Backbone::load(&config.backbone, &context)?;
        let request = FeatureRequest { kind: config.feature, layer: config.layer, input_size: config.input_size };
        backbone.check(&request)?;
        Ok(Self { backbone, request })
    }
}

impl Extractor for PatchFeatures {
    fn extract(&self, images: &[Image<'_>]) -> Result<Vec<FeatureMap>> {
        let features = self.backbone.features(images, &self.request)?;
        features.into_iter().map(|map| FeatureMap::new(map.rows as u32, map.columns as u32, map.dimension as u32, map.values)).collect()
    }

    fn diagnosis(&self) -> Result<Vec<Finding>> {
        Ok(convert_backbones::diagnosis())
    }
}
