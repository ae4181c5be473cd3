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

struct MyPostprocessorPostprocessor(Config);

impl Plugin for MyPostprocessorPostprocessor {
    type Config = Config;

    fn new(config: Config, _: Context) -> Result<Self> {
        Ok(Self(config))
    }
}

impl Postprocessor for MyPostprocessorPostprocessor {
    fn adjust(&self, label: u32, labels: &LabelVector, _: &[LabelledRegion]) -> Result<LabelVector> {
        let mut entries = labels.entries().to_vec();
        // The image's label first, then by probability; of equal ones the lower class, so that every run keeps the same.
        entries.sort_by(|a, b| (b.class == label).cmp(&(a.class == label)).then(b.probability.get().total_cmp(&a.probability.get())));
        entries.truncate(self.0.classes);
        Ok(LabelVector::from(entries))
    }
}

export_plugins! { postprocessor "my-postprocessor" => MyPostprocessorPostprocessor }

