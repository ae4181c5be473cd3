//! Our side of `tests/benches/proposals.py` and `scripts/bench-gpu.py`: `measure [--device cpu|cuda[:N]] WEIGHTS` takes one request a line, and answers with numbers
//! on one line.
//!
//! - `features PHOTO SIZE FILE`: features of layer 8, q, by the weights of the command line, to a file of f32; answers how many patches there are a side;
//! - `ncut FILE SIDE TAU`: milliseconds of the affinity and of the eigenvector, its λ₂ and λ₃ − λ₂, on the CPU;
//! - `cuts FILE SIDE TAU MASKS`: cuts of each image's features in the file, by the CPU alone, and of affinities that the device computes, both with all threads: how
//!   many cuts there are, how many of them are determined (no tie), how many of those have the same mask, the mean IoU of all; milliseconds an image both ways;
//! - `crf PHOTO SIZE THREADS SIDE MASK …`: milliseconds an image of refining these masks of a grid, on as many images at once as threads;
//! - `chain PHOTO FILE SIDE TAU MASKS THREADS`: milliseconds an image from features to masks of the photo's size, with the CRF.

use std::fmt::Display;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use convert_backbones::{Backbone, FeatureKind, FeatureRequest, device, torch};
use convert_maskcut::{Affinity, Cut, Grid, Parameters, cut, maskcut, second_eigenvector};
use convert_refiners::{DenseCrf, DenseCrfConfig};
use convert_sdk::{Context, Error, Image, LazyImage, Mask, Plugin, Proposal, Refinement, Refiner, Result, Settings};
use rayon::prelude::*;
use serde_json::json;
use tch::{Device, Tensor};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, weights) = match arguments.as_slice() {
        [option, name, weights] if option == "--device" => (name.as_str(), weights),
        [weights] => ("cpu", weights),
        _ => return Err(Error::config("measure [--device cpu|cuda[:N]] WEIGHTS")),
    };
    let config = json!({ "family": "dinov1", "weights": weights, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5] });
    let plain = Context::for_tests(&[]);
    let context = Context::new(Settings { device: name.into(), ..plain.settings().clone() }, plain.host().clone());
    let device = device(&context)?;
    let backbone = Backbone::load(&serde_json::from_value(config)?, &context)?;
    let crf = DenseCrf::new(DenseCrfConfig::default(), context)?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words.as_slice() {
            ["features", photo, size, file] => features(&backbone, photo, number(size)?, file)?,
            ["ncut", file, side, tau] => ncut(file, number(side)?, number(tau)?)?,
            ["cuts", file, side, tau, masks] => compare(&read_floats(file)?, number(side)?, &parameters(number(tau)?, number(masks)?), device)?,
            ["crf", photo, size, threads, side, masks @ ..] => refine(&crf, photo, number(size)?, number(threads)?, number(side)?, masks)?,
            ["chain", photo, file, side, tau, masks, threads] => {
                let (photo, values) = (read_jpeg(photo)?, read_floats(file)?);
                let (side, tau, masks) = (number(side)?, number(tau)?, number(masks)?);
                on_threads(number(threads)?, || chain(&crf, &photo, &values, side, &parameters(tau, masks)))?
            }
            _ => return Err(Error::invalid(format!("not a request: {line}"))),
        };
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn number<T: std::str::FromStr<Err: Display>>(text: &str) -> Result<T> {
    text.parse().map_err(|error| Error::invalid(format!("{text}: {error}")))
}

fn read_jpeg(file: &str) -> Result<Image<'static>> {
    let mut decoder = mozjpeg::Decompress::new_path(Path::new(file))?.rgb()?;
    let (width, height) = (decoder.width() as u32, decoder.height() as u32);
    let pixels: Vec<u8> = decoder.read_scanlines()?;
    Image::new(width, height, pixels)
}

fn read_floats(file: &str) -> Result<Vec<f32>> {
    Ok(std::fs::read(file)?.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect())
}

/// Milliseconds a call, of as many calls at once as threads.
fn on_threads(threads: usize, work: impl Fn() -> Result<()> + Sync) -> Result<String> {
    let start = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(Error::invalid("a thread panicked"))))
    })?;
    Ok(format!("{}", start.elapsed().as_secs_f64() * 1e3 / threads as f64))
}

fn features(backbone: &Backbone, photo: &str, size: u32, file: &str) -> Result<String> {
    let request = FeatureRequest { kind: FeatureKind::Q, layer: Some(8), input_size: size };
    let features = backbone.features(&[read_jpeg(photo)?], &request)?.remove(0);
    std::fs::write(file, features.values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())?;
    Ok(features.rows.to_string())
}

