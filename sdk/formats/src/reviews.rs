//! What people said of a run's labels and masks: `reviews.jsonl`, an event a line, and what becomes of the labels by it (docs/reviews.md).
//!
//! [`ReviewFile`] reads and appends, [`Reviews`] holds what the events come to, [`ReviewTally`] the figures that follow from them.

mod agreement;
mod event;
mod file;
mod image;
mod statistics;

pub use agreement::{Interval, Kappa, KappaTable};
pub use event::{Action, Event};
pub(crate) use file::is_review_file;
pub use file::{Lines, Position, ReviewFile};
pub use image::{Drawn, ImageReviews, LabelState, ReviewedLabel};
pub use statistics::{ClassQuality, Measured, Quality, RANDOM, ReviewFigures, ReviewTally};

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use image::Entry;
use serde::Serialize;

use convert_sdk::Result;

/// What a run's folder has its reviews in.
pub const REVIEWS: &str = "reviews.jsonl";

/// All that was said, by sample; what was taken back is left out.
#[derive(Clone, Debug, Default)]
pub struct Reviews {
    classes: HashMap<String, u32>,
    images: BTreeMap<String, ImageReviews>,
    ids: HashSet<String>,
    ignored: Ignored,
}

/// What of the events had no effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ignored {
    /// Classes that the run does not have, with how many events named them.
    pub unknown_classes: BTreeMap<String, u64>,
    /// Undoing what is not there, is of another person or another image, or is undone already.
    pub undos: u64,
    /// Events whose id an earlier one has: the same event twice, as where files were put together.
    pub duplicates: u64,
}

impl Reviews {
    /// No reviews yet, of a run with these classes, by index.
    pub fn new(classes: &[String]) -> Self {
        let mut reviews = Self::default();
        // Of two classes of one name the first counts, as everywhere.
        classes.iter().zip(0..).for_each(|(name, index)| _ = reviews.classes.entry(name.clone()).or_insert(index));
        reviews
    }

    /// What the events of a file come to.
    ///
    /// # Errors
    /// As [`ReviewFile::read`].
    pub fn read(file: &Path, classes: &[String]) -> Result<Self> {
        let mut reviews = Self::new(classes);
        ReviewFile::open(file)?.read()?.events.into_iter().for_each(|event| reviews.add(event));
        Ok(reviews)
    }

    /// Takes the next event of the file. Events without effect are counted in [`Reviews::ignored`].
    pub fn add(&mut self, event: Event) {
        if !self.ids.insert(event.id.clone()) {
            self.ignored.duplicates += 1;
            return;
        }
        match &event.action {
            Action::Undo { of } => {
                let undone = self.images.get_mut(&event.sample).is_some_and(|image| image.take_back(of, &event.who));
                self.ignored.undos += u64::from(!undone);
                self.images.retain(|sample, image| *sample != event.sample || !image.is_empty());
            }
            action => {
                let named = action.classes().map(|name| (name, self.classes.get(name).copied()));
                let mut classes = Vec::new();
                for (name, class) in named {
                    match class {
                        Some(class) => classes.push(class),
                        None => *self.ignored.unknown_classes.entry(name.to_owned()).or_default() += 1,
                    }
                }
                // Of a complete image the classes that are known still say something; a verdict on an unknown class says nothing.
                if classes.is_empty() && action.is_verdict() {
                    return;
                }
                classes.sort_unstable();
                classes.dedup();
                self.images.entry(event.sample.clone()).or_default().push(Entry { event, classes });
            }
        }
    }

    /// What was said of a sample; `None` where nothing was, or all was taken back.
    pub fn of(&self, sample: &str) -> Option<&ImageReviews> {
        self.images.get(sample)
    }

    /// All samples of which something was said, by id.
    pub fn images(&self) -> impl Iterator<Item = (&str, &ImageReviews)> {
        self.images.iter().map(|(sample, image)| (sample.as_str(), image))
    }

    /// How many samples there are of which something was said.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// How many events count.
    pub fn events(&self) -> usize {
        self.images.values().map(|image| image.events().count()).sum()
    }

    /// Who said something that counts, by name.
    pub fn reviewers(&self) -> BTreeSet<&str> {
        self.images.values().flat_map(ImageReviews::events).map(|event| event.who.as_str()).collect()
    }

    /// What of the events had no effect.
    pub fn ignored(&self) -> &Ignored {
        &self.ignored
    }
}

