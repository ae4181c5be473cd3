//! One plugin of every role that does its work and misbehaves on some sample, in any way that a plugin can.

use std::path::{Path, PathBuf};

use convert_sdk::*;

/// When it misbehaves, and how.
#[config]
#[derive(Clone)]
pub struct Misbehaviour {
    /// Part of the ids, or the name of a call that has none (`train`, `finish`).
    pub on: String,
    /// What happens.
    pub how: How,
    /// The width of the image, for the roles that are told no id.
    #[serde(default)]
    pub width: Option<u32>,
    /// A dataset's folder, with class folders in it.
    #[serde(default)]
    pub root: Option<InputFolder>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", crate = "convert_sdk::serde")]
#[schemars(crate = "convert_sdk::schemars")]
pub enum How {
    /// It does not.
    Never,
    /// A panic.
    Panic,
    /// A panic when the plugin is built.
    PanicAtOnce,
    /// It ends the process when it is built.
    AbortAtOnce,
    /// An error.
    Fail,
    /// One answer too few.
    TooFew,
    /// The process ends.
    Abort,
    /// So does it here, by reading where there is nothing.
    Segfault,
    /// The call does not return for ten minutes.
    Hang,
    /// A number that is none.
    Nan,
}

impl Misbehaviour {
    /// Panics where the plugin is not to be built.
    pub fn built(self) -> Self {
        assert!(self.how != How::PanicAtOnce, "this plugin cannot be built");
        if self.how == How::AbortAtOnce {
            std::process::abort();
        }
        self
    }

    /// Whether these are the sample's answers to spoil; what is more than a wrong answer happens here.
    pub fn befalls(&self, subject: &str) -> Result<bool> {
        if subject.contains(&self.on) { self.happens() } else { Ok(false) }
    }

    fn befalls_width(&self, width: u32) -> Result<bool> {
        if Some(width) == self.width { self.happens() } else { Ok(false) }
    }

    fn happens(&self) -> Result<bool> {
        match self.how {
            How::Panic => panic!("cannot stand this image"),
            How::Fail => Err(Error::invalid("cannot read this image")),
            How::Abort => std::process::abort(),
            How::Segfault => {
                // SAFETY: there is none, which is the point.
                let byte = unsafe { std::ptr::without_provenance::<u8>(8).read_volatile() };
                Err(Error::invalid(format!("read {byte} where there is nothing")))
            }
            How::Hang => {
                std::thread::sleep(std::time::Duration::from_secs(600));
                Ok(false)
            }
            How::TooFew | How::Nan => Ok(true),
            How::Never | How::PanicAtOnce | How::AbortAtOnce => Ok(false),
        }
    }

    /// The answers, one less where that is how it misbehaves.
    fn some<T>(&self, spoiled: bool, mut answers: Vec<T>) -> Vec<T> {
        if spoiled && self.how == How::TooFew {
            answers.pop();
        }
        answers
    }

    /// A number, or none where that is how it misbehaves.
    fn number(&self, spoiled: bool, number: f32) -> f32 {
        if spoiled && self.how == How::Nan { f32::NAN } else { number }
    }
}

/// Images of class folders.
pub struct HostileDataset {
    config: Misbehaviour,
    root: PathBuf,
    classes: Vec<String>,
    samples: Vec<Sample>,
}

impl Plugin for HostileDataset {
    type Config = Misbehaviour;

    fn new(config: Misbehaviour, _: Context) -> Result<Self> {
        let config = config.built();
        let root = config.root.as_ref().ok_or_else(|| Error::config("give a root"))?.to_path_buf();
        let names = |folder: &Path| -> Result<Vec<String>> {
            let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            let mut names = entries.collect::<Result<Vec<_>>>()?;
            names.sort();
            Ok(names)
        };
        let classes = names(&root)?;
        let mut samples = Vec::new();
        for (class, label) in classes.iter().zip(0..) {
            samples.extend(names(&root.join(class))?.into_iter().map(|name| Sample { id: format!("{class}/{name}"), label, revision: 0 }));
        }
        Ok(Self { config, root, classes, samples })
    }
}

impl Dataset for HostileDataset {
    fn classes(&self) -> Vec<String> {
        let spoiled = self.config.befalls("classes").unwrap_or(false);
        self.config.some(spoiled, self.classes.clone())
    }

    fn samples(&self) -> Result<Vec<Sample>> {
        self.config.befalls("samples")?;
        Ok(self.samples.clone())
    }

    fn image(&self, id: &str) -> Result<ImageData> {
        if self.config.befalls(id)? {
            return Ok(ImageData::Encoded(b"\x89PNG\r\n\x1a\n and no more".to_vec()));
        }
        Ok(ImageData::Encoded(std::fs::read(self.root.join(id))?))
    }

    fn truth(&self, id: &str) -> Result<Option<Vec<TruthObject>>> {
        self.config.befalls(&format!("truth of {id}"))?;
        Ok(None)
    }
}

/// Keeps every proposal.
pub struct HostileRefiner(Misbehaviour);

impl Plugin for HostileRefiner {
    type Config = Misbehaviour;

    fn new(config: Misbehaviour, _: Context) -> Result<Self> {
        Ok(Self(config.built()))
    }
}

impl Refiner for HostileRefiner {
    fn refine(&self, image: &LazyImage<'_>, proposals: &[Proposal]) -> Result<Vec<Refinement>> {
        let spoiled = self.0.befalls_width(image.get()?.width())?;
        let keep = |proposal: &Proposal| Refinement::Keep(Proposal { score: self.0.number(spoiled, proposal.score), ..proposal.clone() });
        Ok(self.0.some(spoiled, proposals.iter().map(keep).collect()))
    }
}

/// Keeps every region.
pub struct HostileSelector(Misbehaviour);

impl Plugin for HostileSelector {
    type Config = Misbehaviour;

