//! `head: auto`: which head fits the set, by what each does on regions that it was not trained on.
//!
//! Linear heads of several weight decays compete with an MLP. Each is trained without a third of the images (of a small set, without each of the thirds in turn); the one whose probabilities
//! are best on those parts, at the temperature that suits it, is then trained on all. Lengths are in steps, so that a small set is not left after a few of them.

use convert_sdk::tracing::info;
use convert_sdk::{Deserialize, Result, Serialize};

use crate::folds::Measured;
use crate::settings::HeadSettings;

/// The images are dealt into so many parts to choose by.
pub const PARTS: u32 = 3;
/// With so many regions one of the parts is enough to tell heads apart.
pub const ENOUGH: u64 = 1000;
/// With fewer images a class there is nothing to choose by.
pub const LEAST_IMAGES_A_CLASS: f64 = 3.0;

/// Weight decays of the linear heads.
const DECAYS: [f64; 4] = [1e-3, 1e-2, 3e-2, 1e-1];
/// What is taken where there is nothing to choose by.
const DECAY_UNSEEN: f64 = 1e-1;
/// At least so many steps, ...
const STEPS: u64 = 600;
/// ... and as many as it takes to see each region so often, ...
const PASSES: u64 = 40;
/// ... up to this many.
const MOST_STEPS: u64 = 20_000;
const BATCH: u32 = 128;

/// A head that was tried, and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "convert_sdk::serde")]
pub struct Tried {
    pub settings: HeadSettings,
    /// The share of held-out regions that it has right.
    pub accuracy: f64,
    /// Their mean cross-entropy, at the temperature that suits it.
    pub loss: f64,
}

/// The heads to try on so many regions; `hidden` is the MLP's width.
pub fn candidates(regions: u64, hidden: u32) -> Vec<HeadSettings> {
    let mlp = HeadSettings { hidden_layers: 1, dropout: 0.7, ..linear(regions, hidden, 1e-4) };
    DECAYS.into_iter().map(|decay| linear(regions, hidden, decay)).chain([mlp]).collect()
}

/// What is taken without trying.
pub fn without_trying(regions: u64, hidden: u32) -> HeadSettings {
    linear(regions, hidden, DECAY_UNSEEN)
}

fn linear(regions: u64, hidden: u32, weight_decay: f64) -> HeadSettings {
    let batch = regions.clamp(1, u64::from(BATCH));
    let steps_an_epoch = regions.div_ceil(batch).max(1);
    let steps = (steps_an_epoch * PASSES).clamp(STEPS, MOST_STEPS);
    let epochs = steps.div_ceil(steps_an_epoch) as u32;
    HeadSettings {
        hidden,
        hidden_layers: 0,
        dropout: 0.0,
        epochs,
        learning_rate: 0.02,
        warmup_epochs: epochs / 20,
        momentum: 0.9,
        weight_decay,
        batch_size: BATCH,
    }
}

/// Tries every candidate through `measure`, and gives the best with all that were tried.
///
/// # Errors
/// What `measure` says.
pub fn choose(candidates: Vec<HeadSettings>, mut measure: impl FnMut(usize, &HeadSettings) -> Result<Measured>) -> Result<Vec<Tried>> {
    let mut tried = Vec::with_capacity(candidates.len());
    for (number, settings) in candidates.into_iter().enumerate() {
        let measured = measure(number, &settings)?;
        let (_, loss) = measured.best_temperature();
        let entry = Tried { settings, accuracy: measured.accuracy(), loss };
        info!("head: auto tried {}: held-out accuracy {:.3}, loss {:.4}", entry.settings.describe(), entry.accuracy, entry.loss);
        tried.push(entry);
    }
    tried.sort_by(|a, b| a.loss.total_cmp(&b.loss));
    Ok(tried)
}

impl HeadSettings {
    /// The head in a few words.
    pub fn describe(&self) -> String {
        match self.hidden_layers {
            0 => format!("a linear head with weight decay {}, {} epochs", self.weight_decay, self.epochs),
            layers => format!("an MLP ({layers} hidden, dropout {}), {} epochs", self.dropout, self.epochs),
        }
    }
}
