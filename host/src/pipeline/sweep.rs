//! Several settings of a recipe, run one after the other in one session up to the selection: the dataset is listed once, and stages that settings have in common are computed once.

use std::collections::{BTreeSet, HashMap};

use convert_sdk::{LazyImage, Mask, Region, StageInfo};
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::error::PipelineError;
use super::host_side::HostSide;
use super::plan::{Plan, Step};
use super::rows::{ImageRegions, ImageSelections};
use super::session::{Session, selector_needs};
use crate::engine::{FileHashes, Key, KeyBuilder, KeySettings};
use crate::errors::FileError;
use crate::evaluate::TrueObjects;
use crate::recipe::Recipe;

/// What a stage of masks took where a sweep computed it, an object of the stage.
const TIME: &str = "time.json";

/// A recipe with its steps on a session's samples.
pub struct Setting {
    recipe: Recipe,
    plan: Plan,
}

/// What a setting's masks took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Seconds an image of the proposers and refiners, all threads together.
    pub seconds: f64,
    /// Whether an earlier sweep measured some of it: the results were there.
    pub earlier: bool,
}

/// See [`TIME`].
#[derive(Serialize, Deserialize)]
struct Time {
    images: u64,
    seconds: f64,
    threads: usize,
    device: String,
}

/// What a setting makes of an image.
pub struct Compared {
    /// The sample's index.
    pub sample: usize,
    /// Its regions.
    pub regions: Vec<Region>,
    /// Which of them the selector keeps; `None` without a selector's answer.
    pub kept: Option<Vec<bool>>,
}

impl Setting {
    /// What the results that are compared are kept under: two settings with the same do not differ in them.
    ///
    /// # Errors
    /// A plan without regions: a mistake of this program.
    pub fn compared_results(&self) -> Result<String, PipelineError> {
        compared_results(&self.plan)
    }
}

fn compared_results(plan: &Plan) -> Result<String, PipelineError> {
    let regions = plan.stage_of(Action::Regions)?;
    Ok(selection(plan).map_or(regions, |select| &select.stage).id())
}

fn selection(plan: &Plan) -> Option<&Step> {
    plan.find(Action::Select { round: 1 })
}

impl Session {
    /// Plans other recipes on this session's samples; `None` for one whose samples are others.
    ///
    /// # Errors
    /// What the selector says of its config; a file that a config names and that cannot be read.
    pub fn settings(&self, recipes: Vec<Recipe>) -> Result<Vec<Option<Setting>>, PipelineError> {
        let files = FileHashes::open(&self.recipe.work_dir.join("cache"), false);
        let settings = |recipe: &Recipe| KeySettings {
            profile: recipe.sections.profile.name(),
            seed: recipe.sections.seed,
            device: self.device(),
            files: &files,
        };
        let samples = |recipe: &Recipe| -> Result<Key, FileError> {
            let key = settings(recipe).with_plugin(KeyBuilder::new("samples"), &recipe.dataset)?;
            let key = key.with("shard size", &recipe.sections.shard_size.to_le_bytes());
            Ok(key.with("upright", &[u8::from(recipe.sections.exif_orientation)]).finish())
        };
        let own = samples(&self.recipe)?;
        let setting = |recipe: Recipe| {
            if samples(&recipe)? != own {
                return Ok(None);
            }
            let host = HostSide::new(self.runner.cancel.clone()).into();
            let needs = selector_needs(&recipe, &self.samples, host)?;
            let plan = Plan::new(&recipe, &self.samples, needs, &settings(&recipe))?;
            Ok(Some(Setting { recipe, plan }))
        };
        let planned = recipes.into_iter().map(setting).collect::<Result<Vec<_>, PipelineError>>()?;
        files.save();
        Ok(planned)
    }

    /// Goes on with another setting; what was at work until now takes its place.
    pub fn exchange(&mut self, setting: &mut Setting) {
        std::mem::swap(&mut self.recipe, &mut setting.recipe);
        std::mem::swap(&mut self.plan, &mut setting.plan);
    }

    /// Whether a sweep runs a step: all up to the first round's selection, and where that wants own label maps the training for them, which no setting of the masks changes.
    pub fn is_compared(step: &Step) -> bool {
        match step.action {
            Action::Propose { .. } | Action::Refine { .. } | Action::Regions | Action::Select { round: 1 } => true,
            Action::TrainOnImages | Action::Maps => !step.on_demand,
            _ => false,
        }
    }

    /// The rounds of choosing, of which a sweep compares the first.
    pub fn rounds(&self) -> u32 {
        self.plan.needs.rounds
    }

    /// Whether the recipe selects at all: with a checkpoint nothing is trained, and nothing selected.
    pub fn selects(&self) -> bool {
        self.selection().is_some()
    }

