//! Family `patch-stats`: colour and gradient statistics of each patch, without weights.
//!
//! No learned model stands behind it: it tells apart what differs in colour or texture, and no more. It makes the pipeline run from
//! nothing and is the baseline that learned features have to beat.

mod appearance;
mod arrangement;
mod contrast;
mod pixels;

use convert_sdk::{Error, Image, Result};
use tch::Tensor;

use crate::config::{BackboneConfig, FeatureKind, FeatureRequest};
use crate::features::FeatureTensor;
use crate::torch::torch;
use pixels::Planes;

const DEFAULT_PATCH_SIZE: u32 = 8;

/// The weights-free backbone.
#[derive(Debug)]
pub struct PatchStats {
    patch_size: u32,
}

impl PatchStats {
    /// Checks that no key of other families is there.
    pub fn new(config: &BackboneConfig) -> Result<Self> {
        let unused = [
            ("weights", config.weights.is_some()),
            ("heads", config.heads.is_some()),
            ("mean", config.mean.is_some()),
            ("std", config.std.is_some()),
        ];
        if let Some((key, _)) = unused.iter().find(|(_, given)| *given) {
            return Err(Error::config(format!("family patch-stats has no {key}: leave the key out")));
        }
        let patch_size = config.patch_size.unwrap_or(DEFAULT_PATCH_SIZE);
        if !(2..=64).contains(&patch_size) {
            return Err(Error::config(format!("patch_size {patch_size} is outside 2 to 64")));
        }
        Ok(Self { patch_size })
    }

    pub fn patch_size(&self) -> u32 {
        self.patch_size
    }

    /// Numbers a patch.
    pub fn dimension(kind: FeatureKind) -> usize {
        match kind {
            FeatureKind::Patch => appearance::DIMENSION,
            _ => contrast::DIMENSION,
        }
    }

    /// There are `patch` and `k`, and no layers.
    pub fn check(request: &FeatureRequest) -> Result<()> {
        if let FeatureKind::Q | FeatureKind::V = request.kind {
            return Err(Error::config(format!(
                "family patch-stats has no {}: take patch (appearance, for labelers) or k (contrast, for cuts)",
                request.kind.name()
            )));
        }
        match request.layer {
            None => Ok(()),
            Some(layer) => Err(Error::config(format!("family patch-stats has no layer {layer}: leave the key out"))),
        }
    }

    /// The features of images of S×S pixels.
    pub fn features(&self, images: &[Image<'_>], kind: FeatureKind) -> Result<FeatureTensor> {
        let patch = self.patch_size as usize;
        let (mut rows, mut columns, mut values) = (0, 0, Vec::new());
        for image in images {
            let planes = Planes::new(image);
            (rows, columns) = (planes.height / patch, planes.width / patch);
            values.extend(match kind {
                FeatureKind::Patch => appearance::describe(&planes, patch),
                _ => contrast::describe(&planes, patch),
            });
        }
        let shape = [images.len(), rows * columns, Self::dimension(kind)].map(|length| length as i64);
        Ok(FeatureTensor { rows, columns, values: torch(|| Tensor::f_from_slice(&values)?.f_view(shape))?, class_tokens: None })
    }
}
