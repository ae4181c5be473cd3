//! The exporters: every labelled sample to each file whose content may have changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use convert_formats::whole_file::Temporary;
use convert_sdk::{CalibrationReport, Error, Evaluation, ExportRun, ExportWriter, HeldOut, Mask, PluginInfo, Statistics, TruthObject};
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::calibration::Calibration;
use super::error::PipelineError;
use super::labelled::HandedOn;
use super::reviews::{AppliedReviews, ReviewCounts};
use super::rows::{ImageLabels, ImageRegions};
use super::session::Session;
use super::train::Trained;
use super::work_dir::{CLASSES, COMPLETE_RECIPE, EVALUATION, RECORD, RUN};
use crate::engine::{Key, Stage};
use crate::errors::FileError;
use crate::evaluate::{Scorer, Tally};

/// So many of the samples that were skipped are shown to exporters.
const SKIPPED: usize = 100;

/// What an earlier run exported: by file name, the exporter's key and the file's size and content.
#[derive(Default, Serialize, Deserialize)]
struct Exported(BTreeMap<String, ExportedFile>);

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct ExportedFile {
    key: String,
    content: String,
}

/// See [`RUN`].
#[derive(Serialize)]
struct FinishedRun<'a> {
    version: u32,
    convert: &'a str,
    recipe: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    device: &'a str,
    dataset: FinishedDataset<'a>,
    samples: usize,
    classes: &'a [String],
    exports: Vec<FinishedExport<'a>>,
    configurations: Vec<&'a str>,
    /// A label counts when its probability is above this.
    threshold: f32,
    stages: FinishedStages,
    statistics: &'a Statistics,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_out: Option<&'a HeldOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evaluation: Option<&'a Evaluation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calibration: Option<&'a CalibrationReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reviews: Option<&'a ReviewCounts>,
}

/// What came of a run's steps, which exporters, `run.json` and the tables at the end show.
pub struct Outcome {
    /// The last training; `None` with a checkpoint.
    pub trained: Option<Trained>,
    /// Table 5 of the labels.
    pub statistics: Statistics,
    /// The comparison with the truth, where the dataset knows it.
    pub evaluation: Option<Evaluation>,
    /// What is done to the labels before they are written, where the recipe wants it.
    pub calibration: Option<Calibration>,
    /// What people said of the labels, where the recipe names that.
    pub reviews: Option<AppliedReviews>,
}

impl Outcome {
    /// What is done to stored labels before they are written.
    pub fn handed_on(&self) -> HandedOn<'_> {
        HandedOn { calibration: self.calibration.as_ref(), reviews: self.reviews.as_ref() }
    }
}

#[derive(Serialize)]
struct FinishedDataset<'a> {
    plugin: &'a str,
    config: &'a serde_json::Value,
}

/// The stages that the labels come from, each by its folder in `stages`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FinishedStages {
    /// Regions of all configurations.
    pub regions: String,
    /// Which of them the labeler was trained on; none with a checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selections: Option<String>,
    /// The labeler's probabilities.
    pub predictions: String,
    /// The images' labels, before calibration.
    pub labels: String,
    /// Where the labeler was trained; none with a checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<String>,
    /// Samples of a shard.
    pub shard_size: usize,
}

#[derive(Serialize)]
struct FinishedExport<'a> {
    plugin: &'a str,
    /// Relative to the work directory where it lies in there.
    file: PathBuf,
}

impl Session {
    /// Forgets which files earlier runs wrote, so that all are written again.
    ///
    /// # Errors
    /// A record that cannot be removed.
    pub fn forget_exports(&self) -> Result<(), FileError> {
        let store = &self.recipe.store;
        store.delete(RECORD).map_err(FileError::of("remove", &store.place(RECORD)))
    }

    /// What came of the steps, as [`Session::outcome`] finds it; the comparison with the truth is also written to `evaluation.json`.
    ///
    /// # Errors
    /// As [`Session::outcome`]; a file that cannot be written.
    pub fn summarise(&self, trained: Option<Trained>) -> Result<Outcome, PipelineError> {
        let outcome = self.outcome(trained)?;
        if let Some(evaluation) = &outcome.evaluation {
            self.write_json(EVALUATION, evaluation)?;
        }
        Ok(outcome)
    }