    /// As [`Setting::compared_results`], of the setting at work.
    ///
    /// # Errors
    /// As there.
    pub fn compared_results(&self) -> Result<String, PipelineError> {
        compared_results(&self.plan)
    }

    fn selection(&self) -> Option<&Step> {
        selection(&self.plan)
    }

    /// Runs what is [compared](Session::is_compared) of the setting at work, as far as it is not there, and says what its masks took; `None` where nobody measured that.
    /// `computed` collects the stages that this sweep computed.
    ///
    /// # Errors
    /// As [`Session::run_steps`].
    pub fn run_compared(&self, computed: &mut BTreeSet<String>) -> Result<Option<Cost>, PipelineError> {
        let of_masks = |step: &&Step| matches!(step.action, Action::Propose { .. } | Action::Refine { .. });
        let steps: Vec<&Step> = self.plan.steps().iter().filter(of_masks).collect();
        // Of a stage that was interrupted nobody knows how many images are still to be done.
        let resumed = steps.iter().map(|step| Ok(!step.stage.parts()?.is_empty())).collect::<Result<Vec<bool>, FileError>>()?;
        self.runner.forget_notes();
        self.run_steps(Self::is_compared)?;
        let mut noted: HashMap<String, (u64, f64)> = HashMap::new();
        for StageInfo { name, seconds, images, cached } in self.runner.take_notes() {
            let (all, sum) = noted.entry(name).or_default();
            (*all, *sum) = (*all + (images - cached), *sum + seconds);
        }
        let mut cost = Some(Cost { seconds: 0.0, earlier: false });
        for (step, resumed) in steps.into_iter().zip(resumed) {
            let (stage, object) = (&step.stage, step.stage.object(TIME));
            let place = || stage.store.place(&object);
            if let Some(&(images, seconds)) = noted.get(&stage.name).filter(|(images, _)| *images > 0 && !resumed) {
                let time = Time { images, seconds, threads: self.threads(), device: self.device().to_owned() };
                let bytes = serde_json::to_vec(&time).map_err(FileError::of("write", &place()))?;
                stage.store.replace(&object, &bytes).map_err(FileError::of("write", &place()))?;
                computed.insert(stage.id());
            }
            let time = stage.store.get(&object).map_err(FileError::of("read", &place()))?;
            let time = time.and_then(|bytes| serde_json::from_slice::<Time>(&bytes).ok()).filter(|time| time.images > 0);
            cost = cost.zip(time).map(|(cost, time)| Cost {
                seconds: cost.seconds + time.seconds / time.images as f64,
                earlier: cost.earlier || !computed.contains(&stage.id()),
            });
        }
        Ok(cost)
    }

    /// Gives what the setting at work makes of every image to `take`, in the samples' order.
    ///
    /// # Errors
    /// Stored results that cannot be read, and what `take` says.
    pub fn for_each_compared(&self, mut take: impl FnMut(Compared) -> Result<(), PipelineError>) -> Result<(), PipelineError> {
        let (regions, select) = (self.plan.stage_of(Action::Regions)?, self.selection());
        let read = |shard| {
            let kept = select.map(|step| step.stage.read::<ImageSelections>(&self.samples, shard)).transpose()?;
            Ok((regions.read::<ImageRegions>(&self.samples, shard)?, kept))
        };
        self.for_each_shard(read, |(rows, selections)| {
            let mut selections: HashMap<usize, ImageSelections> = selections.into_iter().flatten().collect();
            rows.into_iter().try_for_each(|(sample, row)| {
                let kept = selections.remove(&sample).map(|row| row.selections.iter().map(|selection| selection.keep).collect());
                take(Compared { sample, regions: row.regions, kept })
            })
        })
    }

    /// The true objects whose visible parts the dataset knows; `None` where it knows none.
    ///
    /// # Errors
    /// What the dataset says.
    pub fn true_objects(&self) -> Result<Option<TrueObjects>, PipelineError> {
        let stage = self.plan.stage_of(Action::Regions)?;
        let mut masks: Vec<Vec<Mask>> = Vec::with_capacity(self.samples.list.len());
        for sample in &self.samples.list {
            self.runner.stop_if_cancelled()?;
            let objects = self.truth(stage, &sample.id)?;
            masks.push(objects.into_iter().flatten().filter_map(|object| object.mask).collect());
        }
        Ok(TrueObjects::of_masks(masks.into_iter())?)
    }

    /// The decoded image of a sample, tried for a while where it cannot be reached.
    pub fn image(&self, sample: usize) -> LazyImage<'_> {
        self.lasting_image(sample)
    }
}
