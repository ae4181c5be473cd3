use convert_abi::Object;

use super::ask::{same_count, Remote, Request};
use super::message;
use super::serve::{object, reply};
use crate::{Error, Proposal, Proposer, Result, SampleImage, Work};

/// A proposer as its methods.
pub fn serve(plugin: impl Proposer + 'static) -> Object<'static> {
    object(move |method, call| match method {
        "batch_size" => reply(&plugin.batch_size()),
        "work" => reply(&plugin.work()),
        "propose" => {
            let (ids, images) = (call.read::<Vec<&str>>()?, call.images()?);
            let samples: Vec<_> = ids.into_iter().zip(images).map(|(id, image)| SampleImage { id, image }).collect();
            reply(&plugin.propose(&samples)?)
        }
        "propose_at" => {
            let ((id, x, y), mut images) = (call.read()?, call.images()?);
            let image = images.pop().ok_or_else(|| Error::invalid("a call came without its image"))?;
            reply(&plugin.propose_at(&SampleImage { id, image }, x, y)?)
        }
        _ => Ok(None),
    })
}

/// A proposer of a loaded library, with what it says of itself: asked once, when it is built.
pub struct ForeignProposer {
    remote: Remote<'static>,
    batch_size: usize,
    work: Work,
}

impl ForeignProposer {
    pub fn new(remote: Remote<'static>) -> Result<Self> {
        let batch_size: usize = remote.ask_or(Request::new("batch_size", &())?, 1)?;
        let work = remote.ask_or(Request::new("work", &())?, Work::default())?;
        Ok(Self { remote, batch_size: batch_size.max(1), work })
    }
}

impl Proposer for ForeignProposer {
    fn batch_size(&self) -> usize {
        self.batch_size
    }
    fn work(&self) -> Work {
        self.work
    }
    fn propose(&self, images: &[SampleImage<'_>]) -> Result<Vec<Vec<Proposal>>> {
        let ids: Vec<&str> = images.iter().map(|sample| sample.id).collect();
        let proposals: Vec<Vec<Proposal>> = self.remote.ask(Request::new("propose", &ids)?.images(images.iter().map(|sample| &sample.image)))?;
        same_count("proposer", "lists of proposals", proposals.len(), images.len())?;
        check_scores(proposals.iter().flatten())?;
        Ok(proposals)
    }
    fn propose_at(&self, image: &SampleImage<'_>, x: u32, y: u32) -> Result<Vec<Proposal>> {
        let Some(answer) = self.remote.find(Request::new("propose_at", &(image.id, x, y))?.images([&image.image]))? else {
            return Ok(self.propose(std::slice::from_ref(image))?.concat());
        };
        let proposals: Vec<Proposal> = message::read(&answer.message)?;
        check_scores(proposals.iter()).map(|()| proposals)
    }
}

/// Refuses scores that are no numbers.
pub fn check_scores<'a>(mut proposals: impl Iterator<Item = &'a Proposal>) -> Result<()> {
    match proposals.find(|proposal| !proposal.score.is_finite()) {
        Some(proposal) => Err(Error::numeric(format!("a proposal's score is {}", proposal.score))),
        None => Ok(()),
    }
}