    /// The calibration, the reviews, Table 5 of the labels, and their comparison with the truth where the dataset knows it.
    ///
    /// # Errors
    /// As [`Session::calibrate`] and [`Session::reviews`]; stored labels that cannot be read.
    pub fn outcome(&self, trained: Option<Trained>) -> Result<Outcome, PipelineError> {
        let (labels, regions) = (self.plan.stage_of(Action::Labels)?, self.plan.stage_of(Action::Regions)?);
        let (calibration, mut reviews) = (self.calibration()?, self.reviews()?);
        let threshold = calibration.as_ref().and_then(Calibration::threshold).unwrap_or(0.5);
        let (mut tally, mut scorer) = (Tally::new(threshold), Scorer::new(self.samples.classes.len(), threshold));
        // Large, and wanted only where the dataset knows true masks.
        let masks_known = AtomicBool::new(false);
        let read_regions = |shard| regions.read::<ImageRegions>(&self.samples, shard);
        let read = |shard| {
            let regions = masks_known.load(Ordering::Relaxed).then(|| read_regions(shard)).transpose()?;
            Ok((shard, labels.read::<ImageLabels>(&self.samples, shard)?, regions))
        };
        self.for_each_shard(read, |(shard, rows, regions)| {
            let mut with_masks = BTreeMap::new();
            for (index, row) in rows {
                let sample = &self.samples.list[index];
                let calibrated = calibration.as_ref().map(|calibration| calibration.labels(sample.label, &row.labels)).transpose()?;
                let handed_out = calibrated.as_ref().unwrap_or(&row.labels);
                let reviewed = reviews.as_mut().and_then(|reviews| reviews.count(&sample.id, handed_out, threshold));
                tally.add(reviewed.as_ref().unwrap_or(handed_out));
                if let Some(truth) = self.truth(labels, &sample.id)? {
                    let compared = match &calibration {
                        Some(calibration) => calibration.unseen_labels(index, sample.label, &row.labels)?,
                        None => row.labels,
                    };
                    let said = reviews.as_ref().and_then(|reviews| reviews.of(&sample.id));
                    let compared = said.map_or_else(|| compared.clone(), |said| said.apply(&compared));
                    scorer.add(sample.label, &compared, truth.iter().map(|object| object.class));
                    with_masks.insert(index, truth.into_iter().filter_map(|object| object.mask).collect::<Vec<_>>());
                }
            }
            with_masks.retain(|_, masks| !masks.is_empty());
            if with_masks.is_empty() {
                return Ok(());
            }
            masks_known.store(true, Ordering::Relaxed);
            for (index, row) in regions.map_or_else(|| read_regions(shard), Ok)? {
                if let Some(truth) = with_masks.get(&index) {
                    let fitted = truth.iter().map(|mask| mask.fit_to(row.width, row.height)).collect::<Result<Vec<_>, _>>()?;
                    let masks: Vec<Mask> = row.regions.into_iter().map(|region| region.mask).collect();
                    scorer.add_masks(&fitted, &masks)?;
                }
            }
            Ok(())
        })?;
        let (statistics, evaluation) = (tally.statistics(self.runner.ledger.count()), scorer.evaluation());
        Ok(Outcome { trained, statistics, evaluation, calibration, reviews })
    }

    /// What the dataset knows of a sample's true objects, asked for in a stage.
    pub(super) fn truth(&self, stage: &Stage, sample: &str) -> Result<Option<Vec<TruthObject>>, PipelineError> {
        let truth = self.runner.in_flight.call_said(stage, Some(sample), || self.dataset.truth(sample));
        truth.map_err(|error| PipelineError::Sample { sample: sample.to_owned(), source: error.context("the dataset's truth of it").into() })
    }

    /// Tries whether the files can be written, before any work.
    ///
    /// # Errors
    /// What stands in a file's place or on the way to it; a folder that cannot be made or written.
    pub fn check_exports(&self) -> Result<(), FileError> {
        self.recipe.export.iter().try_for_each(|(_, file)| begin(file).map(drop))
    }

