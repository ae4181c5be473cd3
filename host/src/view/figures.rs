//! Figures over many samples: thresholds, classes, pairs of classes.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::{Value, json};

use super::filter::{Known, Query};
use super::index::{Index, Label};
use super::refusal::Refusal;
use super::reviewing::Reviewed;

/// Steps of the histogram of probabilities: a thousandth each.
const BINS: usize = 1001;
/// Thresholds at which images are counted: a hundredth each.
const THRESHOLDS: usize = 101;
/// So many examples of a class are named.
const EXAMPLES: usize = 24;
/// So many classes that go with a class are named.
const RELATED: usize = 20;

/// How probable labels are, and how many an image has at each threshold.
#[derive(Debug, Serialize)]
pub struct Thresholds {
    images: u64,
    counts: Vec<u64>,
    given: Vec<u64>,
    multiple: Vec<u64>,
    none: Vec<u64>,
}

/// Counts the labels of the samples that match.
///
/// # Errors
/// A filter that makes no sense.
pub fn thresholds(known: &Known<'_>, query: &Query) -> Result<Thresholds, Refusal> {
    let mut figures = Thresholds { images: 0, counts: vec![0; BINS], given: vec![0; BINS], multiple: vec![0; THRESHOLDS], none: vec![0; THRESHOLDS] };
    // Images whose second best, and whose best, label is of a hundredth; summed up afterwards.
    let (mut second, mut best) = (vec![0u64; THRESHOLDS + 1], vec![0u64; THRESHOLDS + 1]);
    // The number of thresholds of whole hundredths that lie below a probability.
    let below = |p: u16| usize::from(p.div_ceil(100)).min(THRESHOLDS);
    query.each_match(known, |sample| {
        figures.images += 1;
        let given = known.index.given(sample);
        let mut highest = [0, 0];
        for Label { class, p } in known.index.labels(sample) {
            let bin = usize::from((p + 5) / 10);
            figures.counts[bin] += 1;
            if class == given {
                figures.given[bin] += 1;
            }
            if p > highest[0] {
                highest = [p, highest[0]];
            } else if p > highest[1] {
                highest[1] = p;
            }
        }
        best[below(highest[0])] += 1;
        second[below(highest[1])] += 1;
    })?;
    for at in 0..THRESHOLDS {
        figures.none[at] = best[..=at].iter().sum();
        figures.multiple[at] = second[at + 1..].iter().sum();
    }
    Ok(figures)
}

/// What is counted of a class.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ClassFigures {
    class: u32,
    given: u64,
    predicted: u64,
    added: u64,
    unsupported: u64,
    accepted: u64,
    rejected: u64,
    missed: u64,
}

/// Counts every class at a threshold.
pub fn classes(index: &Index, reviewed: &Reviewed, classes: usize, tau: u16) -> Vec<ClassFigures> {
    let mut figures: Vec<ClassFigures> = (0..classes as u32).map(|class| ClassFigures { class, ..Default::default() }).collect();
    for sample in 0..index.len() {
        let given = index.given(sample);
        if let Some(of) = figures.get_mut(given as usize) {
            of.given += 1;
            of.unsupported += u64::from(index.support(sample).is_none_or(|support| support < tau));
        }
        for label in index.labels(sample).take_while(|label| label.p > tau) {
            if let Some(of) = figures.get_mut(label.class as usize) {
                of.predicted += 1;
                of.added += u64::from(label.class != given);
            }
        }
    }
    for (class, verdicts) in reviewed.of_classes() {
        if let Some(of) = figures.get_mut(class as usize) {
            (of.accepted, of.rejected, of.missed) = (verdicts.accepted, verdicts.rejected, verdicts.added);
        }
    }
    figures
}

/// A class by itself: its figures, what goes with it, and images of it.
pub fn class(index: &Index, reviewed: &Reviewed, classes: usize, class: u32, tau: u16) -> Result<Value, Refusal> {
    let all = self::classes(index, reviewed, classes, tau);
    let of = all.get(class as usize).ok_or_else(|| Refusal::missing(format!("there is no class {class}: there are {classes}, counted from 0")))?;
    let (mut with, mut of_given): (HashMap<u32, u64>, HashMap<u32, u64>) = Default::default();
    let (mut examples, mut doubtful) = (Vec::new(), Vec::new());
    for sample in 0..index.len() {
        let given = index.given(sample);
        let p = index.probability(sample, class);
        if given == class {
            index.labels(sample).filter(|label| label.p > tau && label.class != class).for_each(|label| *with.entry(label.class).or_default() += 1);
            examples.push((u16::MAX - index.support(sample).unwrap_or(0), sample));
        } else if p > 0 {
            if p > tau {
                *of_given.entry(given).or_default() += 1;
            }
            doubtful.push((p.abs_diff(tau), sample));
        }
    }
    Ok(json!({
        "class": of.class, "given": of.given, "predicted": of.predicted, "added": of.added, "unsupported": of.unsupported,
        "accepted": of.accepted, "rejected": of.rejected, "missed": of.missed,
        "precision": reviewed.precision_of(class),
        "with": most(with), "for": most(of_given),
        "examples": first(examples), "doubtful": first(doubtful),
    }))
}

fn most(counts: HashMap<u32, u64>) -> Vec<(u32, u64)> {
    let mut counts: Vec<(u32, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(class, count)| (std::cmp::Reverse(*count), *class));
    counts.truncate(RELATED);
    counts
}

fn first(mut keyed: Vec<(u16, usize)>) -> Vec<usize> {
    keyed.sort_unstable();
    keyed.into_iter().take(EXAMPLES).map(|(_, sample)| sample).collect()
}

/// Two classes that occur together (paper, Table 8).
#[derive(Debug, Serialize)]
pub struct Pair {
    a: u32,
    b: u32,
    images: u64,
    a_images: u64,
    b_images: u64,
    share_a: f64,
    share_b: f64,
}

/// The pairs of classes that are most often together above a threshold.
pub fn pairs(index: &Index, top: usize, tau: u16) -> Vec<Pair> {
    let (mut together, mut alone): (BTreeMap<(u32, u32), u64>, HashMap<u32, u64>) = Default::default();
    let mut above = Vec::new();
    for sample in 0..index.len() {
        above.clear();
        above.extend(index.labels(sample).take_while(|label| label.p > tau).map(|label| label.class));
        above.sort_unstable();
        for (at, one) in above.iter().enumerate() {
            *alone.entry(*one).or_default() += 1;
            above[at + 1..].iter().for_each(|two| *together.entry((*one, *two)).or_default() += 1);
        }
    }
    let mut pairs: Vec<((u32, u32), u64)> = together.into_iter().collect();
    pairs.sort_by_key(|(pair, images)| (std::cmp::Reverse(*images), *pair));
    let pair = |((a, b), images): ((u32, u32), u64)| {
        let count = |class: u32| alone.get(&class).copied().unwrap_or_default();
        let share = |class: u32| images as f64 / count(class).max(1) as f64;
        Pair { a, b, images, a_images: count(a), b_images: count(b), share_a: share(a), share_b: share(b) }
    };
    pairs.into_iter().take(top).map(pair).collect()
}
