use std::borrow::Cow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use convert_abi::Object;
use serde::{Deserialize, Serialize};

use super::ask::{Remote, Request};
use super::image::image_object;
use super::serve::{object, reply, reply_object};
use crate::{ExportRun, ExportWriter, Exporter, LabelledSample, Result};

#[derive(Serialize, Deserialize)]
struct Beginning<'a> {
    run: ExportRun,
    output: Cow<'a, Path>,
}

/// An exporter as its methods.
pub fn serve(plugin: impl Exporter + 'static) -> Object<'static> {
    object(move |method, call| match method {
        "accepts" => reply(&plugin.accepts(call.read()?)?),
        "begin" => {
            let Beginning { run, output } = call.read()?;
            reply_object(serve_writer(plugin.begin(run, &output)?))
        }
        _ => Ok(None),
    })
}

fn serve_writer(writer: Box<dyn ExportWriter>) -> Object<'static> {
    let writer = Mutex::new(writer);
    object(move |method, mut call| {
        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        match method {
            "write" => {
                let image = call.image()?;
                reply(&writer.write(&LabelledSample { image, ..call.read()? })?)
            }
            "finish" => reply(&writer.finish()?),
            _ => Ok(None),
        }
    })
}

/// An exporter of a loaded library.
pub struct ForeignExporter(pub Remote<'static>);

struct ForeignWriter(Remote<'static>);

impl Exporter for ForeignExporter {
    fn accepts(&self, id: &str) -> Result<()> {
        self.0.ask_or(Request::new("accepts", id)?, ())
    }
    fn begin(&self, run: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        let writer = self.0.ask_object(Request::new("begin", &Beginning { run, output: output.into() })?)?;
        Ok(Box::new(ForeignWriter(writer)))
    }
}

impl ExportWriter for ForeignWriter {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        self.0.ask(Request::new("write", sample)?.image(image_object(&sample.image)))
    }
    fn finish(&mut self) -> Result<()> {
        self.0.ask(Request::new("finish", &())?)
    }
}
