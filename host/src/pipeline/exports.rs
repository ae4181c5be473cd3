//! The exporters: every labelled sample to each file whose content may have changed.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use convert_formats::whole_file::Temporary;
use convert_sdk::{
    CalibrationReport, Error, Evaluation, ExportRun, ExportWriter, HeldOut, LabelledSample, Mask, PluginInfo, Statistics, TruthObject,
};
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::calibration::Calibration;
use super::error::PipelineError;
use super::rows::{ImageLabels, ImagePrediction, ImageRegions, ImageSelections};
use super::session::Session;
use super::steps::LabelInputs;
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

    /// The calibration, Table 5 of the labels, and their comparison with the truth where the dataset knows it; that is also written to `evaluation.json`.
    ///
    /// # Errors
    /// As [`Session::calibrate`]; stored labels that cannot be read; a file that cannot be written.
    pub fn summarise(&self, trained: Option<Trained>) -> Result<Outcome, PipelineError> {
        let (labels, regions) = (self.plan.stage_of(Action::Labels)?, self.plan.stage_of(Action::Regions)?);
        let calibration = self.calibration()?;
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
                match &calibration {
                    Some(calibration) => tally.add(&calibration.labels(sample.label, &row.labels)?),
                    None => tally.add(&row.labels),
                }
                if let Some(truth) = self.truth(labels, &sample.id)? {
                    let compared = match &calibration {
                        Some(calibration) => calibration.unseen_labels(index, sample.label, &row.labels)?,
                        None => row.labels,
                    };
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
        if let Some(evaluation) = &evaluation {
            self.write_json(EVALUATION, evaluation)?;
        }
        Ok(Outcome { trained, statistics, evaluation, calibration })
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
        let run = self.export_run(outcome);
        let mut writers = Vec::new();
        for step in self.plan.steps() {
            let Action::Export { exporter } = step.action else { continue };
            let ((configured, file), key) = (&self.recipe.export[exporter], &step.stage.key);
            if known.0.get(&self.recipe.place_of(file).display().to_string()).is_some_and(|entry| *entry == described(key, file)) {
                continue;
            }
            let temporary = begin(file)?;
            let begin = |config: &str, context: &_| configured.plugin.builder.exporter(config, context)?.begin(run.clone(), temporary.path());
            let writer = self.build(configured, begin)?;
            writers.push(Writing { writer, name: &configured.plugin.name, stage: &step.stage, file, temporary });
        }
        if writers.is_empty() {
            return Ok(());
        }
        self.runner.in_flight.watched(|| self.write_exports(&mut writers, outcome))?;
        for Writing { stage, file, temporary, .. } in writers {
            temporary.replace().map_err(FileError::of("write", file))?;
            self.recipe.publish(file)?;
            known.0.insert(self.recipe.place_of(file).display().to_string(), described(&stage.key, file));
        }
        Ok(self.write_json(RECORD, &known)?)
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), FileError> {
        let bytes = serde_json::to_vec_pretty(value).map_err(FileError::of("write", &self.recipe.store.place(name)))?;
        self.recipe.write_record(name, &bytes)
    }

    /// Gives every labelled sample to the exporters.
    fn write_exports(&self, writers: &mut [Writing<'_>], outcome: &Outcome) -> Result<(), PipelineError> {
        let progress = self.runner.progress.stage("export", outcome.statistics.images, 0);
        self.for_each_labelled(outcome.calibration.as_ref(), |sample| {
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
        let Outcome { trained, statistics, evaluation, calibration } = outcome;
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
        Ok(FinishedStages {
            regions: id(Action::Regions)?,
            selections: self.plan.find(Action::Select { round: rounds }).map(|step| step.stage.id()),
            predictions: id(Action::Predict { round: rounds })?,
            labels: id(Action::Labels)?,
            shard_size: self.recipe.sections.shard_size,
        })
    }

    /// What the exporters are given of a shard.
    fn read_labelled(&self, shard: usize) -> Result<Labelled, PipelineError> {
        let stage = |action| self.plan.stage_of(action);
        let mut predictions = HashMap::new();
        if let Some(step) = self.plan.last(|round| Action::Predict { round }) {
            predictions.extend(step.stage.read(&self.samples, shard)?);
        }
        let mut selections = HashMap::new();
        if let Some(step) = self.plan.last(|round| Action::Select { round }) {
            selections.extend(step.stage.read(&self.samples, shard)?);
        }
        let regions = stage(Action::Regions)?.read(&self.samples, shard)?.into_iter().collect();
        Ok(Labelled { labels: stage(Action::Labels)?.read(&self.samples, shard)?, predictions, selections, regions })
    }

    /// The labelled samples, in order.
    fn for_each_labelled(
        &self,
        calibration: Option<&Calibration>,
        mut take: impl FnMut(&LabelledSample<'_>) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        self.for_each_shard(|shard| self.read_labelled(shard), |rows| self.for_each_of_shard(rows, calibration, &mut take))
    }

    fn for_each_of_shard(
        &self,
        rows: Labelled,
        calibration: Option<&Calibration>,
        take: &mut impl FnMut(&LabelledSample<'_>) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        let Labelled { labels, mut predictions, selections, mut regions } = rows;
        for (index, row) in labels {
            let (Some(regions), Some(prediction)) = (regions.remove(&index), predictions.remove(&index)) else { continue };
            let inputs = LabelInputs { regions: &regions, prediction: &prediction, selections: selections.get(&index) };
            let sample = &self.samples.list[index];
            let of_dataset =
                |error: Error| PipelineError::Sample { sample: sample.id.clone(), source: error.context("the dataset's number of it").into() };
            take(&LabelledSample {
                id: sample.id.clone(),
                number: self.dataset.sample_number(&sample.id).map_err(of_dataset)?,
                label: sample.label,
                width: inputs.regions.width,
                height: inputs.regions.height,
                labels: match calibration {
                    Some(calibration) => calibration.labels(sample.label, &row.labels)?,
                    None => row.labels,
                },
                regions: inputs.labelled_regions(),
                truth: self.truth(self.plan.stage_of(Action::Labels)?, &sample.id)?,
                image: self.lasting_image(index),
            })?;
        }
        Ok(())
    }

    fn export_run(&self, outcome: &Outcome) -> ExportRun {
        let Outcome { trained, statistics, evaluation, calibration } = outcome;
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

/// What stages stored of a shard's samples, by their indices.
struct Labelled {
    labels: Vec<(usize, ImageLabels)>,
    predictions: HashMap<usize, ImagePrediction>,
    selections: HashMap<usize, ImageSelections>,
    regions: HashMap<usize, ImageRegions>,
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
