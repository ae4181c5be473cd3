//! What people said of the run's images, as the viewer shows and takes it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use convert_formats::reviews::{Action, Event, Interval, LabelState, Position, ReviewFile, ReviewTally, Reviews};
use convert_sdk::{Mask, Probability};
use serde::Deserialize;
use serde_json::{Value, json};

use super::details::{MaskCounts, rounded};
use super::index::{Index, of_units};
use super::refusal::Refusal;

/// Why images come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A class is near the threshold; class by class in turn.
    Near,
    /// No region backs the given label.
    Unsupported,
    /// Drawn at random: what an honest estimate needs.
    Random,
    /// A third of each.
    Mixed,
    /// Finished by somebody else, for their agreement.
    Second,
}

impl Kind {
    /// Its name in reviews.
    pub fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Unsupported => "unsupported",
            Self::Random => "random",
            Self::Mixed => "mixed",
            Self::Second => "second",
        }
    }
}

/// An event as the page sends it.
#[derive(Debug, Deserialize)]
pub struct Review {
    /// The sample, by number.
    pub sample: usize,
    /// The reviewer's name.
    pub who: String,
    /// What was done, as `reviews.jsonl` names it.
    pub action: String,
    /// The class, by index.
    #[serde(default)]
    pub class: Option<u32>,
    /// The region, by its place.
    #[serde(default)]
    pub region: Option<u32>,
    /// What was drawn.
    #[serde(default)]
    pub mask: Option<MaskCounts>,
    /// The event to take back.
    #[serde(default)]
    pub of: Option<String>,
    /// What `complete` says that the image shows, by index: what the reviewer saw, whatever others have said meanwhile.
    #[serde(default)]
    pub labels: Option<Vec<u32>>,
    /// The queue that the image came from.
    #[serde(default)]
    pub queue: Option<Kind>,
    /// Whether scores were hidden.
    #[serde(default)]
    pub blind: bool,
}

/// The reviews of a run that is open.
pub struct Reviewing {
    file: ReviewFile,
    classes: Vec<String>,
    /// One at a time reads on or appends.
    position: Mutex<Position>,
    reviewed: RwLock<Reviewed>,
}

/// What the events come to.
pub struct Reviewed {
    reviews: Reviews,
    /// Samples that somebody has finished, by number; of the run's alone.
    complete: HashSet<u32>,
    figures: Value,
    by_class: HashMap<u32, Verdicts>,
    precision: HashMap<u32, Interval>,
}

/// How often reviewers said what of a class.
#[derive(Clone, Copy, Debug, Default)]
pub struct Verdicts {
    /// A label of it is right.
    pub accepted: u64,
    /// A label of it is wrong.
    pub rejected: u64,
    /// It was missing.
    pub added: u64,
}

impl Reviewed {
    fn new(classes: &[String]) -> Self {
        let reviews = Reviews::new(classes);
        Self { reviews, complete: HashSet::new(), figures: Value::Null, by_class: HashMap::new(), precision: HashMap::new() }
    }

    /// Whether somebody has finished a sample.
    pub fn is_complete(&self, sample: usize) -> bool {
        self.complete.contains(&(sample as u32))
    }

    /// Whether a person has finished a sample.
    pub fn is_complete_by(&self, id: &str, who: &str) -> bool {
        self.reviews.of(id).is_some_and(|image| image.complete_by().contains(&who))
    }

