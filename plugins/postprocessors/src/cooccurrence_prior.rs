//! Co-occurrence prior propagation (paper E.2, equation 5).

use convert_formats::label_sets::PairCount;
use convert_sdk::tracing::info;
use convert_sdk::{
    Context, Deserialize, JsonSchema, LabelVector, LabelledRegion, Plugin, Postprocessor, Probability, Result, config, schemars, serde,
};

use crate::pairs::PairsConfig;

/// Passes confidence from a class to the ones it is hard to tell apart from: p' = clip(C·p, 0, 1) (paper E.2, equation 5).
///
/// C has ones on its diagonal and, for each ambiguous pair, how often the one class comes with the other among the calibration images: class i gains P(i|j)
/// from class j. The paper calls C symmetric and its entries normalised frequencies, which fit no conditional: `jaccard` is the symmetric reading.
#[config]
#[derive(Clone, Debug)]
pub struct CooccurrencePriorConfig {
    /// Calibration: the pairs and where their frequencies come from.
    pub calibration: PairsConfig,
    /// What an entry of C is.
    #[serde(default)]
    pub normalisation: Normalisation,
}

/// What an entry of C is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "serde", rename_all = "kebab-case")]
#[schemars(crate = "schemars")]
pub enum Normalisation {
    /// P(i|j) = N_ij / N_j, another number in each direction.
    #[default]
    Conditional,
    /// N_ij / (N_i + N_j − N_ij), the same in both directions.
    Jaccard,
}

/// See [`CooccurrencePriorConfig`].
#[derive(Debug)]
pub struct CooccurrencePrior {
    /// Entries off the diagonal: the class that gains, the class it gains from, the share.
    entries: Vec<(u32, u32, f32)>,
}

impl CooccurrencePrior {
    fn of(pairs: &[PairCount], normalisation: Normalisation) -> Self {
        let both = |pair: &PairCount| match normalisation {
            Normalisation::Conditional => [(pair.a, pair.b, pair.a_given_b()), (pair.b, pair.a, pair.b_given_a())],
            Normalisation::Jaccard => [(pair.a, pair.b, pair.jaccard()), (pair.b, pair.a, pair.jaccard())],
        };
        Self { entries: pairs.iter().flat_map(both).map(|(to, from, share)| (to, from, share as f32)).collect() }
    }
}

impl Plugin for CooccurrencePrior {
    type Config = CooccurrencePriorConfig;

    fn new(config: Self::Config, context: Context) -> Result<Self> {
        let pairs = config.calibration.choose(&context)?;
        info!("cooccurrence-prior: {} pairs of classes", pairs.len());
        Ok(Self::of(&pairs, config.normalisation))
    }
}

impl Postprocessor for CooccurrencePrior {
    fn adjust(&self, _label: u32, labels: &LabelVector, _regions: &[LabelledRegion]) -> Result<LabelVector> {
        let mut gained = std::collections::BTreeMap::<u32, f32>::new();
        for (to, from, share) in &self.entries {
            let probability = labels.get(*from);
            if probability > 0.0 {
                *gained.entry(*to).or_insert_with(|| labels.get(*to)) += share * probability;
            }
        }
        let mut adjusted = labels.clone();
        for (class, probability) in gained {
            adjusted.raise(class, Probability::new(probability.clamp(0.0, 1.0))?);
        }
        Ok(adjusted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convert_sdk::ClassScore;

    fn check(normalisation: Normalisation, before: &[(u32, f32)], expected: &[(u32, f32)]) {
        // P(0|1) = 30/40, P(1|0) = 30/60, Jaccard 30/70; P(0|2) = 20/20, P(2|0) = 20/60, Jaccard 20/60
        let pairs =
            [PairCount { a: 0, b: 1, images_a: 60, images_b: 40, together: 30 }, PairCount { a: 0, b: 2, images_a: 60, images_b: 20, together: 20 }];
        let score = |(class, p): &(u32, f32)| ClassScore { class: *class, probability: Probability::new(*p).unwrap() };
        let labels = LabelVector::from(before.iter().map(score).collect::<Vec<_>>());
        let adjusted = CooccurrencePrior::of(&pairs, normalisation).adjust(3, &labels, &[]).unwrap();
        assert_eq!(adjusted.entries().len(), expected.len(), "{adjusted:?}");
        for (class, probability) in expected {
            assert!((adjusted.get(*class) - probability).abs() < 1e-6, "class {class}: {adjusted:?}");
        }
    }

    #[test]
    fn confidence_flows_along_the_chosen_pairs_and_is_clipped() {
        check(Normalisation::Conditional, &[(1, 0.4), (3, 0.9)], &[(0, 0.3), (1, 0.4), (3, 0.9)]);
        check(Normalisation::Conditional, &[(0, 0.6)], &[(0, 0.6), (1, 0.3), (2, 0.2)]);
        check(Normalisation::Conditional, &[(1, 0.4), (2, 0.5)], &[(0, 0.8), (1, 0.4), (2, 0.5)]);
        check(Normalisation::Conditional, &[(0, 0.6), (1, 0.8)], &[(0, 1.0), (1, 1.0), (2, 0.2)]);
        check(Normalisation::Jaccard, &[(1, 0.7)], &[(0, 0.3), (1, 0.7)]);
        check(Normalisation::Conditional, &[(3, 0.9)], &[(3, 0.9)]);
    }
}