    /// Writes the files whose exporter, config or labels changed since they were written.
    ///
    /// # Errors
    /// What an exporter says; a file that cannot be written.
    pub fn run_exports(&self, outcome: &Outcome) -> Result<(), PipelineError> {
        let record = self.recipe.store.get(RECORD).ok().flatten();
        let mut known: Exported = record.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let mut writers = Vec::new();
        for step in self.plan.steps() {
            let Action::Export { exporter } = step.action else { continue };
            let file = self.recipe.export[exporter].1.as_path();
            let current = described(&step.stage.key, file);
            if known.0.get(&self.recipe.place_of(file).display().to_string()).is_none_or(|entry| *entry != current) {
                writers.push(self.begin_export(exporter, &step.stage, file, outcome)?);
            }
        }
        for (file, key) in self.write_files(writers, outcome)? {
            known.0.insert(self.recipe.place_of(file).display().to_string(), described(key, file));
        }
        Ok(self.write_json(RECORD, &known)?)
    }

    /// Writes all exporters' files once more, each to a place of its own, which `files` says in the recipe's order. The run does not learn of them.
    ///
    /// # Errors
    /// As [`Session::run_exports`].
    pub fn write_copies(&self, outcome: &Outcome, files: &[PathBuf]) -> Result<(), PipelineError> {
        let steps = self.plan.steps().iter().filter_map(|step| match step.action {
            Action::Export { exporter } => Some((exporter, step)),
            _ => None,
        });
        let writers = steps.zip(files).map(|((exporter, step), file)| self.begin_export(exporter, &step.stage, file, outcome));
        self.write_files(writers.collect::<Result<_, _>>()?, outcome).map(drop)
    }

