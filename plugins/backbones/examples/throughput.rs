//! How fast a backbone is on grey noise, for `scripts/bench-backbones.py` and `scripts/bench-gpu.py`:
//! `throughput [--device cpu|cuda[:N]] [--batch N,…] FAMILY WEIGHTS INPUT_SIZE,… FEATURE PRECISION,… THREADS IMAGES` prints a line for each combination:
//! input size, precision, batch, and the seconds that the images took.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use convert_backbones::{Backbone, BackboneConfig, FeatureRequest};
use convert_sdk::{Context, Error, Image, Result, Settings};

fn main() {
    if let Err(error) = run() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let device = option(&mut arguments, "--device").unwrap_or_else(|| "cpu".into());
    let batches = numbers(&option(&mut arguments, "--batch").unwrap_or_else(|| "1".into()))?;
    let [family, weights, sizes, feature, precisions, threads, images] = arguments.as_slice() else {
        return Err(Error::config("throughput [--device D] [--batch N,…] FAMILY WEIGHTS INPUT_SIZE,… FEATURE PRECISION,… THREADS IMAGES"));
    };
    let (threads, images) = (number(threads)?, number(images)?);
    let plain = Context::for_tests(&[]);
    let context = Context::new(Settings { device, ..plain.settings().clone() }, plain.host().clone());
    for precision in precisions.split(',') {
        let config: BackboneConfig = serde_json::from_value(serde_json::json!({ "family": family, "weights": weights, "precision": precision }))?;
        let backbone = Backbone::load(&config, &context)?;
        for size in numbers(sizes)? {
            let request = FeatureRequest { kind: serde_json::from_value(feature.as_str().into())?, layer: None, input_size: size as u32 };
            let pixels: Vec<u8> = (0..size * size * 3).map(|at| ((at * 2_654_435_761) >> 13) as u8).collect();
            let image = Image::new(size as u32, size as u32, pixels)?;
            for batch in &batches {
                measure(&backbone, &request, &vec![image.clone(); *batch], threads, threads)?; // pages of the weights, positions, kernels
                let seconds = measure(&backbone, &request, &vec![image.clone(); *batch], threads, images.div_ceil(*batch))?;
                let per_image = seconds / (images.div_ceil(*batch) * batch) as f64;
                println!("{size} {} {batch} {}", backbone.precision().name(), per_image * images as f64);
            }
        }
    }
    Ok(())
}

/// Seconds of so many batches, each thread taking the next one.
fn measure(backbone: &Backbone, request: &FeatureRequest, batch: &[Image<'_>], threads: usize, batches: usize) -> Result<f64> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while next.fetch_add(1, Ordering::Relaxed) < batches {
            backbone.features(batch, request)?;
        }
        Ok(())
    };
    let start = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(Error::invalid("a thread panicked"))))
    })?;
    Ok(start.elapsed().as_secs_f64())
}

/// Takes an option and its value out of the arguments.
fn option(arguments: &mut Vec<String>, name: &str) -> Option<String> {
    let at = arguments.iter().position(|argument| argument == name).filter(|at| at + 1 < arguments.len())?;
    arguments.drain(at..at + 2).next_back()
}

fn number(text: &str) -> Result<usize> {
    text.parse().map_err(|error| Error::config(format!("`{text}`: {error}")))
}

fn numbers(list: &str) -> Result<Vec<usize>> {
    list.split(',').map(number).collect()
}
