use std::borrow::Cow;

use convert_abi::Object;
use serde::{Deserialize, Serialize};

use super::ask::{Remote, Request};
use super::serve::{object, reply};
use crate::{LabelVector, LabelledRegion, Postprocessor, Result};

#[derive(Serialize, Deserialize)]
struct LabelledImage<'a> {
    label: u32,
    labels: Cow<'a, LabelVector>,
    regions: Cow<'a, [LabelledRegion]>,
}

/// A postprocessor as its methods.
pub fn serve(plugin: impl Postprocessor + 'static) -> Object<'static> {
    object(move |method, call| match method {
        "adjust" => {
            let LabelledImage { label, labels, regions } = call.read()?;
            reply(&plugin.adjust(label, &labels, &regions)?)
        }
        _ => Ok(None),
    })
}

/// A postprocessor of a loaded library.
pub struct ForeignPostprocessor(pub Remote<'static>);

impl Postprocessor for ForeignPostprocessor {
    fn adjust(&self, label: u32, labels: &LabelVector, regions: &[LabelledRegion]) -> Result<LabelVector> {
        self.0.ask(Request::new("adjust", &LabelledImage { label, labels: Cow::Borrowed(labels), regions: regions.into() })?)
    }
}