    /// The samples that somebody has finished, by number.
    pub fn complete(&self) -> impl Iterator<Item = usize> + '_ {
        self.complete.iter().map(|sample| *sample as usize)
    }

    /// The verdicts on each class that has any.
    pub fn of_classes(&self) -> impl Iterator<Item = (u32, Verdicts)> + '_ {
        self.by_class.iter().map(|(class, verdicts)| (*class, *verdicts))
    }

    /// The precision of a class's labels, by the images of the random queue.
    pub fn precision_of(&self, class: u32) -> Option<Interval> {
        self.precision.get(&class).copied()
    }

    /// What the reviews say of the run.
    pub fn summary(&self) -> Value {
        self.figures.clone()
    }

    /// Counts anew.
    fn count(&mut self, index: &Index, threshold: f32) {
        (self.complete, self.by_class) = Default::default();
        let mut tally = ReviewTally::new(threshold);
        for (id, image) in self.reviews.images() {
            let Some(sample) = index.find(id) else { continue };
            if image.is_complete() {
                self.complete.insert(sample as u32);
            }
            let current = || index.labels(sample).map(|label| (label.class, of_units(label.p)));
            for label in image.labels(current(), threshold) {
                let verdicts = self.by_class.entry(label.class).or_default();
                match label.state {
                    LabelState::Kept => {}
                    LabelState::Accepted => verdicts.accepted += 1,
                    LabelState::Added => verdicts.added += 1,
                    // One that was not above the threshold and is not right is no mistake of the run.
                    LabelState::Rejected => verdicts.rejected += u64::from(label.p > threshold),
                }
            }
            tally.add(image, index.given(sample), current());
        }
        let figures = tally.figures();
        let all = &figures.quality.all;
        self.precision = figures.by_class.iter().filter_map(|class| Some((class.class, class.quality.all.precision?))).collect();
        let by_class = figures.by_class.iter().map(|class| {
            let measured = &class.quality.all;
            json!({ "class": class.class, "precision": measured.precision, "recall": measured.recall })
        });
        self.figures = json!({
            "images": self.complete.len(),
            "events": self.reviews.events(),
            "reviewers": self.reviews.reviewers(),
            "precision": all.precision,
            "recall": all.recall,
            "added": figures.quality.added,
            "random_images": figures.random_images,
            "kappa": figures.kappa,
            "by_class": by_class.collect::<Vec<_>>(),
            "ignored": self.reviews.ignored().describe(),
        });
    }
}

impl Reviewing {
    /// The reviews in a file, which may not be there yet, of a run with these classes.
    ///
    /// # Errors
    /// A file that cannot be read, or has a line that is no event.
    pub fn open(file: &std::path::Path, classes: &[String]) -> convert_sdk::Result<Self> {
        let file = ReviewFile::open(file)?;
        let (mut reviewed, mut position) = (Reviewed::new(classes), Position::default());
        read_on(&file, &mut position, &mut reviewed)?;
        Ok(Self { file, classes: classes.to_vec(), position: Mutex::new(position), reviewed: RwLock::new(reviewed) })
    }

    /// What the events come to.
    pub fn reviewed(&self) -> RwLockReadGuard<'_, Reviewed> {
        self.reviewed.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what the file holds, once the samples are known.
    pub fn count(&self, index: &Index, threshold: f32) {
        self.reviewed.write().unwrap_or_else(PoisonError::into_inner).count(index, threshold);
    }

    /// Takes in what other processes wrote.
    ///
    /// # Errors
    /// As [`Reviewing::open`].
    pub fn refresh(&self, index: &Index, threshold: f32) -> convert_sdk::Result<()> {
        let mut position = self.position();
        let begins_anew = self.file.length()? < position.offset;
        if begins_anew {
            tracing::warn!("{} was taken away, or is shorter than it was: what it says now counts", self.file.path().display());
        }
        let mut read = self.file.read_since(if begins_anew { Position::default() } else { *position })?;
        if read.events.is_empty() && !begins_anew {
            return Ok(());
        }
        let mut reviewed = self.reviewed.write().unwrap_or_else(PoisonError::into_inner);
        if begins_anew {
            *reviewed = Reviewed::new(&self.classes);
        }
        read.events.drain(..).for_each(|event| reviewed.reviews.add(event));
        *position = read.end;
        reviewed.count(index, threshold);
        Ok(())
    }

    /// Writes an event, and takes it in with all that others wrote.
    ///
    /// # Errors
    /// What is no event; a file that cannot be written.
    pub fn append(&self, event: &Event, index: &Index, threshold: f32) -> Result<(), Refusal> {
        event.check().map_err(Refusal::bad)?;
        self.file.append(event)?;
        Ok(self.refresh(index, threshold)?)
    }

    /// Who has finished a sample.
    pub fn complete_by(&self, index: &Index, sample: usize) -> Vec<String> {
        let reviewed = self.reviewed();
        if !reviewed.is_complete(sample) {
            return Vec::new();
        }
        let image = reviewed.reviews.of(index.id(sample));
        image.map_or_else(Vec::new, |image| image.complete_by().into_iter().map(str::to_owned).collect())
    }

    /// The events of a sample that count, oldest first.
    ///
    /// # Errors
    /// An event that cannot be written as JSON.
    pub fn events_of(&self, id: &str) -> Result<Value, Refusal> {
        let reviewed = self.reviewed();
        let events: Vec<&Event> = reviewed.reviews.of(id).map_or_else(Vec::new, |image| image.events().collect());
        serde_json::to_value(events).map_err(|error| Refusal::failed(&error))
    }

