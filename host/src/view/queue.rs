//! What is worth looking at next.

use std::collections::HashMap;

use serde::Serialize;

use super::filter::{Known, scrambled};
use super::index::{of_units, units};
use super::reviewing::Kind;

/// An image to look at.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    sample: u32,
    why: String,
    class: Option<u32>,
    /// The queue that it counts for.
    queue: &'static str,
}

/// Images that a person has not finished, the most worth first.
pub fn entries(known: &Known<'_>, classes: &[String], kind: Kind, count: usize, who: &str) -> Vec<Entry> {
    let open = |sample: usize| !known.reviewed.is_complete_by(known.index.id(sample), who);
    match kind {
        Kind::Near => near(known, classes, count, &open),
        Kind::Unsupported => unsupported(known, classes, count, &open),
        Kind::Random => random(known, count, &open),
        Kind::Second => second(known, count, who),
        Kind::Mixed => {
            let parts = [near(known, classes, count, &open), unsupported(known, classes, count, &open), random(known, count, &open)];
            let mut mixed: Vec<Entry> = Vec::new();
            for at in 0..count {
                for entry in parts.iter().filter_map(|part| part.get(at)) {
                    if mixed.len() < count && !mixed.iter().any(|other| other.sample == entry.sample) {
                        mixed.push(entry.clone());
                    }
                }
            }
            mixed
        }
    }
}

/// A label: how far its probability is from the threshold, its sample, and the probability, both in ten-thousandths.
type Doubt = (u16, u32, u16);

/// The labels nearest to the threshold, of each class in turn: a frequent one does not take all places.
fn near(known: &Known<'_>, classes: &[String], count: usize, open: &dyn Fn(usize) -> bool) -> Vec<Entry> {
    let tau = units(known.threshold);
    let mut of_classes: HashMap<u32, Vec<Doubt>> = HashMap::new();
    for sample in 0..known.index.len() {
        let given = known.index.given(sample);
        for label in known.index.labels(sample).filter(|label| label.class != given) {
            of_classes.entry(label.class).or_default().push((label.p.abs_diff(tau), sample as u32, label.p));
        }
    }
    let mut of_classes: Vec<(u32, Vec<Doubt>)> = of_classes.into_iter().collect();
    for (_, labels) in &mut of_classes {
        labels.sort_unstable();
        labels.retain({
            let mut left = count;
            move |(_, sample, _)| {
                left > 0 && open(*sample as usize) && {
                    left -= 1;
                    true
                }
            }
        });
    }
    of_classes.retain(|(_, labels)| !labels.is_empty());
    of_classes.sort_by_key(|(class, labels)| (labels[0].0, *class));
    let mut found: Vec<Entry> = Vec::new();
    for turn in 0..count {
        for (class, labels) in &of_classes {
            let Some((_, sample, p)) = labels.get(turn) else { continue };
            if found.len() < count && !found.iter().any(|entry| entry.sample == *sample) {
                let why = format!("the label {} is near the threshold ({:.2})", name(classes, *class), of_units(*p));
                found.push(Entry { sample: *sample, why, class: Some(*class), queue: "near" });
            }
        }
        if found.len() >= count {
            break;
        }
    }
    found
}

fn unsupported(known: &Known<'_>, classes: &[String], count: usize, open: &dyn Fn(usize) -> bool) -> Vec<Entry> {
    let tau = units(known.threshold);
    let support = |sample: usize| known.index.support(sample).filter(|support| *support < tau).map(|support| (support, sample));
    let mut found: Vec<(u16, usize)> = (0..known.index.len()).filter_map(support).collect();
    found.sort_unstable();
    let entry = |(support, sample): (u16, usize)| {
        let given = known.index.given(sample);
        let why = format!("no region backs the given label {} (at most {:.2})", name(classes, given), of_units(support));
        Entry { sample: sample as u32, why, class: Some(given), queue: "unsupported" }
    };
    found.into_iter().filter(|(_, sample)| open(*sample)).take(count).map(entry).collect()
}

/// The same images for everybody, so that two people's answers can be compared.
fn random(known: &Known<'_>, count: usize, open: &dyn Fn(usize) -> bool) -> Vec<Entry> {
    let mut drawn: Vec<(u32, u32)> = (0..known.index.len()).map(|sample| (scrambled(0, sample as u64), sample as u32)).collect();
    drawn.sort_unstable();
    let open = drawn.into_iter().map(|(_, sample)| sample).filter(|sample| open(*sample as usize));
    open.take(count).map(|sample| Entry { sample, why: "drawn at random".into(), class: None, queue: "random" }).collect()
}

fn second(known: &Known<'_>, count: usize, who: &str) -> Vec<Entry> {
    let mut samples: Vec<usize> = known.reviewed.complete().filter(|sample| !known.reviewed.is_complete_by(known.index.id(*sample), who)).collect();
    samples.sort_by_key(|sample| (scrambled(0, *sample as u64), *sample));
    let entry = |sample: usize| Entry { sample: sample as u32, why: "somebody else has finished it".into(), class: None, queue: "second" };
    samples.into_iter().take(count).map(entry).collect()
}

fn name(classes: &[String], class: u32) -> &str {
    classes.get(class as usize).map_or("?", String::as_str)
}
