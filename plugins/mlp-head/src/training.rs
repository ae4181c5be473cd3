//! Training: cross-entropy, SGD with Nesterov momentum, linear warm-up and cosine (paper B.1), on the run's device or all its threads, resumable with equal bits.

use convert_backbones::device;
use convert_sdk::tracing::info;
use convert_sdk::{EpochRecord, Error, Result, ResultExt, TrainingReport};

use crate::auto;
use crate::config::{Calibration, HeadChoice, Mode, Regions};
use crate::course::{Course, Learning};
use crate::extraction::extract;
use crate::folds::{Fold, Folds, Measured, temperatures};
use crate::outcome::Outcome;
use crate::progress::{Part, Progress};
use crate::regions::Form;
use crate::settings::HeadSettings;
use crate::sgd::Sgd;
use crate::survey::Survey;
use crate::task::Training;
use crate::vector_file::VectorFile;
use crate::views::Views;
impl Training<'_> {
    /// Trains, or continues what an interrupted call left in the folder.
    pub fn run(&self) -> Result<TrainingReport> {
        if self.set.is_empty() {
            return Err(Error::invalid("there is no region to train on: the selector kept none, try another threshold"));
        }
        std::fs::create_dir_all(self.folder).map_err(Error::from).context(|| format!("cannot make the folder {}", self.folder.display()))?;
        let survey = self.survey()?;
        let fingerprint = survey.fingerprint.as_str();
        let form = Form::new(self.config, if survey.masks { self.config.regions } else { Regions::Mask }, self.features.has_class_token())?;
        let folds = self.folds(&survey);
        let parts: Vec<Part> = (0..self.config.heads).map(Part::Head).chain((0..folds.count).map(Part::Fold)).collect();
        let resumed = parts.iter().map(|part| Progress::resumed(self.folder, *part, fingerprint)).collect::<Result<Vec<_>>>()?;
        let mut outcome = Outcome::resumed(self.folder, fingerprint)?;
        if let Some(outcome) = outcome.as_ref().filter(|outcome| outcome.whole)
            && resumed.iter().all(|progress| progress.as_ref().is_some_and(|progress| progress.epoch >= outcome.settings.epochs))
        {
            return self.finish(resumed.into_iter().flatten().collect(), outcome, &form);
        }
        let (config, context) = (self.config, self.context);
        let (device, threads) = (device(context)?, context.settings().threads.max(1));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|index| format!("training-{index}")).build();
        let pool = pool.context(|| format!("cannot start {threads} threads"))?;
        let views = Views { config, context, features: self.features, form: &form, set: self.set, pool: &pool };
        let mut vectors = VectorFile::open(self.folder, fingerprint, form.width(self.features.dimension()))?;
        let warnings = extract(&views, &mut vectors, survey.regions)?;
        let sgd = Sgd { pool: &pool, device };
        let mut learning = Learning { training: self, views, sgd, vectors: &vectors, fingerprint, epochs: 0 };
        let mut known = match outcome.take() {
            Some(outcome) => outcome,
            None => learning.begin(&survey, folds)?,
        };
        known.save(self.folder)?;
        learning.epochs = u64::from(known.settings.epochs) * parts.len() as u64;
        let folds_of_rows = of_rows(&survey.ids, &vectors, folds);
        let mut heads: Vec<Progress> = Vec::with_capacity(parts.len());
        for (part, resumed) in parts.into_iter().zip(resumed) {
            let progress = match resumed {
                Some(progress) => progress,
                None => Progress::begin(self, part, &known.settings, &vectors, warnings.clone())?,
            };
            let rows = match part {
                Part::Fold(fold) => rows_where(&folds_of_rows, |of_row| of_row != fold),
                _ => rows_where(&folds_of_rows, |_| true),
            };
            learning.say(part, &known.settings, rows.len(), progress.epoch);
            let before = heads.len() as u64 * u64::from(known.settings.epochs);
            heads.push(Course { learning: &learning, settings: &known.settings, rows, before }.run(progress.on(device)?)?);
        }
        if !known.whole {
            let of_folds = heads.iter().filter_map(|progress| match progress.part() {
                Part::Fold(fold) => Some((progress, rows_where(&folds_of_rows, |of_row| of_row == fold))),
                _ => None,
            });
            let of_folds: Vec<Fold<'_>> =
                of_folds.map(|(progress, rows)| Fold { head: &progress.head, standardisation: &progress.standardisation, rows }).collect();
            if config.calibration == Calibration::Temperature && folds.count > 0 {
                (known.temperature, _) = Measured::of(&of_folds, &temperatures(), &vectors, &learning.sgd)?.best_temperature();
                info!("logits are divided by {:.3}, which suits the regions held out best", known.temperature);
            }
            known.held_out = Measured::of(&of_folds, &[known.temperature], &vectors, &learning.sgd)?.held_out(folds.count);
            known.whole = true;
            known.save(self.folder)?;
        }
        self.finish(heads, &known, &form)
    }

    /// The folds of this training: none where each view is fresh, since each would take passes of the backbone of its own; and none where classes have too few images.
    fn folds(&self, survey: &Survey) -> Folds {
        let possible = self.config.mode == Mode::PooledFeatures && survey.has_enough();
        Folds { count: if possible { self.config.folds } else { 0 } }
    }

    /// Writes the trained heads as they predict, and deletes the vectors, which nobody needs any more. The learning curve is the mean of theirs.
    fn finish(&self, heads: Vec<Progress>, outcome: &Outcome, form: &Form) -> Result<TrainingReport> {
        let (of_folds, heads): (Vec<Progress>, Vec<Progress>) = heads.into_iter().partition(|progress| matches!(progress.part(), Part::Fold(_)));
        let export =
            |heads: &[Progress], name| Progress::export(&heads.iter().collect::<Vec<_>>(), self, form, &outcome.settings, outcome.temperature, name);
        let checkpoint = export(&heads, "head.safetensors")?;
        if of_folds.len() > 1 {
            export(&of_folds, FOLDS)?;
        }
        let Some(first) = heads.first() else { return Err(Error::config("heads must be at least 1")) };
        let mut warnings: Vec<String> = first.warnings.iter().chain(&outcome.warnings).cloned().collect();
        let lost: u64 = heads.iter().map(|head| head.lost_views).sum();
        if lost > 0 {
            let epochs: u32 = heads.iter().map(|head| head.epoch).sum();
            warnings.push(format!("{lost} views in {epochs} epochs were skipped because the region's mask had left them"));
        }
        VectorFile::remove(self.folder);
        let mean =
            |at: usize, of: fn(&EpochRecord) -> f64| heads.iter().filter_map(|head| head.curve.get(at)).map(of).sum::<f64>() / heads.len() as f64;
        let record = |(at, record): (usize, &EpochRecord)| EpochRecord {
            epoch: record.epoch,
            loss: mean(at, |record| record.loss),
            accuracy: mean(at, |record| record.accuracy),
        };
        let curve = first.curve.iter().enumerate().map(record).collect();
        Ok(TrainingReport { checkpoint, curve, warnings, lost: first.lost.clone(), held_out: outcome.held_out.clone() })
    }
}

