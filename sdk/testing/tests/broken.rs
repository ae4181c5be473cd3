//! Every rule can be broken, and the check says which one was.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use convert_sdk::*;

/// What a check says of a plugin.
fn said(check: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(check)).expect_err("the check passes");
    panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

fn says(expected: &str, check: impl FnOnce()) {
    let text = said(check);
    assert!(text.contains(expected), "`{expected}` is not in `{text}`");
}

/// A plugin that keeps the rules but for one.
#[config]
struct Broken {
    /// Which one.
    how: String,
}

impl Broken {
    fn is(&self, how: &str) -> bool {
        self.how == how
    }
}

/// Another number each time.
fn next() -> u32 {
    static CALLS: AtomicU32 = AtomicU32::new(1);
    CALLS.fetch_add(1, Ordering::Relaxed)
}

impl Plugin for Broken {
    type Config = Self;
    fn new(config: Self, _: Context) -> Result<Self> {
        Ok(config)
    }
}

impl Proposer for Broken {
    fn propose(&self, images: &[SampleImage]) -> Result<Vec<Vec<Proposal>>> {
        assert!(!self.is("panic") || images.iter().all(|image| image.image.width() > 1), "too narrow");
        let score = match self.how.as_str() {
            "unsteady" => next() as f32,
            "batch" => images.len() as f32,
            "nan" => f32::NAN,
            _ => 1.0,
        };
        images.iter().map(|_| Ok(vec![Proposal { score, ..Proposal::new(Mask::full(2, 2)?, 1.0)? }])).collect()
    }
}

impl Refiner for Broken {
    fn refine(&self, _: &LazyImage<'_>, proposals: &[Proposal]) -> Result<Vec<Refinement>> {
        if self.is("count") {
            return Ok(vec![]);
        }
        let refine = |proposal: &Proposal| match self.how.as_str() {
            "size" => Ok(Refinement::Keep(Proposal::new(Mask::full(3, 9)?, 1.0)?)),
            "reason" => Ok(Refinement::Drop { reason: "too\nlong".into() }),
            _ => Ok(Refinement::Keep(proposal.clone())),
        };
        proposals.iter().map(refine).collect()
    }
}

impl Selector for Broken {
    fn select(&self, subject: &Subject<'_>) -> Result<Vec<Selection>> {
        let label = if self.is("class") { 77 } else { subject.label };
        Ok(subject.regions.iter().map(|_| Selection { confidence: Probability::ONE, keep: true, label }).collect())
    }
}

impl Postprocessor for Broken {
    fn adjust(&self, _: u32, labels: &LabelVector, _: &[LabelledRegion]) -> Result<LabelVector> {
        let mut labels = labels.clone();
        if self.is("class") {
            labels.raise(77, Probability::ONE);
        }
        Ok(labels)
    }
}

struct Constant(usize);

