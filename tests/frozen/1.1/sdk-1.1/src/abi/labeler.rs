use std::borrow::Cow;
use std::path::{Path, PathBuf};

use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{ROption, RStr};
use convert_abi::{abi_stable, Answer, Arguments, Callable, Callable_TO, Fallible, Object};
use serde::{Deserialize, Serialize};

use super::ask::{same_count, Remote, Request};
use super::guard::guard;
use super::image::{foreign_image, image_object};
use super::message;
use super::serve::{object, reply, reply_object, Call};
use crate::{
    Error, Image, LabelMap, LabelModel, Labeler, Prediction, PredictionInput, Region, RegionVectors, Result, TrainingReport, TrainingSample,
    TrainingSet, Work,
};

/// A training set as its methods. Its samples' images are borrowed from it, so that it is served by hand.
struct ServedSet<'s>(&'s dyn TrainingSet);

impl Callable for ServedSet<'_> {
    fn call<'a>(&'a self, method: RStr<'_>, arguments: Arguments<'_>) -> Fallible<ROption<Answer<'a>>> {
        let call = Call(arguments);
        let answer = |message: Vec<u8>| Answer { message: message.into(), image: ROption::RNone, object: ROption::RNone };
        let run = || match method.as_str() {
            "len" => Ok(Some(answer(message::write(&self.0.len())?))),
            "get" => {
                let sample = self.0.get(call.read()?)?;
                let message = message::write(&sample)?;
                Ok(Some(Answer { image: ROption::RSome(image_object(sample.image)), ..answer(message) }))
            }
            _ => Ok(None),
        };
        guard(run, ROption::from)
    }
}

struct ForeignSet<'a> {
    remote: Remote<'a>,
    len: usize,
}

impl TrainingSet for ForeignSet<'_> {
    fn len(&self) -> usize {
        self.len
    }
    fn get(&self, index: usize) -> Result<TrainingSample<'_>> {
        let answer = self.remote.call(Request::new("get", &index)?)?;
        let image = answer.image.into_option().ok_or_else(|| Error::invalid(format!("the training sample {index} came without its image")))?;
        Ok(TrainingSample { image: foreign_image(image), ..message::read(&answer.message)? })
    }
}

/// A labeler as its methods.
pub fn serve(plugin: impl Labeler + 'static) -> Object<'static> {
    object(move |method, mut call| match method {
        "work" => reply(&plugin.work()),
        "train" => {
            let remote = call.object()?;
            let set = ForeignSet { len: remote.ask(Request::new("len", &())?)?, remote };
            reply(&plugin.train(&set, &call.read::<PathBuf>()?)?)
        }
        "load" => reply_object(serve_model(plugin.load(&call.read::<PathBuf>()?)?)),
        _ => Ok(None),
    })
}

/// What of a [`PredictionInput`] is not its image.
#[derive(Serialize, Deserialize)]
struct Asked<'a> {
    id: Cow<'a, str>,
    regions: Cow<'a, [Region]>,
}

fn serve_model(model: Box<dyn LabelModel>) -> Object<'static> {
    object(move |method, call| match method {
        "batch_size" => reply(&model.batch_size()),
        "maps" => reply(&model.maps(&call.images()?)?),
        "predict" => reply(&model.predict(&inputs(&call.read::<Vec<Asked<'_>>>()?, call.images()?))?),
        "predict_held_out" => reply(&model.predict_held_out(&inputs(&call.read::<Vec<Asked<'_>>>()?, call.images()?))?),
        "vectors" => reply(&model.vectors(&inputs(&call.read::<Vec<Asked<'_>>>()?, call.images()?))?),
        _ => Ok(None),
    })
}

fn inputs<'a>(asked: &'a [Asked<'_>], images: Vec<Image<'a>>) -> Vec<PredictionInput<'a>> {
    asked.iter().zip(images).map(|(asked, image)| PredictionInput { id: &asked.id, image, regions: &asked.regions }).collect()
}

/// A labeler of a loaded library, with what an image costs it: asked once, when it is built.
pub struct ForeignLabeler {
    remote: Remote<'static>,
    work: Work,
}

impl ForeignLabeler {
    pub fn new(remote: Remote<'static>) -> Result<Self> {
        let work = remote.ask_or(Request::new("work", &())?, Work::default())?;
        Ok(Self { remote, work })
    }
}

struct ForeignModel {
    remote: Remote<'static>,
    batch_size: usize,
}

impl Labeler for ForeignLabeler {
    fn work(&self) -> Work {
        self.work
    }
    fn train(&self, set: &dyn TrainingSet, folder: &Path) -> Result<TrainingReport> {
        self.remote.ask(Request::new("train", folder)?.object(Callable_TO::from_value(ServedSet(set), TD_Opaque)))
    }
    fn load(&self, checkpoint: &Path) -> Result<Box<dyn LabelModel>> {
        let remote = self.remote.ask_object(Request::new("load", checkpoint)?)?;
        let batch_size: usize = remote.ask_or(Request::new("batch_size", &())?, 1)?;
        Ok(Box::new(ForeignModel { remote, batch_size: batch_size.max(1) }))
    }
}

impl ForeignModel {
    /// What a method says of each image of a batch, and `masks` of how many of its regions.
    fn of_batch<T: serde::de::DeserializeOwned>(
        &self,
        method: &'static str,
        batch: &[PredictionInput<'_>],
        (what, of_masks): (&str, &str),
        masks: impl Fn(&T) -> usize,
    ) -> Result<Vec<T>> {
        let asked: Vec<_> = batch.iter().map(|input| Asked { id: input.id.into(), regions: input.regions.into() }).collect();
        let answers: Vec<T> = self.remote.ask(Request::new(method, &asked)?.images(batch.iter().map(|input| &input.image)))?;
        same_count("labeler", what, answers.len(), batch.len())?;
        let mut pairs = answers.iter().zip(batch);
        pairs.try_for_each(|(answer, input)| same_count("labeler", of_masks, masks(answer), input.regions.len()))?;
        Ok(answers)
    }
}

const PREDICTIONS: (&str, &str) = ("predictions", "mask predictions");

impl LabelModel for ForeignModel {
    fn batch_size(&self) -> usize {
        self.batch_size
    }
    fn predict(&self, batch: &[PredictionInput<'_>]) -> Result<Vec<Prediction>> {
        self.of_batch("predict", batch, PREDICTIONS, |prediction: &Prediction| prediction.masks.len())
    }
    fn predict_held_out(&self, batch: &[PredictionInput<'_>]) -> Result<Vec<Prediction>> {
        self.of_batch("predict_held_out", batch, PREDICTIONS, |prediction: &Prediction| prediction.masks.len())
    }
    fn vectors(&self, batch: &[PredictionInput<'_>]) -> Result<Vec<RegionVectors>> {
        self.of_batch("vectors", batch, ("images with vectors", "vectors of masks"), |vectors: &RegionVectors| vectors.masks.len())
    }
    fn maps(&self, images: &[Image<'_>]) -> Result<Vec<LabelMap>> {
        let maps: Vec<LabelMap> = self.remote.ask(Request::new("maps", &())?.images(images))?;
        same_count("labeler", "label maps", maps.len(), images.len())?;
        Ok(maps)
    }
}
