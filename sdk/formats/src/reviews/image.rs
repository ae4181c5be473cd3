//! What was said of one image, and what becomes of its labels.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Action, Event};
use convert_sdk::{ClassScore, LabelVector, Mask, Probability};

/// The events of an image that count, in the file's order. In all of it the last one that speaks of a class or region counts, whosever it is.
#[derive(Clone, Debug, Default)]
pub struct ImageReviews {
    entries: Vec<Entry>,
}

/// An event, and the indices of the classes that it names, sorted, each once.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub event: Event,
    pub classes: Vec<u32>,
}

/// What became of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelState {
    /// Nobody judged it.
    Kept,
    /// It was above the threshold, and is right.
    Accepted,
    /// It is wrong, or would be.
    Rejected,
    /// It was not above the threshold, and the image shows it.
    Added,
}

/// A label of an image after review.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReviewedLabel {
    /// Which.
    pub class: u32,
    /// The run's probability of it; 0 where the run has none.
    pub p: f32,
    /// What became of it.
    pub state: LabelState,
}

/// An object that somebody drew.
#[derive(Clone, Copy, Debug)]
pub struct Drawn<'a> {
    /// What it is.
    pub class: u32,
    /// Where, in the size that the image had on the screen of the one who drew it: the image's own.
    pub mask: &'a Mask,
    /// The event.
    pub event: &'a Event,
}

impl Entry {
    /// Whether the image shows the class, if the event says anything of that.
    fn decision(&self, class: u32) -> Option<bool> {
        let named = self.classes.binary_search(&class).is_ok();
        match self.event.action {
            Action::Accept { .. } | Action::Add { .. } => named.then_some(true),
            Action::Reject { .. } => named.then_some(false),
            Action::Complete { .. } => Some(named),
            _ => None,
        }
    }
}

impl ImageReviews {
    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Takes an event of a person back; whether it was there.
    pub(super) fn take_back(&mut self, id: &str, who: &str) -> bool {
        let at = self.entries.iter().position(|entry| entry.event.id == id && entry.event.who == who);
        at.map(|at| self.entries.remove(at)).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The events, oldest first, without those that were taken back.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.entries.iter().map(|entry| &entry.event)
    }

    /// The last event of a person, which that person can take back.
    pub fn undoable(&self, who: &str) -> Option<&str> {
        self.events().rev().find(|event| event.who == who).map(|event| event.id.as_str())
    }

    /// Whether the image shows a class; `None` where nobody has said.
    pub fn decision(&self, class: u32) -> Option<bool> {
        self.entries.iter().rev().find_map(|entry| entry.decision(class))
    }

    /// The run's labels above a threshold and those that were judged, by class, with what became of them. `current` has classes with their probabilities, in any order, each once.
    pub fn labels(&self, current: impl IntoIterator<Item = (u32, f32)>, threshold: f32) -> Vec<ReviewedLabel> {
        let mut labels: BTreeMap<u32, f32> = self.judged().into_iter().map(|class| (class, 0.0)).collect();
        for (class, p) in current {
            if p > threshold || labels.contains_key(&class) {
                labels.insert(class, p);
            }
        }
        let reviewed = labels.into_iter().map(|(class, p)| {
            let state = match self.decision(class) {
                None => LabelState::Kept,
                Some(false) => LabelState::Rejected,
                Some(true) if p > threshold => LabelState::Accepted,
                Some(true) => LabelState::Added,
            };
            ReviewedLabel { class, p, state }
        });
        reviewed.collect()
    }

    /// The labels as they are handed on: 1 for what the image shows, nothing for what it does not, and as they were for the rest. Of an image that somebody finished there is no rest.
    pub fn apply(&self, labels: &LabelVector) -> LabelVector {
        let kept = labels.entries().iter().filter(|entry| self.decision(entry.class).is_none()).copied();
        let shown = self.judged().into_iter().filter(|class| self.decision(*class) == Some(true));
        kept.chain(shown.map(|class| ClassScore { class, probability: Probability::ONE })).collect::<Vec<_>>().into()
    }

    /// The classes that somebody named.
    fn judged(&self) -> BTreeSet<u32> {
        self.entries.iter().flat_map(|entry| entry.classes.iter().copied()).collect()
    }

    /// Who has finished the image, in the order in which they did.
    pub fn complete_by(&self) -> Vec<&str> {
        let mut people = Vec::new();
        for entry in self.completions() {
            if !people.contains(&entry.event.who.as_str()) {
                people.push(entry.event.who.as_str());
            }
        }
        people
    }

    /// Whether somebody has finished it.
    pub fn is_complete(&self) -> bool {
        self.completions().next().is_some()
    }

    /// Whether somebody has finished it when it came up in the queue of this name.
    pub fn is_complete_from(&self, queue: &str) -> bool {
        self.completions().any(|entry| entry.event.queue.as_deref() == Some(queue))
    }

    fn completions(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| matches!(entry.event.action, Action::Complete { .. }))
    }

    /// The classes that a finished image shows; `None` where nobody has finished it.
    pub fn classes(&self) -> Option<BTreeSet<u32>> {
        self.is_complete().then(|| self.judged().into_iter().filter(|class| self.decision(*class) == Some(true)).collect())
    }

    /// The classes that the image shows by one person alone; `None` where that person has not finished it.
    pub fn classes_by(&self, who: &str) -> Option<BTreeSet<u32>> {
        let own: Vec<&Entry> = self.entries.iter().filter(|entry| entry.event.who == who).collect();
        own.iter().any(|entry| matches!(entry.event.action, Action::Complete { .. })).then(|| {
            let decision = |class: u32| own.iter().rev().find_map(|entry| entry.decision(class));
            own.iter().flat_map(|entry| entry.classes.iter().copied()).filter(|class| decision(*class) == Some(true)).collect()
        })
    }

    /// The regions whose masks are of no use, by their places among those of the run that was reviewed, with the masks where they were noted.
    pub fn bad_masks(&self) -> BTreeMap<u32, Option<&Mask>> {
        let mut bad = BTreeMap::new();
        for event in self.events() {
            match &event.action {
                Action::BadMask { region, mask } => _ = bad.insert(*region, mask.as_ref()),
                Action::GoodMask { region } => _ = bad.remove(region),
                _ => {}
            }
        }
        bad
    }

    /// Whether a region's mask is of no use: by the mask itself, or where none was noted by the region's place.
    pub fn is_bad(&self, region: u32, mask: &Mask) -> bool {
        self.bad_masks().into_iter().any(|(place, noted)| noted.map_or(place == region, |noted| noted == mask))
    }

    /// What people drew, of the classes that the image shows after all.
    pub fn drawn(&self) -> impl Iterator<Item = Drawn<'_>> {
        self.entries.iter().filter_map(|entry| match (&entry.event.action, entry.classes.first()) {
            (Action::Add { mask: Some(mask), .. }, Some(class)) if self.decision(*class) == Some(true) => {
                Some(Drawn { class: *class, mask, event: &entry.event })
            }
            _ => None,
        })
    }
}
