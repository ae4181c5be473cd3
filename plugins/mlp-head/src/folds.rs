//! Parts of the training images that are held out, each while another head learns from the rest.

use convert_backbones::torch;
use convert_sdk::{HeldOut, ReliabilityCounter, Result};
use rayon::prelude::*;
use tch::Kind;

use crate::head::{Head, Standardisation};
use crate::sgd::Sgd;
use crate::vector_file::VectorFile;

/// With a single fold this share of the images is held out: one in so many.
const OF_ONE_FOLD: u32 = 10;
/// So many vectors go through a head at once.
const CHUNK: usize = 512;
/// The temperatures that are tried: from a quarter to four in steps of a sixteenth of an octave.
const TEMPERATURES: std::ops::RangeInclusive<i32> = -32..=32;

/// How many folds there are, and what is in them. An image is always in the same one, whatever the other images are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folds {
    /// Heads that are trained without a part of the images.
    pub count: u32,
}

impl Folds {
    /// Where the fold of an image stands among `0..count`; of a single fold, most images are in none, and so beyond.
    pub fn of_image(self, id: &str) -> u32 {
        let parts = if self.count <= 1 { OF_ONE_FOLD } else { self.count };
        let hash = blake3::hash(id.as_bytes());
        let first = hash.as_bytes().iter().take(8).fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
        (first % u64::from(parts)) as u32
    }
}

/// A head that was trained without the vectors of these rows.
pub struct Fold<'a> {
    pub head: &'a Head,
    pub standardisation: &'a Standardisation,
    pub rows: Vec<u32>,
}

/// How heads do on vectors that they were not trained on.
#[derive(Clone, Debug)]
pub struct Measured {
    /// How many vectors that are.
    pub rows: u64,
    /// Those whose most probable class is theirs.
    pub right: u64,
    /// Each temperature with the sum of their cross-entropies.
    losses: Vec<(f64, f64)>,
    /// The most probable class's probability at the first temperature, and whether it is right.
    surest: Vec<(f32, bool)>,
}

/// The temperatures to try, in thousandths: numbers that come back from a file as they were.
pub fn temperatures() -> Vec<f64> {
    TEMPERATURES.map(|step| (2f64.powf(f64::from(step) / 16.0) * 1000.0).round() / 1000.0).collect()
}

impl Measured {
    /// Asks every fold's head about the fold's own vectors, with its logits divided by each of some temperatures. Chunk by chunk, so that no sum depends on the threads.
    ///
    /// # Errors
    /// Vectors that cannot be read; what libtorch says.
    pub fn of(folds: &[Fold<'_>], temperatures: &[f64], vectors: &VectorFile, sgd: &Sgd<'_>) -> Result<Self> {
        let mut measured =
            Self { rows: 0, right: 0, losses: temperatures.iter().map(|temperature| (*temperature, 0.0)).collect(), surest: Vec::new() };
        for fold in folds {
            // A tensor may move between threads but not be shared.
            let chunks: Vec<(Head, Standardisation, &[u32])> =
                fold.rows.chunks(CHUNK).map(|rows| (fold.head.handles(), fold.standardisation.handles(), rows)).collect();
            let ask =
                |(head, standardisation, rows): (Head, Standardisation, &[u32])| part(&head, &standardisation, rows, temperatures, vectors, sgd);
            let parts: Result<Vec<Self>> = sgd.pool.install(|| chunks.into_par_iter().with_max_len(1).map(ask).collect());
            parts?.into_iter().for_each(|part| measured.add(part));
        }
        Ok(measured)
    }

    fn add(&mut self, part: Self) {
        self.rows += part.rows;
        self.right += part.right;
        self.losses.iter_mut().zip(part.losses).for_each(|((_, sum), (_, loss))| *sum += loss);
        self.surest.extend(part.surest);
    }

    /// The share that is right.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.rows.max(1) as f64
    }

    /// The temperature with the least cross-entropy, and the mean of that.
    pub fn best_temperature(&self) -> (f64, f64) {
        let best = self.losses.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        best.map_or((1.0, 0.0), |(temperature, loss)| (*temperature, loss / self.rows.max(1) as f64))
    }

    /// The figures at the first temperature; `None` without a vector.
    pub fn held_out(&self, folds: u32) -> Option<HeldOut> {
        let mut counter = ReliabilityCounter::default();
        self.surest.iter().for_each(|(probability, right)| counter.add(f64::from(*probability), *right));
        let (reliability, (_, loss)) = (counter.reliability()?, self.losses.first()?);
        Some(HeldOut { folds, regions: self.rows, accuracy: self.accuracy(), loss: loss / self.rows as f64, reliability })
    }
}

fn part(head: &Head, standardisation: &Standardisation, rows: &[u32], temperatures: &[f64], vectors: &VectorFile, sgd: &Sgd<'_>) -> Result<Measured> {
    let values = vectors.gather(rows, sgd.pool)?;
    let labels: Vec<i64> = rows.iter().map(|row| i64::from(vectors.labels()[*row as usize])).collect();
    let inputs = torch(|| tch::Tensor::f_from_slice(&values)?.f_view([rows.len() as i64, -1])?.f_to_device(sgd.device))?;
    let inputs = standardisation.apply(&inputs)?;
    torch(|| {
        let labels = tch::Tensor::f_from_slice(&labels)?.f_view([-1, 1])?;
        let logits = head.forward(&inputs)?.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Double)?;
        let right: Vec<bool> = Vec::try_from(&logits.f_argmax(1, true)?.f_eq_tensor(&labels)?.f_view([-1])?)?;
        let (mut losses, mut surest) = (Vec::new(), Vec::new());
        for temperature in temperatures {
            let logs = logits.f_div_scalar(*temperature)?.f_log_softmax(1, Kind::Double)?;
            losses.push((*temperature, -logs.f_gather(1, &labels, false)?.f_sum(Kind::Double)?.f_double_value(&[])?));
            if surest.is_empty() {
                let highest: Vec<f32> = Vec::try_from(&logs.f_amax([1i64].as_slice(), false)?.f_exp()?.f_to_kind(Kind::Float)?)?;
                surest = highest.into_iter().zip(right.iter().copied()).collect();
            }
        }
        Ok(Measured { rows: rows.len() as u64, right: right.iter().filter(|right| **right).count() as u64, losses, surest })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_in_one_of_several_folds_and_one_in_ten_in_a_single_one() {
        let ids: Vec<String> = (0..1000).map(|number| format!("cat/{number:04}.jpg")).collect();
        let mut counts = [0; 5];
        ids.iter().for_each(|id| counts[Folds { count: 5 }.of_image(id) as usize] += 1);
        assert!(counts.iter().all(|count| (160..240).contains(count)), "{counts:?}");
        let held_out = ids.iter().filter(|id| Folds { count: 1 }.of_image(id) < 1).count();
        assert!((75..125).contains(&held_out), "{held_out}");
    }
}
