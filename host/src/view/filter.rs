//! Which samples a view shows, and in what order: the query of an address, understood and applied to the columns.

use serde::Deserialize;

use super::index::{Index, units};
use super::refusal::Refusal;
use super::reviewing::Reviewed;

/// The filters as they stand in an address. All that are given must hold.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Query {
    given: Option<u32>,
    label: Option<u32>,
    band: Option<String>,
    count: Option<String>,
    pair: Option<String>,
    source: Option<String>,
    skipped: Option<String>,
    reviewed: Option<String>,
    truth: Option<String>,
    unsupported: Option<String>,
    id: Option<String>,
    tau: Option<f32>,
    #[serde(default)]
    order: Order,
    #[serde(default)]
    seed: u64,
}

/// In what order samples are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The run's.
    #[default]
    Id,
    /// The given label is least supported by any region.
    Unsupported,
    /// A label that was not given is most probable.
    Added,
    /// A class is nearest to the threshold.
    Near,
    /// The labels beside the given one weigh most.
    Changed,
    /// Drawn by a seed.
    Random,
}

/// What a run knows beside its index.
pub struct Known<'a> {
    /// The columns.
    pub index: &'a Index,
    /// The names of the configurations.
    pub sources: &'a [String],
    /// Which samples have been reviewed.
    pub reviewed: &'a Reviewed,
    /// The run's threshold.
    pub threshold: f32,
}

/// The filters, understood.
struct Filter {
    given: Option<u32>,
    label: Option<u32>,
    band: Option<(u16, u16)>,
    count: Option<(u32, u32)>,
    pair: Option<(u32, u32)>,
    source: Option<u64>,
    skipped: Option<Skipped>,
    reviewed: Option<bool>,
    truth: Option<Agreement>,
    unsupported: bool,
    id: Option<String>,
    tau: u16,
}

enum Skipped {
    Any,
    None,
    With(String),
}

#[derive(Clone, Copy)]
enum Agreement {
    Wrong,
    Missed,
    Right,
}

/// The threshold of a query in ten-thousandths: a label counts when its probability is above it.
pub fn threshold(tau: Option<f32>, of_run: f32) -> Result<u16, Refusal> {
    match tau {
        Some(tau) if !(0.0..=1.0).contains(&tau) => Err(Refusal::bad(format!("tau={tau}: give a threshold from 0 to 1"))),
        tau => Ok(units(tau.unwrap_or(of_run))),
    }
}

impl Query {
    /// The samples that match, in order.
    ///
    /// # Errors
    /// A filter that makes no sense.
    pub fn matches(&self, known: &Known<'_>) -> Result<Vec<u32>, Refusal> {
        let filter = self.understood(known)?;
        let mut found: Vec<u32> = (0..known.index.len()).filter(|sample| filter.holds(known, *sample)).map(|sample| sample as u32).collect();
        let keyed = |key: &dyn Fn(usize) -> u32| {
            let mut keyed: Vec<(u32, u32)> = found.iter().map(|sample| (key(*sample as usize), *sample)).collect();
            keyed.sort_unstable();
            keyed.into_iter().map(|(_, sample)| sample).collect()
        };
        let index = known.index;
        // Above every key of a sample that has what is asked for.
        const LAST: u32 = u32::MAX;
        let others = |sample: usize| {
            let given = index.given(sample);
            index.labels(sample).filter(move |label| label.class != given)
        };
        let ordered: Vec<u32> = match self.order {
            Order::Id => return Ok(found),
            Order::Unsupported => keyed(&|sample| index.support(sample).map_or(LAST, u32::from)),
            Order::Added => keyed(&|sample| others(sample).map(|label| label.p).max().map_or(LAST, |p| u32::from(u16::MAX - p))),
            Order::Near => keyed(&|sample| index.labels(sample).map(|label| u32::from(label.p.abs_diff(filter.tau))).min().unwrap_or(LAST)),
            Order::Changed => keyed(&|sample| u32::MAX - others(sample).map(|label| u32::from(label.p)).sum::<u32>()),
            Order::Random => keyed(&|sample| scrambled(self.seed, sample as u64)),
        };
        found = ordered;
        Ok(found)
    }

    /// Whether a sample is among them, for figures over a part of the run.
    ///
    /// # Errors
    /// As [`Query::matches`].
    pub fn each_match(&self, known: &Known<'_>, mut take: impl FnMut(usize)) -> Result<(), Refusal> {
        let filter = self.understood(known)?;
        (0..known.index.len()).filter(|sample| filter.holds(known, *sample)).for_each(&mut take);
        Ok(())
    }

