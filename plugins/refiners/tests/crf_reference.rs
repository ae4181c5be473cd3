//! The CRF against pydensecrf: a drawn image whose results are stored here, and under `CONVERT_SHARED` real photos.

use std::io::Write as _;
use std::path::Path;

use convert_refiners::DenseCrfConfig;
use convert_refiners::crf::{CrfModel, CrfParameters};
use convert_sdk::{Image, Mask};

const WIDTH: u32 = 64;
const HEIGHT: u32 = 48;

/// The image of `data/make_crf.py`.
fn drawing() -> Image<'static> {
    let mut state = 12345u64;
    let mut pixels = Vec::new();
    for y in 0..HEIGHT as i32 {
        for x in 0..WIDTH as i32 {
            state = (state * 1_103_515_245 + 12345) % (1 << 31);
            let noise = ((state >> 16) % 24) as u8;
            let colour = if (x - 24).pow(2) + (y - 20).pow(2) < 200 {
                [150 - x as u8, 90 + x as u8 / 2, 100]
            } else if x > 44 {
                [70 + x as u8, 100, 110]
            } else {
                [50 + x as u8, 80 + y as u8, 120]
            };
            pixels.extend(colour.map(|channel: u8| channel + noise));
        }
    }
    Image::new(WIDTH, HEIGHT, pixels).unwrap()
}

fn drawn_masks() -> [Mask; 2] {
    let draw = |inside: fn(u32, u32) -> bool| {
        let pixels: Vec<u8> = (0..WIDTH * HEIGHT).map(|at| u8::from(inside(at % WIDTH, at / WIDTH))).collect();
        Mask::from_pixels(WIDTH, HEIGHT, &pixels).unwrap()
    };
    [draw(|x, y| (8..40).contains(&x) && (8..32).contains(&y)), draw(|x, y| x >= 40 && !((50..54).contains(&x) && (20..24).contains(&y)))]
}

fn mean_difference(ours: &[f32], reference: &[f32]) -> f64 {
    assert_eq!(ours.len(), reference.len());
    ours.iter().zip(reference).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / ours.len() as f64
}

#[test]
fn a_drawn_image_gives_pydensecrf_s_q() {
    let stored: Vec<f32> =
        include_bytes!("data/small_crf.bin").chunks_exact(2).map(|b| f32::from(u16::from_le_bytes([b[0], b[1]])) / 65535.0).collect();
    let masks = drawn_masks();
    let defaults = DenseCrfConfig::default().parameters();
    let weak = CrfParameters { gaussian_weight: 1.0, bilateral_weight: 1.5, colour_sigma: 13.0, iterations: 3, ..defaults };
    let mut stored = stored.chunks_exact((WIDTH * HEIGHT) as usize);
    for parameters in [defaults, weak] {
        let mut crf = CrfModel::new(&drawing(), parameters);
        for (q, stored) in crf.foreground(&masks.each_ref()).unwrap().iter().zip(&mut stored) {
            let largest = q.iter().zip(stored).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(largest < 1e-3, "the largest difference of Q is {largest}");
        }
        assert!(crf.refine(&masks.each_ref()).unwrap()[0].iou(&masks[0]).unwrap() < 0.95, "the CRF should have changed the mask");
    }
}

#[test]
fn real_photos_give_pydensecrf_s_masks_and_q() {
    let Some(shared) = std::env::var_os("CONVERT_SHARED") else {
        // Not by `eprintln`, which the test harness captures.
        let _ = writeln!(std::io::stderr(), "skipped: real_photos_give_pydensecrf_s_masks_and_q: CONVERT_SHARED is not set");
        return;
    };
    let folder = Path::new(&shared).join("reference/crf");
    let index: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
    let entries = index.as_array().unwrap();
    let (mut ious, mut differences, mut millis) = (Vec::new(), Vec::new(), Vec::new());
    for group in entries.chunk_by(|a, b| a["image"] == b["image"]) {
        let file = |entry: &serde_json::Value, key: &str| folder.join(entry[key].as_str().unwrap());
        let photo = image::open(file(&group[0], "image")).unwrap().into_rgb8();
        let photo = Image::new(photo.width(), photo.height(), photo.into_raw()).unwrap();
        let masks: Vec<Mask> = group.iter().map(|entry| read_mask(&file(entry, "mask"))).collect();
        let masks: Vec<&Mask> = masks.iter().collect();
        let start = std::time::Instant::now();
        let mut crf = CrfModel::new(&photo, DenseCrfConfig::default().parameters());
        let refined = crf.refine(&masks).unwrap();
        millis.push((photo.width(), masks.len(), start.elapsed().as_millis()));
        let q = crf.foreground(&masks).unwrap();
        for ((entry, refined), q) in group.iter().zip(refined).zip(q) {
            ious.push(refined.iou(&read_mask(&file(entry, "expected"))).unwrap());
            differences.push(mean_difference(&q, &read_half_floats(&file(entry, "q_foreground"))));
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (worst_iou, worst_difference) = (ious.iter().copied().fold(1.0, f64::min), differences.iter().copied().fold(0.0, f64::max));
    eprintln!(
        "reference/crf, {} masks: mean IoU {:.5} (worst {worst_iou:.5}), mean |Q - Q_ref| {:.6} (worst {worst_difference:.6})",
        ious.len(),
        mean(&ious),
        mean(&differences)
    );
    eprintln!("(size, masks, ms): {millis:?}");
    assert!(mean(&ious) >= 0.99 && mean(&differences) <= 0.01);
}

fn read_mask(path: &Path) -> Mask {
    let image = image::open(path).unwrap().into_luma8();
    Mask::from_pixels(image.width(), image.height(), &image.into_raw()).unwrap()
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