impl Ignored {
    /// One line for people; `None` where every event had its effect.
    pub fn describe(&self) -> Option<String> {
        let mut parts = Vec::new();
        if !self.unknown_classes.is_empty() {
            let events: u64 = self.unknown_classes.values().sum();
            let shown: Vec<String> = self.unknown_classes.keys().take(3).map(|name| format!("`{name}`")).collect();
            let more = if self.unknown_classes.len() > 3 { ", …" } else { "" };
            parts.push(format!("{events} of classes that the run does not have ({}{more})", shown.join(", ")));
        }
        for (count, what) in [(self.undos, "that take back nothing"), (self.duplicates, "that are there twice")] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        (!parts.is_empty()).then(|| format!("reviews without effect: {}", parts.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u64, who: &str, action: Action) -> Event {
        Event { id: format!("{id:016x}"), ..Event::new(who, "n1/a.JPEG", action) }
    }

    fn reviews(events: impl IntoIterator<Item = Event>) -> Reviews {
        let mut reviews = Reviews::new(&["ant", "bee", "cup", "dog"].map(str::to_owned));
        events.into_iter().for_each(|event| reviews.add(event));
        reviews
    }

    fn accept(class: &str) -> Action {
        Action::Accept { class: class.into() }
    }

    fn reject(class: &str) -> Action {
        Action::Reject { class: class.into() }
    }

    /// The states of ant (0.9), bee (0.4) and cup (0.8) at 0.5, and of what else was judged.
    fn states(reviews: &Reviews) -> Vec<(u32, LabelState)> {
        let image = reviews.of("n1/a.JPEG").unwrap();
        image.labels([(0, 0.9), (1, 0.4), (2, 0.8)], 0.5).iter().map(|label| (label.class, label.state)).collect()
    }

    #[test]
    fn the_last_verdict_on_a_class_counts_whosever_it_is() {
        use LabelState::{Accepted, Added, Kept, Rejected};
        let first = reviews([event(1, "anna", accept("ant")), event(2, "anna", reject("ant")), event(3, "bob", accept("ant"))]);
        assert_eq!(states(&first), [(0, Accepted), (2, Kept)]);
        let undone = reviews([
            event(1, "anna", reject("ant")),
            event(2, "bob", accept("ant")),
            event(3, "anna", Action::Undo { of: format!("{:016x}", 2) }),
            event(4, "bob", Action::Undo { of: format!("{:016x}", 2) }),
            event(5, "anna", Action::Add { class: "dog".into(), mask: None }),
        ]);
        assert_eq!(states(&undone), [(0, Rejected), (2, Kept), (3, Added)]);
        assert_eq!(undone.ignored(), &Ignored { undos: 1, ..Ignored::default() }, "nobody takes back what another person said");
        assert_eq!(undone.of("n1/a.JPEG").unwrap().undoable("anna"), Some(format!("{:016x}", 5).as_str()));
        assert_eq!(undone.of("n1/a.JPEG").unwrap().undoable("bob"), None);
    }

    #[test]
    fn completing_an_image_judges_every_class_and_later_verdicts_correct_it() {
        use LabelState::{Accepted, Added, Rejected};
        let complete = |labels: &[&str]| Action::Complete { labels: labels.iter().map(|name| (*name).to_owned()).collect() };
        let mut reviews = reviews([event(1, "anna", accept("cup")), event(2, "anna", complete(&["ant", "bee"]))]);
        assert_eq!(states(&reviews), [(0, Accepted), (1, Added), (2, Rejected)]);
        let labels: convert_sdk::LabelVector = [(0, 0.9), (1, 0.4), (2, 0.8), (3, 0.1)].map(score).to_vec().into();
        let image = reviews.of("n1/a.JPEG").unwrap();
        assert_eq!(image.apply(&labels).entries(), [(0, 1.0), (1, 1.0)].map(score), "nothing else is in the image");
        assert_eq!((image.complete_by(), image.classes()), (vec!["anna"], Some([0, 1].into())));
        reviews.add(event(3, "bob", reject("ant")));
        let image = reviews.of("n1/a.JPEG").unwrap();
        assert_eq!((image.classes(), image.classes_by("anna")), (Some([1].into()), Some([0, 1].into())));
        assert_eq!(image.classes_by("bob"), None, "he has not finished it");
    }

    fn score((class, probability): (u32, f32)) -> convert_sdk::ClassScore {
        convert_sdk::ClassScore { class, probability: convert_sdk::Probability::new(probability).unwrap() }
    }

    #[test]
    fn masks_are_bad_until_somebody_takes_that_back_and_drawn_ones_stay_with_their_class() {
        let mask = convert_sdk::Mask::full(2, 3).unwrap();
        let mut reviews = reviews([
            event(1, "anna", Action::BadMask { region: 2, mask: None }),
            event(2, "bob", Action::BadMask { region: 0, mask: Some(mask.clone()) }),
            event(3, "anna", Action::BadMask { region: 1, mask: Some(mask.clone()) }),
            event(6, "anna", Action::GoodMask { region: 0 }),
            event(4, "anna", Action::Add { class: "dog".into(), mask: Some(mask.clone()) }),
        ]);
        let image = reviews.of("n1/a.JPEG").unwrap();
        let other = convert_sdk::Mask::empty(2, 3).unwrap();
        assert_eq!(image.bad_masks(), [(1, Some(&mask)), (2, None)].into());
        assert_eq!([(2, &other), (5, &mask), (1, &other), (0, &other)].map(|(region, mask)| image.is_bad(region, mask)), [true, true, false, false]);
        assert_eq!(image.drawn().map(|drawn| (drawn.class, drawn.mask)).collect::<Vec<_>>(), [(3, &mask)]);
        reviews.add(event(5, "bob", reject("dog")));
        assert_eq!(reviews.of("n1/a.JPEG").unwrap().drawn().count(), 0);
    }

    #[test]
    fn what_has_no_effect_is_counted() {
        let twice = event(1, "anna", accept("ant"));
        let reviews = reviews([twice.clone(), twice, event(2, "anna", accept("unicorn")), event(3, "bob", Action::Undo { of: "f".repeat(16) })]);
        assert_eq!((reviews.len(), reviews.events(), reviews.reviewers()), (1, 1, ["anna"].into()));
        let expected =
            "reviews without effect: 1 of classes that the run does not have (`unicorn`); 1 that take back nothing; 1 that are there twice";
        assert_eq!(reviews.ignored().describe().unwrap(), expected);
        assert_eq!(Ignored::default().describe(), None);
    }
}
