//! Writes a report of made-up labels, to look at the page while changing its style or script:
//!
//!     cargo run --release -p convert-html-report --example preview -- report.html [FOLDER OF JPEG PHOTOS]

use std::path::{Path, PathBuf};

use convert_html_report::{HtmlReport, HtmlReportConfig};
use convert_sdk::{
    ClassScore, Context, EpochRecord, Error, Evaluation, ExportRun, Exporter, Image, LabelVector, LabelledRegion, LabelledSample, Mask, Plugin,
    PluginInfo, Probability, Result, ScoreRow, StageInfo, Statistics, TruthObject,
};

const CLASSES: [&str; 14] = [
    "anchor",
    "bicycle",
    "cactus",
    "dumbbell",
    "elephant",
    "fire hydrant, a red one by the road",
    "guitar",
    "hammer",
    "ice cream",
    "jellyfish",
    "kite",
    "lantern",
    "mushroom",
    "<b>not bold</b>",
];
const IMAGES: u64 = 480;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
    fn share(&mut self) -> f32 {
        self.below(10_000) as f32 / 10_000.0
    }
}

/// A blob: an ellipse whose border waves.
struct Blob {
    class: u32,
    centre: (f32, f32),
    radius: f32,
    waves: f32,
}

impl Blob {
    fn covers(&self, x: f32, y: f32) -> bool {
        let (dx, dy) = (x - self.centre.0, y - self.centre.1);
        let border = self.radius * (1.0 + 0.16 * (dy.atan2(dx) * self.waves).sin());
        dx.hypot(dy) < border
    }
}

fn photo(path: &Path) -> Result<Image<'static>> {
    let mut decoder = mozjpeg::Decompress::new_path(path)?.rgb()?;
    let (width, height) = (decoder.width() as u32, decoder.height() as u32);
    let pixels: Vec<[u8; 3]> = decoder.read_scanlines()?;
    Image::new(width, height, pixels.into_flattened())
}

fn drawing(blobs: &[Blob], width: u32, height: u32, random: &mut Random) -> Result<Image<'static>> {
    let tone = random.below(256) as f32;
    let mut pixels = Vec::with_capacity((width * height * 3) as usize);
    for at in 0..width * height {
        let (x, y) = ((at % width) as f32, (at / width) as f32);
        let noise = random.share() * 14.0;
        let ground = [150.0 + 60.0 * (x / 90.0 + tone).sin(), 160.0 + 40.0 * (y / 70.0).cos(), 130.0 + tone / 3.0];
        let colour = blobs.iter().rev().find(|blob| blob.covers(x, y)).map_or(ground, |blob| {
            let hue = blob.class as f32;
            let light = 1.0 - (x - blob.centre.0 + y - blob.centre.1) / (4.0 * blob.radius);
            [(120.0 + 100.0 * hue.sin()) * light, (120.0 + 100.0 * (hue * 2.0).cos()) * light, (110.0 + 90.0 * (hue * 3.0).sin()) * light]
        });
        pixels.extend(colour.map(|value| (value + noise).clamp(0.0, 255.0) as u8));
    }
    Image::new(width, height, pixels)
}