    /// What the reviews make of a sample with these regions: its labels with what became of them, and what `who` can take back.
    pub fn state(&self, index: &Index, sample: usize, masks: &[Mask], threshold: f32, who: &str) -> Value {
        let reviewed = self.reviewed();
        let current = index.labels(sample).map(|label| (label.class, of_units(label.p)));
        let nothing = Default::default();
        let image = reviewed.reviews.of(index.id(sample)).unwrap_or(&nothing);
        let mut labels = image.labels(current, threshold);
        labels.sort_by(|one, two| two.p.total_cmp(&one.p).then(one.class.cmp(&two.class)));
        let labels: Vec<Value> = labels.iter().map(|label| json!([label.class, rounded(label.p), label.state])).collect();
        json!({
            "labels": labels,
            "bad_masks": (0..).zip(masks).filter(|(place, mask)| image.is_bad(*place, mask)).map(|(place, _)| place).collect::<Vec<u32>>(),
            "drawn": image.drawn().map(|drawn| json!({ "class": drawn.class, "mask": MaskCounts::from(drawn.mask), "event": drawn.event.id })).collect::<Vec<_>>(),
            "complete_by": image.complete_by(),
            "undo": image.undoable(who),
        })
    }

    /// The event that the page means.
    ///
    /// # Errors
    /// A class, region or mask that is missing or is not of the image.
    pub fn understood(&self, review: &Review, index: &Index, masks: &[Mask]) -> Result<Event, Refusal> {
        let classes = &self.classes;
        let (sample, id) = (review.sample, index.id(review.sample));
        let named = |class: u32| {
            let name = classes.get(class as usize);
            name.cloned().ok_or_else(|| Refusal::bad(format!("there is no class {class}: there are {}, counted from 0", classes.len())))
        };
        let class = || named(review.class.ok_or_else(|| Refusal::bad(format!("{} needs a `class`", review.action)))?);
        let labels = || {
            let labels = review.labels.iter().flatten().map(|class| named(*class)).collect::<Result<Vec<_>, _>>()?;
            if review.labels.is_some() { Ok(labels) } else { Err(Refusal::bad("complete needs `labels`, the classes that the image shows")) }
        };
        let region = || match review.region {
            Some(region) if (region as usize) < masks.len() => Ok(region),
            Some(region) => Err(Refusal::bad(format!("{id} has no region {region}: it has {}, counted from 0", masks.len()))),
            None => Err(Refusal::bad(format!("{} needs a `region`", review.action))),
        };
        let mask = |mask: &MaskCounts| {
            let [height, width] = mask.size;
            let of_image = index.size(sample);
            if of_image != [0, 0] && of_image != [width, height] {
                return Err(Refusal::bad(format!("the mask has {width}x{height} pixels, the image {}x{}", of_image[0], of_image[1])));
            }
            Mask::from_counts(width, height, &mask.counts).map_err(|error| Refusal::bad(error.to_string()))
        };
        let action = match review.action.as_str() {
            "accept" => Action::Accept { class: class()? },
            "reject" => Action::Reject { class: class()? },
            "add" => Action::Add { class: class()?, mask: review.mask.as_ref().map(mask).transpose()? },
            "bad-mask" => {
                let region = region()?;
                Action::BadMask { region, mask: masks.get(region as usize).cloned() }
            }
            "good-mask" => Action::GoodMask { region: region()? },
            "complete" => Action::Complete { labels: labels()? },
            "undo" => Action::Undo { of: review.of.clone().ok_or_else(|| Refusal::bad("undo needs the event, `of`"))? },
            other => return Err(Refusal::bad(format!("action={other}: it is accept, reject, add, bad-mask, good-mask, complete or undo"))),
        };
        let p = review.class.map(|class| of_units(index.probability(sample, class))).and_then(|p| Probability::new(p).ok());
        let event = Event::new(review.who.trim(), id, action);
        Ok(Event { queue: review.queue.map(|kind| kind.name().to_owned()), blind: review.blind, p, ..event })
    }

    fn position(&self) -> MutexGuard<'_, Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_on(file: &ReviewFile, position: &mut Position, reviewed: &mut Reviewed) -> convert_sdk::Result<()> {
    let read = file.read_since(*position)?;
    read.events.into_iter().for_each(|event| reviewed.reviews.add(event));
    *position = read.end;
    Ok(())
}
