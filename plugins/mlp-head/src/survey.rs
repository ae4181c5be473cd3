//! A look at all that a training learns from, and what its result depends on.

use std::collections::HashSet;

use convert_sdk::Result;

use crate::auto;
use crate::config::{HeadChoice, Regions};
use crate::settings::HeadSettings;
use crate::task::Training;

/// Changes with what training computes, so that no training continues one that computed something else.
const METHOD: u32 = 2;

/// What the training set comes to.
pub struct Survey {
    /// A hash of everything that the training's result depends on, but for the pixels and the weights, whose content is the host's to watch.
    pub fingerprint: String,
    /// How many regions there are.
    pub regions: u64,
    /// Whether a region is not a whole image. A training on whole images is for label maps, which look at whole images too.
    pub masks: bool,
    /// The id of each image.
    pub ids: Vec<String>,
    /// Classes with a region.
    pub classes: usize,
}

impl Training<'_> {
    /// What the training's result depends on.
    fn settings(&self) -> serde_json::Value {
        let config = self.config;
        let mut settings = serde_json::json!({
            "profile": self.context.settings().profile, "seed": self.context.settings().seed, "mode": config.mode, "views": config.views, "pooling": config.pooling,
            "patch_dropout": config.patch_dropout, "coverage": config.training_coverage(self.context), "standardize": config.standardize,
            "head": config.head, "folds": config.folds, "calibration": config.calibration,
        });
        let of_head = match config.head {
            HeadChoice::Paper => serde_json::json!(HeadSettings::of(config, self.context)),
            HeadChoice::Auto => serde_json::json!({ "hidden": config.hidden }),
        };
        let crops = serde_json::json!({
            "regions": config.regions, "crop_scale": config.crop_scale, "crop_pooling": config.crop_pooling, "crop_size": config.crop_size
        });
        if let Some(settings) = settings.as_object_mut() {
            let crops = crops.as_object().filter(|_| config.regions != Regions::Mask);
            settings.extend(of_head.as_object().into_iter().chain(crops).flatten().map(|(key, value)| (key.clone(), value.clone())));
        }
        settings
    }

    /// The same for the reader of a checkpoint, with what was decided in training.
    pub fn described(&self, head: &HeadSettings, temperature: f64) -> serde_json::Value {
        let mut described = self.settings();
        if let (Some(described), Some(head)) = (described.as_object_mut(), serde_json::json!(head).as_object()) {
            described.extend(head.clone());
            described.insert("temperature".into(), temperature.into());
        }
        described
    }

    /// A look at all regions.
    pub fn survey(&self) -> Result<Survey> {
        let backbone = &self.config.backbone;
        let features = format!(
            "{METHOD} {:?} {:?}",
            self.config.request(),
            (backbone.family, backbone.heads, backbone.precision, backbone.mean, backbone.std, backbone.patch_size)
        );
        let mut hash = blake3::Hasher::new();
        hash.update(self.settings().to_string().as_bytes()).update(features.as_bytes());
        for class in self.context.classes() {
            hash.update(&(class.len() as u64).to_le_bytes()).update(class.as_bytes());
        }
        let (mut regions, mut masks, mut ids, mut classes) = (0, false, Vec::with_capacity(self.set.len()), HashSet::new());
        for index in 0..self.set.len() {
            let sample = match self.set.get(index) {
                Ok(sample) => sample,
                Err(error) if crate::views::stops(&error) => return Err(error),
                Err(_) => {
                    // The extraction names it.
                    ids.push(String::new());
                    continue;
                }
            };
            hash.update(&(sample.id.len() as u64).to_le_bytes()).update(sample.id.as_bytes());
            for region in &sample.regions {
                let (width, height, runs) = region.mask.as_ref().map_or((0, 0, &[][..]), |mask| (mask.width(), mask.height(), mask.runs()));
                let size = [region.label, width, height, runs.len() as u32];
                for number in size.iter().chain(runs) {
                    hash.update(&number.to_le_bytes());
                }
                classes.insert(region.label);
            }
            regions += sample.regions.len() as u64;
            masks |= sample.regions.iter().any(|region| region.mask.is_some());
            ids.push(sample.id);
        }
        Ok(Survey { fingerprint: hash.finalize().to_hex().to_string(), regions, masks, ids, classes: classes.len() })
    }
}

impl Survey {
    /// Whether classes have images enough that some can be held out.
    pub fn has_enough(&self) -> bool {
        self.ids.len() as f64 >= auto::LEAST_IMAGES_A_CLASS * self.classes as f64
    }
}
