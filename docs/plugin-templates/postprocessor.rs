//! A postprocessor: an image has a few classes, not many.
use convert_sdk::*;

/// Keeps the most probable classes of an image, and its single label in any case.
#[config(default)]
struct Config {
    /// How many classes per image keeps.
    #[schemars(range(min = 1, max = 1000))]
    classes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { classes: 5 }
    }
}

struct Best(Config);

impl Plugin for Best {
    type Config = Config;

    fn new(config: Config, _: Context) -> Result<Self> {
        Ok(Self(config))
    }
}

impl Postprocessor for Best {
    fn adjust(&self, label: u32, labels: &LabelVector, _: &[LabelledRegion]) -> Result<LabelVector> {
        let mut entries = labels.entries().to_vec();
        // The image's label first, then by probability; of equal ones the lower class, so that every run keeps the same.
        entries.sort_by(|a, b| (b.class == label).cmp(&(a.class == label)).then(b.probability.get().total_cmp(&a.probability.get())));
        entries.truncate(self.0.classes);
        Ok(LabelVector::from(entries))
    }
}

export_plugins! { postprocessor "best" => Best }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_classes_stay_and_the_images_own_label_is_one_of_them() {
        let mut labels = LabelVector::default();
        for (class, probability) in [(0, 0.1), (1, 0.9), (2, 0.5), (3, 0.5)] {
            labels.raise(class, Probability::new(probability).unwrap());
        }
        let adjusted = Best::new(Config { classes: 3 }, Context::for_tests(&["a", "b", "c", "d"])).unwrap().adjust(0, &labels, &[]).unwrap();
        assert_eq!(adjusted.entries().iter().map(|entry| (entry.class, entry.probability.get())).collect::<Vec<_>>(), [(0, 0.1), (1, 0.9), (2, 0.5)]);
    }

    #[test]
    fn it_keeps_the_rules_of_its_role() {
        convert_testing::postprocessor::<Best>(r#"{"classes": 2}"#);
    }
}
