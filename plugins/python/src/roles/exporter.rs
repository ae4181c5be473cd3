use std::path::Path;
use std::sync::Arc;

use convert_sdk::{ClassScore, Context, Error, ExportRun, ExportWriter, LabelledSample, Plugin, Result};
use serde_json::{Value, json};

use crate::config::PythonConfig;
use crate::frame::Outgoing;
use crate::pool::{Lease, Pool};
use crate::worker::Worker;
use crate::worker::nothing_to_ask;

/// See [`PythonConfig`].
pub struct Exporter(Arc<Pool>);

impl Plugin for Exporter {
    type Config = PythonConfig;

    fn new(config: PythonConfig, context: Context) -> Result<Self> {
        Pool::new("exporter", config, context).map(Self)
    }

    fn inner_schema(config: PythonConfig, context: Context) -> Result<Option<Value>> {
        Worker::schema(&config, &context).map(Some)
    }
}

/// A file that was begun, and the process that holds it.
struct Writer {
    pool: Arc<Pool>,
    lease: Lease,
}

impl convert_sdk::Exporter for Exporter {
    fn begin(&self, run: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        let mut lease = self.0.lease()?;
        let output = output.to_str().ok_or_else(|| Error::config(format!("the file {output:?} is not UTF-8, which exporters need")))?;
        let call = Outgoing::call("begin").with("run", serde_json::to_value(&run)?).with("output", output);
        lease.call(call, Some(self.0.timeout()), &mut nothing_to_ask)?;
        Ok(Box::new(Writer { pool: Arc::clone(&self.0), lease }))
    }
}

fn scores(scores: &[ClassScore]) -> Value {
    scores.iter().map(|score| json!([score.class, score.probability])).collect()
}

impl ExportWriter for Writer {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        let mut call = Outgoing::call("write");
        let regions = sample.regions.iter();
        let regions: Vec<Value> = regions
            .map(|region| {
                let mask = call.mask(&region.mask);
                json!({ "mask": mask, "source": region.source, "score": region.score, "selected": region.selected, "classes": scores(&region.top) })
            })
            .collect();
        let truth: Option<Vec<u32>> = sample.truth.as_ref().map(|objects| objects.iter().map(|object| object.class).collect());
        let told = json!({
            "id": sample.id, "label": sample.label, "width": sample.width, "height": sample.height, "labels": scores(sample.labels.entries()),
            "regions": regions, "truth": truth,
        });
        let answer = &mut |_: &Value, reply: &mut Outgoing<'static>| sample.image.get().map(|image| reply.image_copy(&image));
        self.lease.call(call.with("sample", told), Some(self.pool.timeout()), answer).map(drop)
    }

    fn finish(&mut self) -> Result<()> {
        self.lease.call(Outgoing::call("finish"), Some(self.pool.timeout()), &mut nothing_to_ask).map(drop)
    }
}
