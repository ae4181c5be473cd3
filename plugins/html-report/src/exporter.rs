use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use convert_sdk::tracing::warn;
use convert_sdk::{Context, Error, ExportRun, ExportWriter, Exporter, LabelledSample, Plugin, Result, ResultExt};

use crate::card::Card;
use crate::config::HtmlReportConfig;
use crate::report::Page;
use crate::sampling::{Claim, Gallery};
use crate::tally::Tally;

/// See [`HtmlReportConfig`].
pub struct HtmlReport {
    config: HtmlReportConfig,
    context: Context,
}

/// A file that was begun. Holds the gallery's thumbnails and counts of classes and pairs, nothing that grows with the images.
struct Writer {
    config: HtmlReportConfig,
    run: ExportRun,
    context: Context,
    file: BufWriter<File>,
    tally: Tally,
    gallery: Gallery<Card>,
    unreadable: Option<(u64, Error)>,
}

impl Writer {
    fn add_to_gallery(&mut self, sample: &LabelledSample<'_>) {
        let others = sample.labels.entries().iter().filter(|entry| entry.class != sample.label);
        let added: f32 = others.map(|entry| entry.probability.get()).sum();
        let claim = Claim::new(self.context.settings().seed, &sample.id, added);
        if !self.gallery.wants(&claim) {
            return;
        }
        // a picture that is missing now is no reason to lose the report of a night's run
        match Card::new(sample, added, &self.config) {
            Ok(card) => self.gallery.insert(claim, card),
            Err(error) => {
                let (count, _) = self.unreadable.get_or_insert((0, error.context(format!("image {:?}", sample.id))));
                *count += 1;
            }
        }
    }
}

impl Plugin for HtmlReport {
    type Config = HtmlReportConfig;

    fn new(config: HtmlReportConfig, context: Context) -> Result<Self> {
        let config = config.validated()?;
        Ok(Self { config, context })
    }
}

impl Exporter for HtmlReport {
    fn begin(&self, run: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        let file = File::create(output).context(|| format!("cannot create {}", output.display()))?;
        Ok(Box::new(Writer {
            tally: Tally::new(self.context.classes().len()),
            gallery: Gallery::new(self.config.images as usize),
            file: BufWriter::new(file),
            unreadable: None,
            config: self.config.clone(),
            run,
            context: self.context.clone(),
        }))
    }
}

impl ExportWriter for Writer {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        let classes: Vec<u32> = sample.labels.above(self.run.statistics.threshold).collect();
        self.tally.add(sample.label, &classes);
        for entry in sample.labels.entries().iter().filter(|entry| entry.class != sample.label) {
            self.tally.add_probability(entry.probability.get());
        }
        if let Some(truth) = &sample.truth {
            self.tally.add_truth(sample.label, &classes, &truth.iter().map(|object| object.class).collect::<Vec<_>>());
        }
        self.add_to_gallery(sample);
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if let Some((count, error)) = &self.unreadable {
            warn!("{count} images could not be shown in the gallery, the first because of {error}");
        }
        let page = Page { run: &self.run, classes: self.context.classes(), tally: &self.tally, cards: &self.gallery.chosen() };
        page.write(&mut self.file)?;
        self.file.flush()?;
        Ok(())
    }
}

impl std::fmt::Debug for HtmlReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HtmlReport").field("config", &self.config).finish_non_exhaustive()
    }
}
