//! The plugin.

use convert_sdk::{Context, Dataset, Error, ImageData, Plugin, Result, Sample, TruthObject, config};

use crate::arrangement::{Object, Settings, arrange, classes, visible_masks};
use crate::catalogue::{self, Class};
use crate::paint::paint;

/// Synthetic scenes of several objects whose truth is known, for a first look and for tests: they need no data and no download.
///
/// Each scene shows 1 to `max_objects` objects of different classes (apple, balloon, banana, …: sixteen) in varied colours and poses on a textured
/// surface. Its single label is the class of the object with the largest visible area; the truth names all of them, with their masks.
#[config(default)]
#[derive(Clone, Debug)]
pub struct ScenesConfig {
    /// How many scenes there are. Every class is the label of as many of them as every other (one more or less).
    #[schemars(range(min = 2, max = 1_000_000))]
    pub count: u32,
    /// Pixels of a side: scenes are square.
    #[schemars(range(min = 64, max = 1024))]
    pub size: u32,
    /// The most objects of a scene; 1 to this many are equally likely.
    #[schemars(range(min = 1, max = 6))]
    pub max_objects: u32,
    /// What everything is drawn from. Default: the run's seed.
    pub seed: Option<u64>,
}

impl Default for ScenesConfig {
    fn default() -> Self {
        Self { count: 400, size: 256, max_objects: 4, seed: None }
    }
}

/// The dataset `scenes`.
pub struct Scenes {
    count: u32,
    settings: Settings,
    catalogue: Vec<Class>,
}

impl Plugin for Scenes {
    type Config = ScenesConfig;

    fn new(config: Self::Config, context: Context) -> Result<Self> {
        let limits = [("count", config.count, 2, 1_000_000), ("size", config.size, 64, 1024), ("max_objects", config.max_objects, 1, 6)];
        for (name, value, low, high) in limits {
            if !(low..=high).contains(&value) {
                return Err(Error::config(format!("{name} is {value}: choose {low} to {high}")));
            }
        }
        let settings =
            Settings { seed: config.seed.unwrap_or(context.settings().seed), size: config.size as usize, max_objects: config.max_objects as usize };
        Ok(Self { count: config.count, settings, catalogue: catalogue::load()? })
    }
}

impl Dataset for Scenes {
    fn classes(&self) -> Vec<String> {
        catalogue::names()
    }

    fn samples(&self) -> Result<Vec<Sample>> {
        let sample = |index: u32| Sample {
            id: format!("scene-{index:05}"),
            label: classes(&self.settings, u64::from(index))[0] as u32,
            revision: 1, // a scene is what its config says; the config is in every stage's key
        };
        Ok((0..self.count).map(sample).collect())
    }

    fn image(&self, id: &str) -> Result<ImageData> {
        let (index, objects) = self.scene(id)?;
        Ok(ImageData::Pixels(paint(&self.settings, index, &objects)?))
    }

    fn truth(&self, id: &str) -> Result<Option<Vec<TruthObject>>> {
        let (_, objects) = self.scene(id)?;
        let masks = visible_masks(&objects, self.settings.size)?;
        let truth = objects.iter().zip(masks).map(|(object, mask)| TruthObject { class: object.class as u32, mask: Some(mask) });
        Ok(Some(truth.collect()))
    }
}

impl Scenes {
    /// The index and the objects of a scene.
    fn scene(&self, id: &str) -> Result<(u64, Vec<Object>)> {
        let index: u32 = id
            .strip_prefix("scene-")
            .and_then(|digits| digits.parse().ok())
            .filter(|index| *index < self.count)
            .ok_or_else(|| Error::invalid(format!("no sample {id:?}: there are scene-00000 to scene-{:05}", self.count - 1)))?;
        Ok((u64::from(index), arrange(&self.settings, &self.catalogue, u64::from(index))?))
    }
}

#[cfg(test)]
mod tests;
