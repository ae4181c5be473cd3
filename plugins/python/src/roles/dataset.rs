use std::sync::Arc;

use convert_sdk::{Context, ImageData, Plugin, Result, Sample, TruthObject};
use serde_json::Value;

use crate::config::PythonConfig;
use crate::frame::Outgoing;
use crate::pool::Pool;
use crate::values::{index, list, unexpected};
use crate::worker::Worker;

/// See [`PythonConfig`].
pub struct Dataset {
    pool: Arc<Pool>,
    classes: Vec<String>,
}

impl Plugin for Dataset {
    type Config = PythonConfig;

    fn new(config: PythonConfig, context: Context) -> Result<Self> {
        let pool = Pool::new("dataset", config, context)?;
        let answer = pool.call(Outgoing::call("classes"))?;
        let name = |name: &Value| name.as_str().map(str::to_owned).ok_or_else(|| unexpected("a class name", name));
        let classes = list(&answer.json, "class names")?.iter().map(name).collect::<Result<Vec<_>>>()?;
        Ok(Self { pool, classes })
    }

    fn inner_schema(config: PythonConfig, context: Context) -> Result<Option<Value>> {
        Worker::schema(&config, &context).map(Some)
    }
}

impl convert_sdk::Dataset for Dataset {
    fn classes(&self) -> Vec<String> {
        self.classes.clone()
    }

    fn samples(&self) -> Result<Vec<Sample>> {
        let answer = self.pool.call(Outgoing::call("samples"))?;
        let sample = |value: &Value| match value.as_array().map(Vec::as_slice) {
            Some([Value::String(id), label, revision]) => {
                Ok(Sample { id: id.clone(), label: index(label)?, revision: revision.as_u64().unwrap_or_default() })
            }
            _ => Err(unexpected("a sample", value)),
        };
        list(&answer.json, "samples")?.iter().map(sample).collect()
    }

    fn image(&self, id: &str) -> Result<ImageData> {
        let answer = self.pool.call(Outgoing::call("image").with("id", id))?;
        if answer.json.get("shape").is_some() {
            return answer.image(&answer.json).map(ImageData::Pixels);
        }
        let bytes = answer.bytes(&answer.json).ok_or_else(|| unexpected("an image", &answer.json))?;
        Ok(ImageData::Encoded(bytes.to_vec()))
    }

    fn truth(&self, id: &str) -> Result<Option<Vec<TruthObject>>> {
        let answer = self.pool.call(Outgoing::call("truth").with("id", id))?;
        if answer.json.is_null() {
            return Ok(None);
        }
        let object = |class: &Value| Ok(TruthObject { class: index(class)?, mask: None });
        list(&answer.json, "true classes")?.iter().map(object).collect::<Result<Vec<_>>>().map(Some)
    }
}
