//! The sections of a recipe, as `docs/recipe.md` describes them. Their doc comments are that page.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// A recipe: which dataset, and by which plugins it becomes a multi-label one.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sections {
    /// The version of this format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// A name for reports; the file's name without its ending by default.
    #[serde(default)]
    pub name: Option<String>,
    /// Every random choice derives from it.
    #[serde(default)]
    pub seed: u64,
    /// Whose defaults hold where paper and released code differ.
    #[serde(default)]
    pub profile: Profile,
    /// Where stages and results are kept: a folder, relative to the recipe (typed into `--set` or a variable: to the current folder), or a place in an object store, as `s3://bucket/run`; `runs/NAME` in the current folder by default.
    #[serde(default)]
    pub work_dir: Option<String>,
    /// How many samples are stored, and resumed, together.
    #[serde(default = "default_shard_size")]
    #[schemars(range(min = 1))]
    pub shard_size: usize,
    /// What a sample that cannot be read or processed does to the run.
    #[serde(default)]
    pub on_error: OnError,
    /// With `on_error: skip`, the run fails once more samples than this were skipped; no limit by default.
    #[serde(default)]
    pub max_errors: Option<u64>,
    /// What a sample does that was in work, alone, when the program crashed for the second time.
    #[serde(default)]
    pub on_crash: OnCrash,
    /// A plugin's call that takes longer than so many seconds ends the run as a crash; no limit by default. Training is not meant.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub timeout_s: Option<u64>,
    /// Whether the models of all proposal configurations are in memory at once, so that an image is decoded once for all of them; by default all where their
    /// weights fit.
    #[serde(default)]
    pub residency: Option<Residency>,
    /// Whether the orientation that a camera noted in a file (EXIF) is applied; masks then fit the turned image. The reference does not.
    #[serde(default)]
    pub exif_orientation: bool,
    /// The libraries that the plugins must come from, by name: `plugins: { maskcut: { sha256: 1f0c… } }`, or by role and name (`exporter/coco`) where a name has
    /// several roles. `convert doctor` prints the SHA-256 of every library; the run is refused where one is another.
    #[serde(default)]
    pub plugins: BTreeMap<String, PluginPin>,
    /// The dataset: `plugin`, and the plugin's own keys beside it.
    pub dataset: DatasetSection,
    /// One or more configurations that propose masks; all masks of all of them are proposals of the image.
    #[schemars(length(min = 1))]
    pub proposals: Vec<ProposalSection>,
    /// What is done to the masks, in this order.
    #[serde(default)]
    pub refine: Vec<RefineSection>,
    /// Which regions the labeler is trained on.
    pub select: PluginSection,
    /// The labeler.
    pub label: LabelSection,
    /// How the labeler's predictions of the regions become the image's labels.
    #[serde(default)]
    pub aggregate: AggregateSection,
    /// What adjusts the labels, in this order.
    #[serde(default)]
    pub postprocess: Vec<PluginSection>,
    /// Brings the probabilities of the labels besides the original ones to what known true labels say, and chooses the threshold; not done by default.
    #[serde(default)]
    pub calibrate: Option<CalibrateSection>,
    /// What people said of the labels and masks of an earlier run (`reviews.jsonl` in its work directory, docs/reviews.md): their word is believed in the files that are written and in the tables; not done by
    /// default. What is stored stays as it is.
    #[serde(default)]
    pub reviews: Option<convert_sdk::InputFile>,
    /// The files to write.
    #[schemars(length(min = 1))]
    pub export: Vec<ExportSection>,
}

impl Sections {
    /// How the labels are gathered before they are calibrated: softly then, since probabilities of 0 and 1 have nothing left to calibrate.
    pub fn aggregation(&self) -> AggregateSection {
        let mode = if self.calibrate.is_some() { AggregateMode::Soft } else { self.aggregate.mode };
        AggregateSection { mode, ..self.aggregate.clone() }
    }
}

fn default_shard_size() -> usize {
    1024
}

/// What is demanded of a plugin's library.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginPin {
    /// The SHA-256 of the library file, 64 hexadecimal digits.
    pub sha256: String,
}

/// Where the paper and the authors' released code differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// As the paper says.
    #[default]
    Paper,
    /// As the released code does.
    AuthorsCode,
}