impl LabelModel for Constant {
    fn predict(&self, batch: &[PredictionInput<'_>]) -> Result<Vec<Prediction>> {
        let of = || vec![1.0 / self.0 as f32; self.0];
        Ok(batch.iter().map(|input| Prediction { global: of(), masks: input.regions.iter().map(|_| of()).collect() }).collect())
    }
}

impl Labeler for Broken {
    fn train(&self, _: &dyn TrainingSet, folder: &Path) -> Result<TrainingReport> {
        if self.is("interrupted") && INTERRUPTED.fetch_add(1, Ordering::Relaxed) == 2 {
            return Err(Error::invalid("stopped"));
        }
        let checkpoint = folder.join("checkpoint");
        if !self.is("checkpoint") {
            std::fs::write(&checkpoint, "")?;
        }
        Ok(TrainingReport { checkpoint, ..TrainingReport::default() })
    }
    fn load(&self, checkpoint: &Path) -> Result<Box<dyn LabelModel>> {
        if !self.is("anything") {
            std::fs::metadata(checkpoint)?;
        }
        Ok(Box::new(Constant(if self.is("classes") { 3 } else { 4 })))
    }
}

static INTERRUPTED: AtomicU32 = AtomicU32::new(0);

struct Writer(Option<std::fs::File>, bool);

impl ExportWriter for Writer {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        use std::io::Write;
        let number = if self.1 { next() } else { 0 };
        if let Some(file) = &mut self.0 {
            writeln!(file, "{} {number}", sample.id)?;
        }
        Ok(())
    }
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Exporter for Broken {
    fn accepts(&self, id: &str) -> Result<()> {
        if self.is("id") && id.contains(' ') { Err(Error::config("a space")) } else { Ok(()) }
    }
    fn begin(&self, _: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        let file = std::fs::File::create(output);
        let file = if self.is("nowhere") { file.ok() } else { Some(file?) };
        Ok(Box::new(Writer(file, self.is("unsteady"))))
    }
}

impl Dataset for Broken {
    fn classes(&self) -> Vec<String> {
        vec!["apple".into()]
    }
    fn samples(&self) -> Result<Vec<Sample>> {
        let sample = |id: &str, label| Sample { id: id.into(), label, revision: 0 };
        Ok(match self.how.as_str() {
            "none" => vec![],
            "twice" => vec![sample("a", 0), sample("a", 0)],
            "label" => vec![sample("a", 1)],
            "unsteady" => vec![sample(&next().to_string(), 0)],
            _ => vec![sample("a", 0)],
        })
    }
    fn image(&self, id: &str) -> Result<ImageData> {
        match id {
            "a" | "no/such/sample" if self.is("any") || id == "a" => Ok(ImageData::Encoded(vec![1])),
            _ => Err(Error::invalid("no such image")),
        }
    }
}

impl Extractor for Broken {
    fn extract(&self, images: &[Image<'_>]) -> Result<Vec<FeatureMap>> {
        let value = if self.is("nan") { f32::NAN } else { 1.0 };
        let dimension = |image: &Image<'_>| if self.is("dimension") { image.width() } else { 2 };
        images.iter().map(|image| FeatureMap::new(1, 1, dimension(image), vec![value; dimension(image) as usize])).collect()
    }
}

fn how(how: &str) -> String {
    format!(r#"{{"how": "{how}"}}"#)
}

#[test]
fn who_keeps_the_rules_passes() {
    let config = how("not at all");
    convert_testing::proposer::<Broken>(&config);
    convert_testing::refiner::<Broken>(&config);
    convert_testing::selector::<Broken>(&config);
    convert_testing::labeler::<Broken>(&config);
    convert_testing::postprocessor::<Broken>(&config);
    convert_testing::exporter::<Broken>(&config);
    convert_testing::dataset::<Broken>(&config);
    convert_testing::extractor::<Broken>(&config);
}

#[test]
fn each_broken_rule_is_named() {
    use convert_testing as check;
    says("the second call gives something else", || check::proposer::<Broken>(&how("unsteady")));
    says("depend on the others in its call", || check::proposer::<Broken>(&how("batch")));
    says("a proposal's score is NaN", || check::proposer::<Broken>(&how("nan")));
    says("the image 1x1: panicked: too narrow", || check::proposer::<Broken>(&how("panic")));
    says("the refiner gave 0 answers for 4", || check::refiner::<Broken>(&how("count")));
    says("a mask keeps its size", || check::refiner::<Broken>(&how("size")));
    says("a reason is one line", || check::refiner::<Broken>(&how("reason")));
    says("77 is no class", || check::selector::<Broken>(&how("class")));
    says("one probability a class", || check::labeler::<Broken>(&how("classes")));
    says("which is not there", || check::labeler::<Broken>(&how("checkpoint")));
    says("a checkpoint that is not there is loaded", || check::labeler::<Broken>(&how("anything")));
    says("ends with an error of kind `interrupted`, not: stopped", || check::labeler::<Broken>(&how("interrupted")));
    says("it gives the class", || check::postprocessor::<Broken>(&how("class")));
    says("an id with a space in it: a space", || check::exporter::<Broken>(&how("id")));
    says("gives another file the second time", || check::exporter::<Broken>(&how("unsteady")));
    says("without an error", || check::exporter::<Broken>(&how("nowhere")));
    says("needs a dataset with samples", || check::dataset::<Broken>(&how("none")));
    says("two samples have one id", || check::dataset::<Broken>(&how("twice")));
    says("has the label 1, and there are 1 classes", || check::dataset::<Broken>(&how("label")));
    says("opened again, it has other samples", || check::dataset::<Broken>(&how("unsteady")));
    says("an id that is not its own", || check::dataset::<Broken>(&how("any")));
    says("a feature is not finite", || check::extractor::<Broken>(&how("nan")));
    says("another dimension", || check::extractor::<Broken>(&how("dimension")));
}

/// A plugin whose key is not documented.
#[config(default)]
#[derive(Default)]
struct Undocumented {
    key: bool,
}

/// A plugin that takes every key.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "convert_sdk::serde")]
#[schemars(crate = "convert_sdk::schemars")]
struct Lenient {}

macro_rules! keeps {
    ($($name:ident)+) => {$(
        impl Plugin for $name {
            type Config = Self;
            fn new(config: Self, _: Context) -> Result<Self> {
                Ok(config)
            }
        }
        impl Postprocessor for $name {
            fn adjust(&self, _: u32, labels: &LabelVector, _: &[LabelledRegion]) -> Result<LabelVector> {
                Ok(labels.clone())
            }
        }
    )+};
}

keeps! { Undocumented Lenient }

#[test]
fn configs_are_checked_as_well() {
    says("the config key `key` has no doc comment", || convert_testing::postprocessor::<Undocumented>("{}"));
    says("takes a key that it does not have", || convert_testing::postprocessor::<Lenient>("{}"));
    says("it cannot be built with the config", || convert_testing::postprocessor::<Broken>(r#"{"how": 3}"#));
}
