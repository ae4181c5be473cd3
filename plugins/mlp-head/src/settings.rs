//! How a head is built and trained.

use convert_sdk::{Context, Deserialize, Serialize};

use crate::config::MlpHeadConfig;

/// How a head is built and trained, with everything decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "convert_sdk::serde")]
pub struct HeadSettings {
    /// Width of the hidden layers.
    pub hidden: u32,
    /// Hidden layers; without one the head is linear.
    pub hidden_layers: u32,
    /// Share of the inputs of each hidden layer that is dropped.
    pub dropout: f64,
    /// Passes over the training regions.
    pub epochs: u32,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Epochs in which it rises.
    pub warmup_epochs: u32,
    /// Nesterov.
    pub momentum: f64,
    /// The weight decay.
    pub weight_decay: f64,
    /// Regions a step.
    pub batch_size: u32,
}

impl HeadSettings {
    /// Those of a config under a context's profile.
    pub fn of(config: &MlpHeadConfig, context: &Context) -> Self {
        Self {
            hidden: config.hidden,
            hidden_layers: config.hidden_layers(context),
            dropout: config.dropout(context),
            epochs: config.epochs,
            learning_rate: config.learning_rate,
            warmup_epochs: config.warmup_epochs,
            momentum: config.momentum,
            weight_decay: config.weight_decay,
            batch_size: config.batch_size,
        }
    }

    /// The learning rate after a number of epochs, counted in fractions: linear up, then a cosine down to 0.
    pub fn rate_after(&self, epochs: f64) -> f64 {
        let (total, warmup) = (f64::from(self.epochs), f64::from(self.warmup_epochs.min(self.epochs)));
        if epochs <= warmup {
            return self.learning_rate * epochs / warmup;
        }
        let share = (epochs - warmup) / (total - warmup);
        self.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
    }

    /// The widths of input, hidden layers and output.
    pub fn widths(&self, input: usize, classes: usize) -> Vec<i64> {
        let hidden = (0..self.hidden_layers).map(|_| i64::from(self.hidden));
        std::iter::once(input as i64).chain(hidden).chain([classes as i64]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_to_its_height_and_falls_to_nothing() {
        let config = MlpHeadConfig { epochs: 20, warmup_epochs: 5, learning_rate: 0.4, ..Default::default() };
        let settings = HeadSettings::of(&config, &Context::for_tests(&["a"]));
        for (epochs, expected) in [(1.0, 0.08), (5.0, 0.4), (12.5, 0.2), (20.0, 0.0)] {
            assert!((settings.rate_after(epochs) - expected).abs() < 1e-12, "{epochs}");
        }
        assert!((HeadSettings { epochs: 3, ..settings }.rate_after(3.0) - 0.4).abs() < 1e-12);
    }

    #[test]
    fn a_head_without_hidden_layers_is_one_map() {
        let config = MlpHeadConfig { hidden: 9, hidden_layers: Some(2), ..Default::default() };
        let settings = HeadSettings::of(&config, &Context::for_tests(&["a"]));
        assert_eq!(settings.widths(5, 3), [5, 9, 9, 3]);
        assert_eq!(HeadSettings { hidden_layers: 0, ..settings }.widths(5, 3), [5, 3]);
    }
}
