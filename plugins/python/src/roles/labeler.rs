use std::path::Path;
use std::sync::Arc;

use convert_sdk::{Context, Error, LabelModel, Plugin, Prediction, PredictionInput, Result, TrainingReport, TrainingSet};
use serde_json::{Value, json};

use crate::config::PythonConfig;
use crate::frame::Outgoing;
use crate::pool::Pool;
use crate::values::{number, unexpected};
use crate::worker::Worker;
use crate::worker::nothing_to_ask;

/// See [`PythonConfig`].
pub struct Labeler {
    pool: Arc<Pool>,
    classes: usize,
}

impl Plugin for Labeler {
    type Config = PythonConfig;

    fn new(config: PythonConfig, context: Context) -> Result<Self> {
        let classes = context.classes().len();
        Ok(Self { pool: Pool::new("labeler", config, context)?, classes })
    }

    fn inner_schema(config: PythonConfig, context: Context) -> Result<Option<Value>> {
        Worker::schema(&config, &context).map(Some)
    }
}

impl convert_sdk::Labeler for Labeler {
    fn train(&self, set: &dyn TrainingSet, folder: &Path) -> Result<TrainingReport> {
        let mut lost: Vec<String> = Vec::new();
        let mut failed = None;
        let mut answer = |asked: &Value, reply: &mut Outgoing<'static>| {
            let sample = set.get(number(asked, "index")? as usize)?;
            match sample.image.get() {
                Ok(image) => {
                    let image = reply.image_copy(&image);
                    let regions: Vec<Value> = sample
                        .regions
                        .iter()
                        .map(|region| json!({ "mask": region.mask.as_ref().map(|mask| reply.mask(mask)), "label": region.label }))
                        .collect();
                    Ok(json!({ "id": sample.id, "label": sample.label, "image": image, "regions": regions }))
                }
                // A failure that may pass ends the training, which continues when it is called again.
                Err(error) if error.kind.may_pass() => {
                    failed.get_or_insert_with(|| error.clone());
                    Err(error)
                }
                Err(error) => {
                    let line = format!("{}: {error}", sample.id);
                    if !lost.contains(&line) {
                        lost.push(line);
                    }
                    Ok(Value::Null)
                }
            }
        };
        let call = Outgoing::call("train").with("count", set.len()).with("folder", folder.to_string_lossy().as_ref());
        let trained = self.pool.lease()?.call(call, None, &mut answer);
        if let Some(error) = failed {
            return Err(error);
        }
        let trained = trained?;
        let checkpoint = trained.json.as_str().ok_or_else(|| unexpected("a checkpoint's path", &trained.json))?.into();
        Ok(TrainingReport { checkpoint, lost, ..TrainingReport::default() })
    }

    fn load(&self, checkpoint: &Path) -> Result<Box<dyn LabelModel>> {
        let checkpoint = checkpoint.to_str().ok_or_else(|| Error::config(format!("the checkpoint {checkpoint:?} is not UTF-8")))?.to_owned();
        self.pool.lease()?.load(&checkpoint)?;
        Ok(Box::new(Model { pool: Arc::clone(&self.pool), classes: self.classes, checkpoint }))
    }
}

/// A checkpoint; each process loads it when it is first asked.
struct Model {
    pool: Arc<Pool>,
    classes: usize,
    checkpoint: String,
}

impl Model {
    fn predicted(&self, input: &PredictionInput<'_>) -> Result<Prediction> {
        let mut lease = self.pool.lease()?;
        lease.load(&self.checkpoint)?;
        let mut call = Outgoing::call("predict");
        let image = call.image(&input.image);
        let masks: Vec<Value> = input.regions.iter().map(|region| call.mask(&region.mask)).collect();
        let answer = lease.call(call.with("image", image).with("masks", masks), Some(self.pool.timeout()), &mut nothing_to_ask)?;
        let part = |key: &str| answer.floats(answer.json.get(key).unwrap_or(&Value::Null), "probabilities").map(|(_, numbers)| numbers);
        let (global, masks) = (part("image")?, part("regions")?);
        if global.len() != self.classes || masks.len() != self.classes * input.regions.len() {
            let (classes, regions) = (self.classes, input.regions.len());
            let given = (global.len(), masks.len());
            return Err(Error::invalid(format!("gave {} and {} probabilities for {classes} classes and {regions} regions", given.0, given.1)));
        }
        if let Some(bad) = global.iter().chain(&masks).find(|number| !(0.0..=1.0).contains(*number)) {
            return Err(Error::numeric(format!("{bad} is not a probability")));
        }
        Ok(Prediction { global, masks: masks.chunks_exact(self.classes.max(1)).map(<[f32]>::to_vec).collect() })
    }
}

impl LabelModel for Model {
    fn predict(&self, batch: &[PredictionInput<'_>]) -> Result<Vec<Prediction>> {
        batch.iter().map(|input| self.predicted(input)).collect()
    }
}
