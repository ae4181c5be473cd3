//! MaskCut against the authors' code on real photos' features, and the whole chain with the CRF; needs `CONVERT_SHARED`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use convert_maskcut::{Affinity, Cut, Grid, Parameters, cut, maskcut};
use convert_refiners::{DenseCrf, DenseCrfConfig, FillHoles, FillHolesConfig};
use convert_sdk::{Context, Image, LazyImage, Mask, Plugin, Proposal, Refinement, Refiner};
use serde_json::Value;
use tch::Tensor;

fn shared(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CONVERT_SHARED").map(PathBuf::from);
    if folder.is_none() {
        // Not by `eprintln`, which the test harness captures.
        let _ = writeln!(std::io::stderr(), "skipped: {test}: CONVERT_SHARED is not set");
    }
    folder
}

fn number(entry: &Value, key: &str) -> f64 {
    entry[key].as_f64().unwrap_or_else(|| panic!("{key} in {entry}"))
}

fn parameters(entry: &Value) -> Parameters {
    Parameters {
        tau: number(entry, "tau") as f32,
        epsilon: 1e-5,
        masks: number(entry, "n") as usize,
        min_area: 0.01,
        max_iou: 0.5,
        corners: 3,
        early_stop: false,
        keep_masked: true,
        split_components: false,
    }
}

fn grid_mask(rows: &Value) -> Vec<bool> {
    rows.as_array().unwrap().iter().flat_map(|row| row.as_str().unwrap().bytes().map(|byte| byte == b'#')).collect()
}