impl Profile {
    /// Its name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::AuthorsCode => "authors-code",
        }
    }
}

/// What a bad sample does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// It is left out, written to `errors.jsonl` and counted.
    #[default]
    Skip,
    /// The run fails.
    Stop,
}

/// What a sample does that crashed the program twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnCrash {
    /// It is left out as a bad sample.
    #[default]
    SetAside,
    /// The run fails, whenever it comes to it.
    Stop,
}

/// How many models are in memory while masks are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Residency {
    /// Those of all proposal configurations.
    All,
    /// Those of one proposal configuration after the other; every image is decoded again for each.
    One,
}

/// The dataset.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct DatasetSection {
    /// A plugin of role `dataset`.
    pub plugin: String,
    /// The plugin's own keys.
    #[serde(flatten)]
    pub config: serde_json::Map<String, Json>,
}

/// A proposal configuration.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposalSection {
    /// The configuration's name, unique in the recipe; the plugin's name by default.
    #[serde(default)]
    pub name: Option<String>,
    /// A plugin of role `proposer`.
    pub plugin: String,
    /// The plugin's config.
    #[serde(default)]
    pub config: Json,
}

/// A refiner.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefineSection {
    /// A plugin of role `refiner`.
    pub plugin: String,
    /// The plugin's config.
    #[serde(default)]
    pub config: Json,
    /// The proposal configurations it works on; all by default.
    #[serde(default)]
    pub only: Option<Vec<String>>,
}

/// A plugin and its config.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginSection {
    /// The plugin's name.
    pub plugin: String,
    /// The plugin's config.
    #[serde(default)]
    pub config: Json,
}

/// The labeler.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelSection {
    /// A plugin of role `labeler`.
    pub plugin: String,
    /// The plugin's config.
    #[serde(default)]
    pub config: Json,
    /// A trained checkpoint; training is then left out.
    #[serde(default)]
    pub checkpoint: Option<convert_sdk::InputFile>,
}

/// Aggregation (paper 5.2).
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AggregateSection {
    /// How the masks' probabilities become the image's.
    pub mode: AggregateMode,
    /// With `mode: hard`: a class counts when a mask gives it more than this, or with `calibrate` when it is more probable than this, unless a target chooses the threshold.
    pub threshold: Threshold,
    /// What speaks for the image as a whole.
    pub global: GlobalSignal,
}

/// A probability above which a class counts; 0.5 by default.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Threshold(#[schemars(range(min = 0.0, max = 1.0))] pub f32);

impl Default for Threshold {
    fn default() -> Self {
        Self(0.5)
    }
}

/// From masks to the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AggregateMode {
    /// 1 for each class that some mask gives more than `threshold`.
    Hard,
    /// The highest probability that any mask gives the class.
    #[default]
    Soft,
}

/// The global signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GlobalSignal {
    /// None.
    None,
    /// The original label counts 1.
    #[default]
    Original,
    /// The labeler's opinion of the whole image.
    Pred,
}

/// Calibration, after the postprocessors.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CalibrateSection {
    /// The true classes of some of the images, such as those that you looked through: ReaL or ImageNetV2 JSON, COCO JSON, a multilabel tsv, or a run's reviews, as `convert evaluate
    /// labels` reads them. All true classes of a listed image must be there. By default what the dataset's own `truth` says; without either the
    /// probabilities stay as they are.
    pub truth: Option<convert_sdk::InputFile>,
    /// Whether classes may differ in how far they are believed.
    #[serde(default = "yes")]
    pub per_class: bool,
    /// What the threshold is chosen for: labels below it are left out. Without one all stay.
    pub target: Option<CalibrationTarget>,
}

fn yes() -> bool {
    true
}

/// What is wanted of the added labels.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalibrationTarget {
    /// So many of them are to be true, as far as the probabilities say.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub precision: f64,
}

/// An exporter and its file.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportSection {
    /// A plugin of role `exporter`.
    pub plugin: String,
    /// The file to write, relative to `work_dir`. Of a symbolic link the file that it leads to is replaced; a folder, device, FIFO or socket is refused.
    pub file: String,
    /// The plugin's config.
    #[serde(default)]
    pub config: Json,
}
