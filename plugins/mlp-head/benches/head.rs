//! The head's training on pooled vectors by one thread and by all: vectors of 512 numbers, 1024 hidden units, 1000 classes, batches of 512.
//!
//!     cargo bench --profile release -p convert-mlp-head --bench head
//!
//! Prints milliseconds a step in rounds that alternate, and their ratio. The time of a step is the difference between trainings of many epochs and of one.

use std::time::Instant;

use convert_mlp_head::{MlpHead, MlpHeadConfig, Pooling};
use convert_sdk::{Context, Image, Labeler, LazyImage, Plugin, Result, TrainingRegion, TrainingSample, TrainingSet};

const IMAGES: usize = 4096;
const BATCH: u32 = 512;
const EPOCHS: u32 = 4;
const ROUNDS: usize = 3;

/// Small images of noise, each of one region.
struct Noise;

impl TrainingSet for Noise {
    fn len(&self) -> usize {
        IMAGES
    }
    fn get(&self, index: usize) -> Result<TrainingSample<'_>> {
        let pixels: Vec<u8> = (0..16 * 16 * 3).map(|at: usize| (((at * 31 + index * 7919) * 2_654_435_761) >> 7) as u8).collect();
        let label = (index % 1000) as u32;
        let regions = vec![TrainingRegion { mask: None, label }];
        Ok(TrainingSample { id: format!("{index:05}"), label, image: LazyImage::from(Image::new(16, 16, pixels)?), regions })
    }
}

fn seconds(threads: usize, epochs: u32) -> f64 {
    let names: Vec<String> = (0..1000).map(|at| format!("class {at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let plain = Context::for_tests(&names);
    let mut settings = plain.settings().clone();
    settings.threads = threads;
    let context = Context::new(settings, plain.host().clone());
    let config = MlpHeadConfig { input_size: 16, epochs, batch_size: BATCH, pooling: Pooling::MeanStd, checkpoint_every: 1000, ..Default::default() };
    let (labeler, folder) = (MlpHead::new(config, context).expect("a labeler"), tempfile::tempdir().expect("a folder"));
    let begin = Instant::now();
    labeler.train(&Noise, folder.path()).expect("a training");
    begin.elapsed().as_secs_f64()
}

fn main() {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let steps = f64::from(EPOCHS) * (IMAGES as f64 / f64::from(BATCH));
    let step = |threads| (seconds(threads, 1 + EPOCHS) - seconds(threads, 1)) / steps;
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let (one, all) = (step(1), step(all));
        println!("round {round}: {:6.1} ms a step with one thread, {:6.1} with all, speed-up {:.2}", one * 1e3, all * 1e3, one / all);
        ratios.push(one / all);
    }
    ratios.sort_by(f64::total_cmp);
    println!("{all} threads against one: median speed-up {:.2}", ratios[ROUNDS / 2]);
}