    fn new(config: Misbehaviour, _: Context) -> Result<Self> {
        Ok(Self(config.built()))
    }
}

impl Selector for HostileSelector {
    fn select(&self, subject: &Subject<'_>) -> Result<Vec<Selection>> {
        let spoiled = self.0.befalls(subject.id)?;
        let confidence = Probability::new(self.0.number(spoiled, 1.0))?;
        let answers = subject.regions.iter().map(|_| Selection { confidence, keep: true, label: subject.label });
        Ok(self.0.some(spoiled, answers.collect()))
    }
}

/// Learns nothing, and finds everything equally probable.
pub struct HostileLabeler {
    config: std::sync::Arc<Misbehaviour>,
    classes: usize,
}

struct HostileModel {
    config: std::sync::Arc<Misbehaviour>,
    classes: usize,
}

impl Plugin for HostileLabeler {
    type Config = Misbehaviour;

    fn new(config: Misbehaviour, context: Context) -> Result<Self> {
        Ok(Self { config: config.built().into(), classes: context.classes().len() })
    }
}

impl Labeler for HostileLabeler {
    fn train(&self, set: &dyn TrainingSet, folder: &Path) -> Result<TrainingReport> {
        let spoiled = self.config.befalls("train")?;
        let checkpoint = folder.join("nothing.txt");
        if !spoiled || self.config.how != How::TooFew {
            std::fs::write(&checkpoint, "nothing")?;
        }
        let loss = f64::from(self.config.number(spoiled, 1.0));
        let (curve, lost) = (vec![EpochRecord { epoch: 1, loss, accuracy: 0.5 }], vec![format!("one of {}", set.len())]);
        Ok(TrainingReport { checkpoint, curve, warnings: vec!["learned nothing".into()], lost, ..TrainingReport::default() })
    }

    fn load(&self, _: &Path) -> Result<Box<dyn LabelModel>> {
        self.config.befalls("load")?;
        Ok(Box::new(HostileModel { config: self.config.clone(), classes: self.classes }))
    }
}

impl LabelModel for HostileModel {
    fn predict(&self, batch: &[PredictionInput<'_>]) -> Result<Vec<Prediction>> {
        let predict = |input: &PredictionInput<'_>| -> Result<Prediction> {
            let spoiled = self.config.befalls(input.id)?;
            let probabilities = || vec![self.config.number(spoiled, 1.0 / self.classes as f32); self.classes];
            Ok(Prediction { global: self.config.some(spoiled, probabilities()), masks: input.regions.iter().map(|_| probabilities()).collect() })
        };
        batch.iter().map(predict).collect()
    }
}

/// Leaves the labels as they are, or adds a class that there is not.
pub struct HostilePostprocessor(Misbehaviour);

impl Plugin for HostilePostprocessor {
    type Config = Misbehaviour;

    fn new(config: Misbehaviour, _: Context) -> Result<Self> {
        Ok(Self(config.built()))
    }
}

impl Postprocessor for HostilePostprocessor {
    fn adjust(&self, _: u32, labels: &LabelVector, regions: &[LabelledRegion]) -> Result<LabelVector> {
        let spoiled = self.0.befalls_width(regions.first().map_or(0, |region| region.mask.width()))?;
        let mut labels = labels.clone();
        if spoiled {
            labels.raise(1_000_000, Probability::new(self.0.number(spoiled, 1.0))?);
        }
        Ok(labels)
    }
}

/// Writes the ids.
pub struct HostileExporter(Misbehaviour);

struct HostileWriter {
    config: Misbehaviour,
    output: PathBuf,
    ids: String,
}

impl Plugin for HostileExporter {
    type Config = Misbehaviour;

    fn new(config: Misbehaviour, _: Context) -> Result<Self> {
        Ok(Self(config.built()))
    }
}

impl Exporter for HostileExporter {
    fn accepts(&self, _: &str) -> Result<()> {
        self.0.befalls("accepts").map(drop)
    }

    fn begin(&self, _: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        Ok(Box::new(HostileWriter { config: self.0.clone(), output: output.to_owned(), ids: String::new() }))
    }
}

impl ExportWriter for HostileWriter {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        self.config.befalls(&sample.id)?;
        self.ids += &sample.id;
        self.ids.push('\n');
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.config.befalls("finish")?;
        std::fs::write(&self.output, &self.ids)?;
        Ok(())
    }
}

/// One number an image.
pub struct HostileExtractor(Misbehaviour);

/// What `convert features --backbone` gives.
#[config]
pub struct ExtractorConfig {
    backbone: Misbehaviour,
}

impl Plugin for HostileExtractor {
    type Config = ExtractorConfig;

    fn new(config: ExtractorConfig, _: Context) -> Result<Self> {
        Ok(Self(config.backbone.built()))
    }
}

impl Extractor for HostileExtractor {
    fn extract(&self, images: &[Image<'_>]) -> Result<Vec<FeatureMap>> {
        let map = |image: &Image<'_>| {
            let spoiled = self.0.befalls_width(image.width())?;
            FeatureMap::new(1, 1, 1, self.0.some(spoiled, vec![self.0.number(spoiled, 1.0)]))
        };
        images.iter().map(map).collect()
    }
}
