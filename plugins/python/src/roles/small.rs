//! Roles of one method.

use std::sync::Arc;

use convert_sdk::{
    ClassScore, Context, Error, FeatureMap, Image, LabelVector, LabelledRegion, LazyImage, Plugin, Probability, Proposal, Refinement, Result,
    SampleImage, Selection, SelectorNeeds, Subject,
};
use serde_json::{Value, json};

use crate::config::PythonConfig;
use crate::frame::Outgoing;
use crate::pool::Pool;
use crate::values::{class_and_probability, index, list, measures, number, unexpected};
use crate::worker::Worker;

macro_rules! plugin {
    ($(#[$doc:meta])* $name:ident, $role:literal) => {
        $(#[$doc])*
        pub struct $name(Arc<Pool>);

        impl Plugin for $name {
            type Config = PythonConfig;

            fn new(config: PythonConfig, context: Context) -> Result<Self> {
                Pool::new($role, config, context).map(Self)
            }

            fn inner_schema(config: PythonConfig, context: Context) -> Result<Option<Value>> {
                Worker::schema(&config, &context).map(Some)
            }
        }
    };
}

plugin! {
    /// See [`PythonConfig`].
    Proposer, "proposer"
}

impl convert_sdk::Proposer for Proposer {
    fn batch_size(&self) -> usize {
        self.0.fact("batch_size") as usize
    }

    fn propose(&self, images: &[SampleImage<'_>]) -> Result<Vec<Vec<Proposal>>> {
        let mut call = Outgoing::call("propose");
        let arrays: Vec<Value> = images.iter().map(|sample| call.image(&sample.image)).collect();
        let ids: Vec<&str> = images.iter().map(|sample| sample.id).collect();
        let answer = self.0.call(call.with("images", arrays).with("ids", json!(ids)))?;
        let lists = list(&answer.json, "a list for each image")?.iter();
        lists.map(|proposals| list(proposals, "a list of proposals")?.iter().map(|proposal| answer.proposal(proposal)).collect()).collect()
    }

    fn propose_at(&self, image: &SampleImage<'_>, x: u32, y: u32) -> Result<Vec<Proposal>> {
        let mut call = Outgoing::call("propose_at");
        let array = call.image(&image.image);
        let answer = self.0.call(call.with("image", array).with("id", image.id).with("x", x).with("y", y))?;
        list(&answer.json, "a list of proposals")?.iter().map(|proposal| answer.proposal(proposal)).collect()
    }
}

plugin! {
    /// See [`PythonConfig`].
    Refiner, "refiner"
}

impl convert_sdk::Refiner for Refiner {
    fn refine(&self, image: &LazyImage<'_>, proposals: &[Proposal]) -> Result<Vec<Refinement>> {
        if proposals.is_empty() {
            return Ok(Vec::new());
        }
        let (image, mut call) = (image.get()?, Outgoing::call("refine"));
        let array = call.image(&image);
        let masks: Vec<Value> = proposals.iter().map(|proposal| call.proposal(proposal)).collect();
        let answer = self.0.call(call.with("image", array).with("proposals", masks))?;
        let refinement = |value: &Value| match value.get("drop").and_then(Value::as_str) {
            Some(reason) => Ok(Refinement::Drop { reason: reason.lines().next().unwrap_or_default().to_owned() }),
            None => answer.proposal(value).map(Refinement::Keep),
        };
        list(&answer.json, "an answer for each proposal")?.iter().map(refinement).collect()
    }
}

plugin! {
    /// See [`PythonConfig`].
    Selector, "selector"
}

impl convert_sdk::Selector for Selector {
    fn needs(&self) -> SelectorNeeds {
        SelectorNeeds { rounds: u32::try_from(self.0.fact("rounds")).unwrap_or(1).max(1), ..SelectorNeeds::default() }
    }

    fn select(&self, subject: &Subject<'_>) -> Result<Vec<Selection>> {
        let mut call = Outgoing::call("select").with("id", subject.id).with("label", subject.label);
        let regions = subject.regions.iter();
        let regions: Vec<Value> = regions
            .map(|region| {
                let mask = call.mask(&region.mask);
                json!({ "mask": mask, "source": region.source, "score": region.score, "measures": measures(&region.measures) })
            })
            .collect();
        let scores = |scores: &Vec<ClassScore>| scores.iter().map(|score| json!([score.class, score.probability])).collect::<Value>();
        let predictions: Option<Value> = subject.predictions.map(|predictions| predictions.iter().map(scores).collect());
        let call = call.with("regions", regions).with("predictions", predictions.unwrap_or_default());
        let answer = self.0.call_answered(call, &mut |_, reply| subject.image.get().map(|image| reply.image_copy(&image)))?;
        let selection = |value: &Value| {
            let keep = value.get("keep").and_then(Value::as_bool).ok_or_else(|| unexpected("a truth value `keep`", value))?;
            let label = index(value.get("label").unwrap_or(&Value::Null))?;
            Ok(Selection { confidence: Probability::new(number(value, "confidence")? as f32)?, keep, label })
        };
        list(&answer.json, "an answer for each region")?.iter().map(selection).collect()
    }
}

plugin! {
    /// See [`PythonConfig`].
    Postprocessor, "postprocessor"
}

impl convert_sdk::Postprocessor for Postprocessor {
    fn adjust(&self, label: u32, labels: &LabelVector, _: &[LabelledRegion]) -> Result<LabelVector> {
        let entries: Vec<Value> = labels.entries().iter().map(|entry| json!([entry.class, entry.probability])).collect();
        let answer = self.0.call(Outgoing::call("adjust").with("label", label).with("labels", entries))?;
        let mut adjusted = LabelVector::default();
        for entry in list(&answer.json, "classes with their probabilities")? {
            let (class, probability) = class_and_probability(entry)?;
            adjusted.raise(class, Probability::new(probability)?);
        }
        Ok(adjusted)
    }
}

plugin! {
    /// See [`PythonConfig`].
    Extractor, "extractor"
}

impl convert_sdk::Extractor for Extractor {
    fn extract(&self, images: &[Image<'_>]) -> Result<Vec<FeatureMap>> {
        let mut call = Outgoing::call("extract");
        let arrays: Vec<Value> = images.iter().map(|image| call.image(image)).collect();
        let answer = self.0.call(call.with("images", arrays))?;
        let map = |value: &Value| match answer.floats(value, "features")? {
            (shape, values) if shape.len() == 3 => FeatureMap::new(shape[0], shape[1], shape[2], values),
            (shape, _) => Err(Error::invalid(format!("features have the shape {shape:?} instead of [rows, columns, dimension]"))),
        };
        list(&answer.json, "a feature map for each image")?.iter().map(map).collect()
    }
}