fn iou(a: &[bool], b: &[bool]) -> f64 {
    let count = |keep: fn(bool, bool) -> bool| a.iter().zip(b).filter(|(a, b)| keep(**a, **b)).count() as f64;
    if count(|a, b| a || b) == 0.0 { 1.0 } else { count(|a, b| a && b) / count(|a, b| a || b) }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn grid_masks_and_final_masks_are_the_reference_s() {
    let Some(shared) = shared("grid_masks_and_final_masks_are_the_reference_s") else { return };
    let folder = shared.join("reference/maskcut");
    let index: Value = serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
    let (mut determined, mut equal, mut grid_ious, mut final_ious, mut fates) = (0, 0, Vec::new(), Vec::new(), Vec::new());
    for entry in index.as_array().unwrap() {
        let side = number(entry, "grid") as usize;
        let grid = Grid { rows: side, columns: side };
        let values = read_half_floats(&folder.join(entry["features"].as_str().unwrap()));
        let start = std::time::Instant::now();
        let cuts = maskcut(&values, grid, &parameters(entry)).unwrap();
        let millis = start.elapsed().as_millis();
        let references = entry["masks"].as_array().unwrap();
        assert_eq!(cuts.len(), references.len());
        let mut covered = vec![false; grid.patches()];
        for (cut, reference) in cuts.iter().zip(references) {
            let expected = grid_mask(&reference["grid"]);
            // The reference's masks are stored without what earlier ones cover.
            let visible: Vec<bool> = cut.mask.iter().zip(&covered).map(|(inside, covered)| *inside && !covered).collect();
            covered.iter_mut().zip(&cut.mask).for_each(|(covered, inside)| *covered |= inside);
            let overlap = iou(&visible, &expected);
            grid_ious.push(overlap);
            if !cut.degenerate {
                determined += 1;
                equal += usize::from(visible == expected);
            }
            let eigen = &cut.eigen;
            eprintln!(
                "{} n {} tau {}: iou {overlap:.4} lambda2 {:.3e} gap {:.3e} residual {:.1e} steps {} degenerate {} ({millis} ms for all)",
                entry["image"],
                grid.patches(),
                entry["tau"],
                eigen.lambda,
                eigen.gap,
                eigen.residual,
                eigen.steps,
                cut.degenerate
            );
        }
        compare_final(&shared, entry, &cuts.iter().map(|cut| cut.mask.clone()).collect::<Vec<_>>(), &mut final_ious, &mut fates);
    }
    let same_fate = fates.iter().filter(|same| **same).count() as f64 / fates.len() as f64;
    eprintln!(
        "reference/maskcut: {equal} of {determined} determined grid masks equal ({} in all), mean IoU {:.5}",
        grid_ious.len(),
        mean(&grid_ious)
    );
    eprintln!(
        "final masks: mean IoU {:.5} over {} kept by both, the same fate in {:.4} of {}",
        mean(&final_ious),
        final_ious.len(),
        same_fate,
        fates.len()
    );
    assert!(equal as f64 >= 0.99 * f64::from(determined) && mean(&grid_ious) >= 0.99);
    assert!(mean(&final_ious) >= 0.98 && same_fate >= 0.98);
}

/// The way of a CUDA device, on tensors of the CPU.
#[test]
fn photos_whose_affinity_is_computed_as_a_device_does_give_the_same_cuts() {
    let Some(shared) = shared("photos_whose_affinity_is_computed_as_a_device_does_give_the_same_cuts") else { return };
    let folder = shared.join("reference/maskcut");
    let index: Value = serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
    let (mut equal, mut determined) = (0, 0);
    for entry in index.as_array().unwrap() {
        let values = read_half_floats(&folder.join(entry["features"].as_str().unwrap()));
        let side = number(entry, "grid") as usize;
        let (grid, parameters) = (Grid { rows: side, columns: side }, parameters(entry));
        let features = Tensor::from_slice(&values).view([grid.patches() as i64, -1]);
        let cuts = cut(Affinity::of_tensor(&features, parameters.tau, parameters.epsilon).unwrap(), grid, &parameters).unwrap();
        let expected: Vec<Cut> = maskcut(&values, grid, &parameters).unwrap();
        assert_eq!(cuts.len(), expected.len());
        for (cut, expected) in cuts.iter().zip(&expected).filter(|(_, expected)| !expected.degenerate) {
            determined += 1;
            equal += usize::from(cut.mask == expected.mask);
        }
    }
    eprintln!("as a device: {equal} of {determined} determined masks equal");
    assert!(determined > 40 && equal == determined);
}

/// Upsampling, subtraction, refinement and fitting to the photo, as the pipeline does them.
fn compare_final(shared: &Path, entry: &Value, masks: &[Vec<bool>], ious: &mut Vec<f64>, fates: &mut Vec<bool>) {
    let photo = read_jpeg(&shared.join("photos/coco128/images/train2017").join(entry["image"].as_str().unwrap()));
    let (side, size) = (number(entry, "grid") as u32, number(entry, "input_size") as u32);
    let mut earlier = Mask::empty(size, size).unwrap();
    let mut proposals = Vec::new();
    for mask in masks {
        let pixels: Vec<u8> = mask.iter().map(|inside| u8::from(*inside)).collect();
        let mask = Mask::from_pixels(side, side, &pixels).unwrap().resize_nearest(size, size).unwrap();
        proposals.push(Proposal::new(mask.difference(&earlier).unwrap(), 0.0).unwrap());
        earlier = earlier.union(&mask).unwrap();
    }
    let context = Context::for_tests(&[]);
    let refiner: Box<dyn RefineAny> = if entry["crf"] == true {
        Box::new(DenseCrf::new(DenseCrfConfig::default(), context).unwrap())
    } else {
        Box::new(FillHoles::new(FillHolesConfig::default(), context).unwrap())
    };
    let (width, height) = (photo.width(), photo.height());
    let refined = refiner.refine_any(&photo.into(), &proposals);
    for (refinement, reference) in refined.into_iter().zip(entry["masks"].as_array().unwrap()) {
        let ours = match refinement {
            Refinement::Keep(proposal) => Some(proposal.mask.fit_to(width, height).unwrap()),
            Refinement::Drop { .. } => None,
        };
        let expected = reference["segmentation"]["counts"].as_str().map(|counts| Mask::from_counts(width, height, counts).unwrap());
        fates.push(ours.is_some() == expected.is_some());
        match (ours, expected) {
            (Some(ours), Some(expected)) => ious.push(ours.iou(&expected).unwrap()),
            (None, None) => {}
            (ours, expected) => eprintln!("{}: another fate: ours {ours:?}, the reference's {expected:?}", entry["image"]),
        }
    }
}

/// [`Refiner`] without its constructor, which makes it usable as an object.
trait RefineAny {
    fn refine_any(&self, image: &LazyImage<'_>, proposals: &[Proposal]) -> Vec<Refinement>;
}

impl<T: Refiner> RefineAny for T {
    fn refine_any(&self, image: &LazyImage<'_>, proposals: &[Proposal]) -> Vec<Refinement> {
        self.refine(image, proposals).unwrap()
    }
}

fn read_jpeg(path: &Path) -> Image<'static> {
    let mut decoder = mozjpeg::Decompress::new_path(path).unwrap().rgb().unwrap();
    let (width, height) = (decoder.width() as u32, decoder.height() as u32);
    let pixels: Vec<u8> = decoder.read_scanlines().unwrap();
    decoder.finish().unwrap();
    Image::new(width, height, pixels).unwrap()
}

/// A `.npy` of little-endian float16.
fn read_half_floats(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    let header = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    assert!(String::from_utf8_lossy(&bytes[10..10 + header]).contains("'<f2'"));
    bytes[10 + header..].chunks_exact(2).map(|b| half(u16::from_le_bytes([b[0], b[1]]))).collect()
}

fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (if bits >> 15 == 1 { -1.0 } else { 1.0 }, i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * if exponent == 0 { fraction * 2f32.powi(-24) } else { (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15) }
}