    fn begin_export<'a>(&'a self, exporter: usize, stage: &'a Stage, file: &'a Path, outcome: &Outcome) -> Result<Writing<'a>, PipelineError> {
        let (configured, temporary) = (&self.recipe.export[exporter].0, begin(file)?);
        let run = self.export_run(outcome);
        let writer =
            self.build(configured, |config, context| configured.plugin.builder.exporter(config, context)?.begin(run.clone(), temporary.path()))?;
        Ok(Writing { writer, name: &configured.plugin.name, stage, file, temporary })
    }

    /// Writes files whole; returns them with their exporters' keys.
    fn write_files<'a>(&self, mut writers: Vec<Writing<'a>>, outcome: &Outcome) -> Result<Vec<(&'a Path, &'a Key)>, PipelineError> {
        if writers.is_empty() {
            return Ok(Vec::new());
        }
        self.runner.in_flight.watched(|| self.write_exports(&mut writers, outcome))?;
        let mut written = Vec::new();
        for Writing { stage, file, temporary, .. } in writers {
            temporary.replace().map_err(FileError::of("write", file))?;
            self.recipe.publish(file)?;
            written.push((file, &stage.key));
        }
        Ok(written)
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), FileError> {
        let bytes = serde_json::to_vec_pretty(value).map_err(FileError::of("write", &self.recipe.store.place(name)))?;
        self.recipe.write_record(name, &bytes)
    }

    /// Gives every labelled sample to the exporters.
    fn write_exports(&self, writers: &mut [Writing<'_>], outcome: &Outcome) -> Result<(), PipelineError> {
        let progress = self.runner.progress.stage("export", outcome.statistics.images, 0);
        self.for_each_labelled(&outcome.handed_on(), |_, sample| {
            self.runner.stop_if_cancelled()?;
            for writing in writers.iter_mut() {
                let written = self.runner.in_flight.call_said(writing.stage, Some(&sample.id), || writing.writer.write(sample));
                written.map_err(|error| writing.failed(Some(sample.id.clone()), error))?;
            }
            progress.add(1);
            Ok(())
        })?;
        progress.finish();
        for writing in writers {
            let finished = self.runner.in_flight.call_said(writing.stage, None, || writing.writer.finish());
            finished.map_err(|error| writing.failed(None, error))?;
        }
        Ok(())
    }

    /// Writes `run.json`: what this run made, and where it lies; `classes.txt`, the names of the classes; and `recipe.yaml`, which opens it again.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn record_run(&self, outcome: &Outcome) -> Result<(), PipelineError> {
        let Outcome { trained, statistics, evaluation, calibration, reviews } = outcome;
        let within = |file: &Path| file.strip_prefix(&self.recipe.work_dir).unwrap_or(file).to_owned();
        let exports = self.recipe.export.iter().map(|(configured, file)| FinishedExport { plugin: &configured.plugin.name, file: within(file) });
        let run = FinishedRun {
            version: 1,
            convert: env!("CARGO_PKG_VERSION"),
            recipe: &self.recipe.name,
            limit: self.limit,
            device: self.device(),
            dataset: FinishedDataset { plugin: &self.recipe.dataset.plugin.name, config: &self.recipe.dataset.config },
            samples: self.samples.list.len(),
            classes: &self.samples.classes,
            exports: exports.collect(),
            configurations: self.recipe.proposals.iter().map(|(name, _)| name.as_str()).collect(),
            threshold: calibration.as_ref().and_then(Calibration::threshold).unwrap_or(0.5),
            stages: self.finished_stages()?,
            statistics,
            held_out: trained.as_ref().and_then(|trained| trained.held_out.as_ref()),
            evaluation: evaluation.as_ref(),
            calibration: calibration.as_ref().map(|calibration| &calibration.report),
            reviews: reviews.as_ref().map(|reviews| &reviews.counts),
        };
        let classes = self.recipe.work_dir.join(CLASSES);
        // Somebody may have put the list there that the dataset reads.
        if !self.recipe.plugins().flat_map(|plugin| &plugin.paths).any(|named| named.path == classes) {
            // A line a class, whatever its name: the line's number is the index.
            let list: String = self.samples.classes.iter().map(|name| name.replace(['\n', '\r'], " ") + "\n").collect();
            self.recipe.write_record(CLASSES, list.as_bytes())?;
        }
        let complete = serde_yaml::to_string(&self.recipe.complete()).map_err(FileError::of("write", &self.recipe.store.place(COMPLETE_RECIPE)))?;
        self.recipe.write_record(COMPLETE_RECIPE, complete.as_bytes())?;
        Ok(self.write_json(RUN, &run)?)
    }

    fn finished_stages(&self) -> Result<FinishedStages, PipelineError> {
        let id = |action| self.plan.stage_of(action).map(Stage::id);
        let rounds = self.plan.needs.rounds;
        let training = self.plan.find(Action::Predict { round: rounds }).and_then(|step| self.plan.reads(step).find(|read| read.trains()));
        Ok(FinishedStages {
            training: training.map(|step| step.stage.id()),
            regions: id(Action::Regions)?,
            selections: self.plan.find(Action::Select { round: rounds }).map(|step| step.stage.id()),
            predictions: id(Action::Predict { round: rounds })?,
            labels: id(Action::Labels)?,
            shard_size: self.recipe.sections.shard_size,
        })
    }

    fn export_run(&self, outcome: &Outcome) -> ExportRun {
        let Outcome { trained, statistics, evaluation, calibration, .. } = outcome;
        let mut plugins: Vec<PluginInfo> = Vec::new();
        for configured in self.recipe.plugins() {
            let plugin = &configured.plugin;
            let info = PluginInfo { role: plugin.role.name().into(), name: plugin.name.clone(), version: plugin.version.clone() };
            if !plugins.contains(&info) {
                plugins.push(info);
            }
        }
        ExportRun {
            name: self.recipe.name.clone(),
            recipe: self.recipe.filled_yaml(),
            version: env!("CARGO_PKG_VERSION").into(),
            plugins,
            class_numbers: self.dataset.class_numbers(),
            stages: self.runner.finished.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone(),
            samples: statistics.images,
            statistics: statistics.clone(),
            curve: trained.as_ref().map_or_else(Vec::new, |trained| trained.curve.clone()),
            held_out: trained.as_ref().and_then(|trained| trained.held_out.clone()),
            evaluation: evaluation.clone(),
            skipped: self.runner.ledger.first(SKIPPED),
            calibration: calibration.as_ref().map(|calibration| calibration.report.clone()),
        }
    }
}

/// An empty file beside the one that an exporter is to write.
fn begin(file: &Path) -> Result<Temporary, FileError> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(FileError::of("make", folder))?;
    }
    Temporary::create(file).map(|(temporary, _)| temporary).map_err(FileError::of("write", file))
}

/// An exporter at work on its file.
struct Writing<'a> {
    writer: Box<dyn ExportWriter>,
    name: &'a str,
    stage: &'a Stage,
    file: &'a Path,
    temporary: Temporary,
}

impl Writing<'_> {
    /// What it says: of an interruption that, else with the file and the sample.
    fn failed(&self, sample: Option<String>, source: Error) -> PipelineError {
        PipelineError::Export { exporter: self.name.into(), file: self.file.into(), sample: sample.map(Into::into), source: source.into() }
    }
}

fn described(key: &Key, file: &Path) -> ExportedFile {
    ExportedFile { key: key.to_string(), content: crate::engine::content_hash(file).unwrap_or_default() }
}
