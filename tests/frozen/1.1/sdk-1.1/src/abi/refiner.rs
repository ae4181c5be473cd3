use convert_abi::Object;

use super::ask::{same_count, Remote, Request};
use super::image::image_object;
use super::proposer::check_scores;
use super::serve::{object, reply};
use crate::{LazyImage, Proposal, Refinement, Refiner, Result, Work};

/// A refiner as its methods.
pub fn serve(plugin: impl Refiner + 'static) -> Object<'static> {
    object(move |method, mut call| match method {
        "work" => reply(&plugin.work(&call.read()?)),
        "refine" => {
            let image = call.image()?;
            reply(&plugin.refine(&image, &call.read::<Vec<Proposal>>()?)?)
        }
        _ => Ok(None),
    })
}

/// A refiner of a loaded library.
pub struct ForeignRefiner(pub Remote<'static>);

impl Refiner for ForeignRefiner {
    fn work(&self, before: &Work) -> Work {
        // An estimate that a plugin fails to give is one that is not known.
        Request::new("work", before).and_then(|request| self.0.ask_or(request, before.masks_alone())).unwrap_or_default()
    }
    fn refine(&self, image: &LazyImage<'_>, proposals: &[Proposal]) -> Result<Vec<Refinement>> {
        let refinements: Vec<Refinement> = self.0.ask(Request::new("refine", proposals)?.image(image_object(image)))?;
        same_count("refiner", "answers", refinements.len(), proposals.len())?;
        let kept = refinements.iter().filter_map(|refinement| if let Refinement::Keep(proposal) = refinement { Some(proposal) } else { None });
        check_scores(kept)?;
        Ok(refinements)
    }
}