fn sample(index: u64, photos: &[PathBuf], random: &mut Random) -> Result<LabelledSample<'static>> {
    let photo = photos.get(index as usize % photos.len().max(1)).map(|path| photo(path)).transpose()?;
    let (width, height) =
        photo.as_ref().map_or((360 + 60 * (index % 3) as u32, 380 - 60 * (index % 4) as u32), |image| (image.width(), image.height()));
    let shorter = width.min(height) as f32;
    let blobs: Vec<Blob> = (0..1 + random.below(4))
        .map(|_| Blob {
            class: random.below(CLASSES.len() as u64) as u32,
            centre: (width as f32 * (0.2 + 0.6 * random.share()), height as f32 * (0.2 + 0.6 * random.share())),
            radius: shorter * (0.12 + 0.13 * random.share()),
            waves: 2.0 + random.below(5) as f32,
        })
        .collect();
    let mut labels = vec![ClassScore { class: blobs[0].class, probability: Probability::ONE }];
    let mut regions = Vec::new();
    for (place, blob) in blobs.iter().enumerate() {
        let covered: Vec<u8> = (0..width * height).map(|at| u8::from(blob.covers((at % width) as f32, (at / width) as f32))).collect();
        let mask = Mask::from_pixels(width, height, &covered)?;
        let certainty = 0.3 + 0.69 * random.share().sqrt();
        let found = if random.below(8) == 0 { (blob.class + 3) % CLASSES.len() as u32 } else { blob.class };
        let top = [(found, certainty), ((found + 1) % 14, (1.0 - certainty) * 0.6), ((found + 5) % 14, (1.0 - certainty) * 0.3)];
        let top: Vec<ClassScore> =
            top.iter().map(|(class, p)| Probability::new(*p).map(|probability| ClassScore { class: *class, probability })).collect::<Result<_>>()?;
        labels.push(top[0]);
        if !mask.is_empty() && random.below(7) > 0 {
            regions.push(LabelledRegion { mask, source: "patch-stats".into(), score: 1.0, selected: place == 0, top });
        }
    }
    let image = match photo {
        Some(image) => image,
        None => drawing(&blobs, width, height, random)?,
    };
    Ok(LabelledSample {
        id: format!("scenes/{index:05}.png"),
        number: None,
        label: blobs[0].class,
        width,
        height,
        labels: LabelVector::from(labels),
        regions,
        truth: Some(blobs.iter().map(|blob| TruthObject { class: blob.class, mask: None }).collect()),
        image: image.into(),
    })
}

fn run() -> ExportRun {
    let stage = |name: &str, seconds, cached| StageInfo { name: name.into(), seconds, images: IMAGES, cached };
    let plugin = |role: &str, name: &str| PluginInfo { role: role.into(), name: name.into(), version: "0.1.0".into() };
    let row = |name: &str, [precision, recall, f1, per_image_ap, multi]: [f64; 5]| ScoreRow {
        name: name.into(),
        precision,
        recall,
        f1,
        per_image_ap,
        per_image_ap_multi: Some(multi),
        added_precision: None,
        added_recall: None,
    };
    ExportRun {
        name: "Scenes demo".into(),
        recipe: "version: 1\nseed: 0\ndataset:\n  plugin: scenes\n  config:\n    count: 480\nproposals:\n  - name: patch-stats\n    plugin: maskcut\n    config: { tau: 0.35, masks: 4 }\n".into(),
        version: "0.1.0".into(),
        plugins: vec![plugin("dataset", "scenes"), plugin("proposer", "maskcut"), plugin("refiner", "fill-holes"), plugin("selector", "keep-largest"), plugin("labeler", "mlp-head"), plugin("exporter", "html-report")],
        class_numbers: Vec::new(),
        stages: vec![stage("proposals", 96.2, 0), stage("refine", 21.0, 0), stage("select", 0.4, IMAGES), stage("train", 34.5, 0), stage("label", 18.3, 128)],
        samples: IMAGES,
        statistics: Statistics { threshold: 0.5, images: IMAGES, by_count: [4, 137, 171, 118, 50], average: 2.18, skipped: 2 },
        curve: (1..=60).map(|epoch| EpochRecord { epoch, loss: 2.4 * (-f64::from(epoch) / 14.0).exp() + 0.21, accuracy: 0.96 - 0.8 * (-f64::from(epoch) / 11.0).exp() }).collect(),
        held_out: None,
        skipped: Vec::new(),
        calibration: None,
        evaluation: Some(Evaluation { images: IMAGES, threshold: 0.5, rows: vec![row("single label", [1.0, 0.443, 0.614, 0.642, 0.513]), row("convert", [0.921, 0.812, 0.863, 0.873, 0.842])], region_recall: None, added: None }),
    }
}

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let output = arguments.first().ok_or_else(|| Error::config("give the file to write: preview report.html [FOLDER OF JPEG PHOTOS]"))?;
    let mut photos = match arguments.get(1) {
        Some(folder) => std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?,
        None => Vec::new(),
    };
    photos.retain(|path| path.extension().is_some_and(|extension| extension == "jpg"));
    photos.sort();
    let mut random = Random(5);
    let mut exporter = HtmlReport::new(HtmlReportConfig::default(), Context::for_tests(&CLASSES))?.begin(run(), output)?;
    for index in 0..IMAGES {
        exporter.write(&sample(index, &photos, &mut random)?)?;
    }
    exporter.finish()
}
