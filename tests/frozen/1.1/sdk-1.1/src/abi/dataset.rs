use convert_abi::Object;

use super::ask::{Remote, Request};
use super::serve::{object, reply};
use crate::{Dataset, ImageData, Result, Sample, TruthObject};

/// A dataset as its methods.
pub fn serve(plugin: impl Dataset + 'static) -> Object<'static> {
    object(move |method, call| match method {
        "classes" => reply(&plugin.classes()),
        "samples" => reply(&plugin.samples()?),
        "image" => reply(&plugin.image(call.read()?)?),
        "class_numbers" => reply(&plugin.class_numbers()),
        "sample_number" => reply(&plugin.sample_number(call.read()?)?),
        "truth" => reply(&plugin.truth(call.read()?)?),
        _ => Ok(None),
    })
}

/// A dataset of a loaded library.
pub struct ForeignDataset(pub Remote<'static>);

impl Dataset for ForeignDataset {
    fn classes(&self) -> Vec<String> {
        // A panic inside gives no classes, which the host refuses.
        Request::new("classes", &()).and_then(|request| self.0.ask(request)).unwrap_or_default()
    }
    fn samples(&self) -> Result<Vec<Sample>> {
        self.0.ask(Request::new("samples", &())?)
    }
    fn image(&self, id: &str) -> Result<ImageData> {
        self.0.ask(Request::new("image", id)?)
    }
    fn class_numbers(&self) -> Vec<u64> {
        // A panic inside gives none: files are then numbered by the classes' indices.
        Request::new("class_numbers", &()).and_then(|request| self.0.ask_or(request, Vec::new())).unwrap_or_default()
    }
    fn sample_number(&self, id: &str) -> Result<Option<u64>> {
        self.0.ask_or(Request::new("sample_number", id)?, None)
    }
    fn truth(&self, id: &str) -> Result<Option<Vec<TruthObject>>> {
        self.0.ask_or(Request::new("truth", id)?, None)
    }
}
