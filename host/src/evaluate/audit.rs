//! Which given labels nothing in their image supports, by models that were trained without the image.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use convert_sdk::ClassScore;
use serde::Serialize;

/// An image's given label beside what the models see in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspect {
    /// The sample's id.
    pub id: String,
    /// The given label.
    pub label: u32,
    /// The geometric mean of the highest probability that any region gives to it and of that for the whole image. Regions alone miss what no mask covers, the whole image
    /// misses all but its main object (docs/trust.md).
    pub support: f32,
    /// The class of the surest region, if that is another one, ...
    pub other: Option<u32>,
    /// ... with its probability; 0 without one.
    pub other_probability: f32,
}

impl Suspect {
    /// From the class probabilities of an image's regions and of the whole image.
    pub fn new(id: &str, label: u32, regions: &[Vec<ClassScore>], whole: &[ClassScore]) -> Self {
        let of_label = |scores: &[ClassScore]| scores.iter().find(|score| score.class == label).map_or(0.0, |score| score.probability.get());
        let by_region = regions.iter().map(|scores| of_label(scores)).reduce(f32::max);
        let support = by_region.map_or(of_label(whole), |by_region| (by_region * of_label(whole)).sqrt());
        // Where there is no region, the whole image is the only one.
        let seen = regions.iter().map(Vec::as_slice).chain(regions.is_empty().then_some(whole)).filter_map(<[ClassScore]>::first);
        let surest = seen.max_by(|a, b| a.probability.get().total_cmp(&b.probability.get())).filter(|score| score.class != label);
        Self {
            id: id.to_owned(),
            label,
            support,
            other: surest.map(|score| score.class),
            other_probability: surest.map_or(0.0, |score| score.probability.get()),
        }
    }

    /// The least supported label first; of equal ones that whose image shows something else more surely.
    pub fn order(&self, other: &Self) -> Ordering {
        let by_support = self.support.total_cmp(&other.support);
        by_support.then(other.other_probability.total_cmp(&self.other_probability)).then_with(|| self.id.cmp(&other.id))
    }

    /// Whether the surest region shows another class, and nothing the given one.
    pub fn is_likely_wrong(&self) -> bool {
        self.other_probability > 0.5 && self.support < 1.0 - self.other_probability
    }
}

/// Two classes that the models take for each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LookAlikes {
    /// The given label.
    pub given: u32,
    /// The class that the surest region shows instead.
    pub seen: u32,
    /// Images of the given label where that is so and nothing shows the given one.
    pub images: u64,
    /// Their share of the given label's images.
    pub share: f64,
}

/// The pairs of classes with the most likely wrong labels, most first.
pub fn look_alikes(suspects: &[Suspect]) -> Vec<LookAlikes> {
    let (mut pairs, mut of_class): (BTreeMap<(u32, u32), u64>, BTreeMap<u32, u64>) = Default::default();
    for suspect in suspects {
        *of_class.entry(suspect.label).or_default() += 1;
        if let Some(other) = suspect.other.filter(|_| suspect.is_likely_wrong()) {
            *pairs.entry((suspect.label, other)).or_default() += 1;
        }
    }
    let share = |given: &u32, images: u64| images as f64 / of_class.get(given).copied().unwrap_or(1) as f64;
    let mut listed: Vec<LookAlikes> =
        pairs.into_iter().map(|((given, seen), images)| LookAlikes { given, seen, images, share: share(&given, images) }).collect();
    listed.sort_by(|a, b| b.images.cmp(&a.images).then(b.share.total_cmp(&a.share)));
    listed
}

#[cfg(test)]
mod tests {
    use super::*;
    use convert_sdk::Probability;

    fn scores(list: &[(u32, f32)]) -> Vec<ClassScore> {
        list.iter().map(|(class, probability)| ClassScore { class: *class, probability: Probability::new(*probability).unwrap() }).collect()
    }

    #[test]
    fn a_label_is_supported_by_its_surest_region_and_the_whole_image() {
        let two = [scores(&[(1, 0.9), (0, 0.1)]), scores(&[(0, 0.6), (1, 0.4)])];
        let suspect = Suspect::new("a", 0, &two, &scores(&[(1, 0.7), (0, 0.3)]));
        assert!((suspect.support - 0.18f32.sqrt()).abs() < 1e-6);
        assert_eq!((suspect.other, suspect.other_probability, suspect.is_likely_wrong()), (Some(1), 0.9, false));
        let unseen = Suspect::new("b", 2, &two, &scores(&[(1, 0.7), (2, 0.05)]));
        assert_eq!((unseen.support, unseen.is_likely_wrong()), (0.0, true));
        let bare = Suspect::new("c", 0, &[], &scores(&[(0, 0.8), (1, 0.2)]));
        assert_eq!((bare.support, bare.other, bare.other_probability), (0.8, None, 0.0));
        let mut all = [suspect, unseen, bare];
        all.sort_by(Suspect::order);
        assert_eq!(all.iter().map(|suspect| suspect.id.as_str()).collect::<Vec<_>>(), ["b", "a", "c"]);
        assert_eq!(look_alikes(&all), [LookAlikes { given: 2, seen: 1, images: 1, share: 1.0 }]);
    }
}
