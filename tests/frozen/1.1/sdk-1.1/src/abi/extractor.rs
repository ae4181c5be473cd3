use convert_abi::Object;

use super::ask::{same_count, Remote, Request};
use super::serve::{object, reply};
use crate::{Extractor, FeatureMap, Finding, Image, Result};

/// An extractor as its methods.
pub fn serve(plugin: impl Extractor + 'static) -> Object<'static> {
    object(move |method, call| match method {
        "extract" => reply(&plugin.extract(&call.images()?)?),
        "diagnosis" => reply(&plugin.diagnosis()?),
        _ => Ok(None),
    })
}

/// An extractor of a loaded library.
pub struct ForeignExtractor(pub Remote<'static>);

impl Extractor for ForeignExtractor {
    fn extract(&self, images: &[Image<'_>]) -> Result<Vec<FeatureMap>> {
        let maps: Vec<FeatureMap> = self.0.ask(Request::new("extract", &())?.images(images))?;
        same_count("extractor", "feature maps", maps.len(), images.len())?;
        Ok(maps)
    }
    fn diagnosis(&self) -> Result<Vec<Finding>> {
        self.0.ask_or(Request::new("diagnosis", &())?, Vec::new())
    }
}