    fn understood(&self, known: &Known<'_>) -> Result<Filter, Refusal> {
        let source = |name: &String| {
            let found = known.sources.iter().position(|source| source == name).filter(|bit| *bit < 64);
            let names = || format!("source={name}: the configurations are {}", known.sources.join(", "));
            found.map(|bit| 1 << bit).ok_or_else(|| Refusal::bad(names()))
        };
        let skipped = |text: &String| match text.as_str() {
            "any" => Skipped::Any,
            "none" => Skipped::None,
            text => Skipped::With(text.to_lowercase()),
        };
        let truth = |text: &String| match text.as_str() {
            "wrong" => Ok(Agreement::Wrong),
            "missed" => Ok(Agreement::Missed),
            "right" => Ok(Agreement::Right),
            _ => Err(Refusal::bad(format!("truth={text}: it is wrong, missed or right"))),
        };
        let of_pair = |pair: &String| two::<u32>("pair", pair);
        let band = |band: &String| two::<f32>("band", band).map(|(low, high)| (units(low), units(high)));
        Ok(Filter {
            given: self.given,
            label: self.label,
            band: self.band.as_ref().map(band).transpose()?,
            count: self.count.as_ref().map(|count| two("count", count)).transpose()?,
            pair: self.pair.as_ref().map(of_pair).transpose()?,
            source: self.source.as_ref().map(source).transpose()?,
            skipped: self.skipped.as_ref().map(skipped),
            reviewed: self.reviewed.as_deref().map(|text| yes("reviewed", text)).transpose()?,
            truth: self.truth.as_ref().map(truth).transpose()?,
            unsupported: self.unsupported.as_deref().map(|text| yes("unsupported", text)).transpose()?.unwrap_or(false),
            id: self.id.as_ref().map(|text| text.to_lowercase()),
            tau: threshold(self.tau, known.threshold)?,
        })
    }
}

impl Filter {
    fn holds(&self, known: &Known<'_>, sample: usize) -> bool {
        let index = known.index;
        let above = |class: u32| index.probability(sample, class) > self.tau;
        let in_band = |p: u16| self.band.is_none_or(|(low, high)| (low..=high).contains(&p));
        let given = index.given(sample);
        self.given.is_none_or(|class| class == given)
            && match (self.label, self.band) {
                (Some(class), Some(_)) => in_band(index.probability(sample, class)),
                (Some(class), None) => above(class),
                (None, Some(_)) => index.labels(sample).any(|label| label.class != given && in_band(label.p)),
                (None, None) => true,
            }
            && self.count.is_none_or(|(low, high)| {
                let count = index.labels(sample).filter(|label| label.p > self.tau).count() as u32;
                (low..=high).contains(&count)
            })
            && self.pair.is_none_or(|(one, two)| above(one) && above(two))
            && self.source.is_none_or(|bit| index.sources(sample) & bit != 0)
            && (!self.unsupported || index.support(sample).is_none_or(|support| support < self.tau))
            && self.reviewed.is_none_or(|wanted| known.reviewed.is_complete(sample) == wanted)
            && self.skipped.as_ref().is_none_or(|wanted| match wanted {
                Skipped::Any => index.is_skipped(sample),
                Skipped::None => !index.is_skipped(sample),
                Skipped::With(text) => index.skipped(sample).iter().any(|reason| reason.to_lowercase().contains(text)),
            })
            && self.truth.is_none_or(|wanted| {
                let Some(truth) = index.truth(sample) else { return false };
                let wrong = || index.labels(sample).any(|label| label.p > self.tau && !truth.contains(&label.class));
                let missed = || truth.iter().any(|class| !above(*class));
                match wanted {
                    Agreement::Wrong => wrong(),
                    Agreement::Missed => missed(),
                    Agreement::Right => !wrong() && !missed(),
                }
            })
            && self.id.as_ref().is_none_or(|text| contains(index.id(sample), text))
    }
}

/// Whether an id has a text in it that is in lower case.
fn contains(id: &str, text: &str) -> bool {
    if id.is_ascii() {
        let (id, text) = (id.as_bytes(), text.as_bytes());
        return text.is_empty() || id.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text));
    }
    id.to_lowercase().contains(text)
}

/// A number that a seed and a sample give, the same everywhere.
pub fn scrambled(seed: u64, sample: u64) -> u32 {
    // SplitMix64 (Steele, Lea & Flood 2014).
    let mut state = sample.wrapping_add(seed.wrapping_mul(0x2545_f491_4f6c_dd1d)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((state ^ (state >> 31)) >> 32) as u32
}

fn two<T: std::str::FromStr>(key: &str, text: &str) -> Result<(T, T), Refusal> {
    let numbers = text.split_once(',').and_then(|(one, two)| Some((one.trim().parse().ok()?, two.trim().parse().ok()?)));
    numbers.ok_or_else(|| Refusal::bad(format!("{key}={text}: give two numbers, as in {key}=1,2")))
}

fn yes(key: &str, text: &str) -> Result<bool, Refusal> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(Refusal::bad(format!("{key}={text}: it is yes or no"))),
    }
}