/// The file with the heads of the folds, beside the checkpoint.
pub const FOLDS: &str = "folds.safetensors";

/// The fold of each vector.
fn of_rows(ids: &[String], vectors: &VectorFile, folds: Folds) -> Vec<u32> {
    let of_images = ids.iter().zip(vectors.rows_of_images());
    of_images.flat_map(|(id, rows)| std::iter::repeat_n(folds.of_image(id), *rows as usize)).collect()
}

fn rows_where(folds_of_rows: &[u32], wanted: impl Fn(u32) -> bool) -> Vec<u32> {
    (0..).zip(folds_of_rows).filter(|(_, fold)| wanted(**fold)).map(|(row, _)| row).collect()
}

impl Learning<'_> {
    /// What is decided before the heads are trained.
    fn begin(&self, survey: &Survey, folds: Folds) -> Result<Outcome> {
        let (config, context) = (self.training.config, self.training.context);
        let mut outcome = Outcome {
            fingerprint: self.fingerprint.to_owned(),
            settings: HeadSettings::of(config, context),
            tried: Vec::new(),
            temperature: 1.0,
            held_out: None,
            warnings: Vec::new(),
            whole: folds.count == 0,
        };
        let regions = self.vectors.labels().len() as u64;
        if folds.count == 0 && config.folds > 0 && config.mode == Mode::PooledFeatures {
            outcome.warnings.push(format!(
                "{} images of {} classes are too few to hold some out: the accuracy on new regions is not known",
                survey.ids.len(),
                survey.classes
            ));
        }
        if config.head == HeadChoice::Auto {
            outcome.settings = auto::without_trying(regions, config.hidden);
            if survey.has_enough() {
                outcome.tried = self.choose(&survey.ids, regions)?;
            }
            if let Some(best) = outcome.tried.first() {
                outcome.settings = best.settings.clone();
            }
            info!("head: auto takes {}", outcome.settings.describe());
        }
        Ok(outcome)
    }

    /// Every candidate of `head: auto`, best first.
    fn choose(&self, ids: &[String], regions: u64) -> Result<Vec<auto::Tried>> {
        let parts = of_rows(ids, self.vectors, Folds { count: auto::PARTS });
        let asked = if regions < auto::ENOUGH { auto::PARTS } else { 1 };
        auto::choose(auto::candidates(regions, self.training.config.hidden), |candidate, settings| {
            let mut heads = Vec::new();
            for without in 0..asked {
                let part = Part::Trial { candidate: candidate as u32, without };
                let progress = Progress::begin(self.training, part, settings, self.vectors, Vec::new())?.on(self.sgd.device)?;
                let rows = rows_where(&parts, |part| part != without);
                heads.push((Course { learning: self, settings, rows, before: 0 }.run(progress)?, rows_where(&parts, |part| part == without)));
            }
            let folds: Vec<Fold<'_>> = heads
                .iter()
                .map(|(progress, rows)| Fold { head: &progress.head, standardisation: &progress.standardisation, rows: rows.clone() })
                .collect();
            Measured::of(&folds, &temperatures(), self.vectors, &self.sgd)
        })
    }

    /// Says which head is trained now.
    fn say(&self, part: Part, settings: &HeadSettings, rows: usize, epochs_done: u32) {
        let config = self.training.config;
        let widths = settings.widths(self.vectors.width(), self.training.context.classes().len());
        let parameters: i64 = widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
        let which = match part {
            Part::Fold(_) if config.folds == 1 => "a head to measure".to_owned(),
            Part::Fold(fold) => format!("the head of fold {} of {}", fold + 1, config.folds),
            Part::Head(number) if config.heads > 1 => format!("head {} of {}", number + 1, config.heads),
            _ => "a head".to_owned(),
        };
        info!("training {which} of {parameters} parameters on {rows} vectors of {} numbers from epoch {} on", self.vectors.width(), epochs_done + 1);
    }
}
