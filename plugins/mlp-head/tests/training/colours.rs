//! Tiny images of one colour each, and a host that loses its patience.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use convert_mlp_head::{MlpHead, MlpHeadConfig};
use convert_sdk::{
    BoundingBox, Context, Error, Host, Image, Labeler, LazyImage, LogLevel, Mask, Plugin, Result, Settings, TrainingRegion, TrainingReport,
    TrainingSample, TrainingSet,
};

pub const CLASSES: [&str; 3] = ["red", "green", "blue"];
pub const SIDE: u32 = 32;

/// A block of a class's colour on a grey ground; the colours vary.
pub fn image(class: u32, variant: u32) -> Image<'static> {
    let colour: [u32; 3] = std::array::from_fn(|channel| if channel as u32 == class { 150 + variant * 7 % 60 } else { 20 + variant * 5 % 40 });
    let pixels: Vec<u8> = (0..SIDE * SIDE)
        .flat_map(|at| {
            let inside = at % SIDE >= 8 && at / SIDE >= 8 && at % SIDE < 24 && at / SIDE < 24;
            if inside { colour.map(|channel| channel as u8) } else { [120 + (at % 7) as u8; 3] }
        })
        .collect();
    Image::new(SIDE, SIDE, pixels).unwrap()
}

pub fn block() -> Mask {
    Mask::from_box(SIDE, SIDE, BoundingBox { x: 8, y: 8, width: 16, height: 16 }).unwrap()
}

/// Images of the first `classes` classes; the one at `broken` cannot be loaded.
pub struct Colours {
    pub count: usize,
    pub classes: u32,
    pub broken: Option<usize>,
}

impl TrainingSet for Colours {
    fn len(&self) -> usize {
        self.count
    }
    fn get(&self, index: usize) -> Result<TrainingSample<'_>> {
        let label = index as u32 % self.classes;
        let image = match self.broken {
            Some(broken) if broken == index => LazyImage::new(|| Err(Error::invalid("the file is truncated"))),
            _ => LazyImage::from(image(label, index as u32)),
        };
        Ok(TrainingSample { id: format!("image-{index}"), label, image, regions: vec![TrainingRegion { mask: Some(block()), label }] })
    }
}

pub const COLOURS: Colours = Colours { count: 30, classes: 3, broken: None };

/// The same images, each a region of its own.
pub struct WholeImages;

impl TrainingSet for WholeImages {
    fn len(&self) -> usize {
        COLOURS.len()
    }
    fn get(&self, index: usize) -> Result<TrainingSample<'_>> {
        let sample = COLOURS.get(index)?;
        Ok(TrainingSample { regions: vec![TrainingRegion { mask: None, label: sample.label }], ..sample })
    }
}

/// A host that asks to stop after a number of progress reports.
pub struct Impatient(AtomicU64);

impl Host for Impatient {
    fn log(&self, _: LogLevel, _: &str, _: &str) {}
    fn progress(&self, _: u64, _: u64, _: &str) {
        let _ = self.0.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(1)));
    }
    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

pub fn context(classes: &[&str], change: impl FnOnce(&mut Settings), patience: u64) -> Context {
    let mut settings = Context::for_tests(classes).settings().clone();
    change(&mut settings);
    Context::new(settings, Arc::new(Impatient(AtomicU64::new(patience))))
}

pub fn config() -> MlpHeadConfig {
    MlpHeadConfig { input_size: SIDE, hidden: 16, epochs: 12, batch_size: 8, warmup_epochs: 2, checkpoint_every: 4, views: 3, ..Default::default() }
}

pub fn train(config: MlpHeadConfig, context: Context, set: &dyn TrainingSet, folder: &Path) -> Result<TrainingReport> {
    MlpHead::new(config, context)?.train(set, folder)
}