fn ncut(file: &str, side: usize, tau: f32) -> Result<String> {
    let values = read_floats(file)?;
    let start = Instant::now();
    let affinity = Affinity::new(&values, side * side, tau, 1e-5)?;
    let affinity_millis = start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    let eigen = second_eigenvector(&affinity, &[])?.ok_or_else(|| Error::invalid("there is no cut"))?;
    Ok(format!("{affinity_millis} {} {} {}", start.elapsed().as_secs_f64() * 1e3, eigen.lambda, eigen.gap))
}

fn refine(crf: &DenseCrf, photo: &str, size: u32, threads: usize, side: u32, masks: &[&str]) -> Result<String> {
    let image = read_jpeg(photo)?.resize_lanczos(size, size)?;
    let proposal = |text: &&str| {
        let pixels: Vec<u8> = text.bytes().map(|byte| byte - b'0').collect();
        Proposal::new(Mask::from_pixels(side, side, &pixels)?.resize_nearest(size, size)?, 0.0)
    };
    let proposals = masks.iter().map(proposal).collect::<Result<Vec<_>>>()?;
    let lazy = LazyImage::from(image);
    on_threads(threads, || crf.refine(&lazy, &proposals).map(drop))
}

fn parameters(tau: f32, masks: usize) -> Parameters {
    Parameters { tau, epsilon: 1e-5, masks, min_area: 0.01, max_iou: 0.5, corners: 3, early_stop: false, keep_masked: true, split_components: false }
}

/// The cuts of images whose affinities a device computes, by all of the machine's threads, as the plugin makes them.
fn cuts_on_device(images: &[&[f32]], grid: Grid, parameters: &Parameters, device: Device) -> Result<Vec<Vec<Cut>>> {
    let affinity = |values: &&[f32]| {
        let features = torch(|| Tensor::f_from_slice(values)?.f_view([grid.patches() as i64, -1])?.f_to_device(device))?;
        Affinity::of_tensor(&features, parameters.tau, parameters.epsilon)
    };
    let affinities = images.iter().map(affinity).collect::<Result<Vec<_>>>()?;
    affinities.into_par_iter().map(|affinity| cut(affinity, grid, parameters)).collect()
}

fn compare(values: &[f32], side: usize, parameters: &Parameters, device: Device) -> Result<String> {
    // The file holds the images one after the other; how many numbers a patch has stands in front.
    let (dimension, values) = values.split_first().ok_or_else(|| Error::invalid("the file is empty"))?;
    let images: Vec<&[f32]> = values.chunks_exact(side * side * *dimension as usize).collect();
    let grid = Grid { rows: side, columns: side };
    let timed = |run: &dyn Fn() -> Result<Vec<Vec<Cut>>>| -> Result<(Vec<Vec<Cut>>, f64)> {
        let start = Instant::now();
        let cuts = run()?;
        Ok((cuts, start.elapsed().as_secs_f64() * 1e3 / images.len().max(1) as f64))
    };
    let (expected, cpu) = timed(&|| images.par_iter().map(|values| maskcut(values, grid, parameters)).collect())?;
    // Once before, so that kernels are loaded. On a CPU as tensors too: the code that the device runs.
    let on_device = || cuts_on_device(&images, grid, parameters, device);
    on_device()?;
    let (found, millis) = timed(&on_device)?;
    let (mut all, mut determined, mut equal, mut overlap) = (0, 0, 0, 0.0);
    for (cut, other) in expected.iter().flatten().zip(found.iter().flatten()) {
        let count = |keep: fn(bool, bool) -> bool| cut.mask.iter().zip(&other.mask).filter(|(a, b)| keep(**a, **b)).count() as f64;
        all += 1;
        determined += usize::from(!cut.degenerate);
        equal += usize::from(!cut.degenerate && cut.mask == other.mask);
        let union = count(|a, b| a || b);
        overlap += if union == 0.0 { 1.0 } else { count(|a, b| a && b) / union };
    }
    Ok(format!("{all} {determined} {equal} {} {cpu} {millis}", overlap / f64::from(all.max(1))))
}

fn chain(crf: &DenseCrf, photo: &Image<'static>, values: &[f32], side: usize, parameters: &Parameters) -> Result<()> {
    let size = side as u32 * 16;
    let mut covered = Mask::empty(size, size)?;
    let mut proposals = Vec::new();
    for cut in maskcut(values, Grid { rows: side, columns: side }, parameters)? {
        let pixels: Vec<u8> = cut.mask.iter().map(|inside| u8::from(*inside)).collect();
        let mask = Mask::from_pixels(side as u32, side as u32, &pixels)?.resize_nearest(size, size)?;
        proposals.push(Proposal::new(mask.difference(&covered)?, 0.0)?);
        covered = covered.union(&mask)?;
    }
    for refinement in crf.refine(&LazyImage::from(photo.clone()), &proposals)? {
        if let Refinement::Keep(proposal) = refinement {
            std::hint::black_box(proposal.mask.fit_to(photo.width(), photo.height())?);
        }
    }
    Ok(())
}
