//! Augmented training as the host runs it, over JPEG files, with a backbone that does nothing.
//!
//!     cargo build --release --workspace && scripts/install-plugins.sh target/release
//!     cargo bench --profile release -p convert-mlp-head --bench views
//!
//! Two questions (`-- sets` or `-- bare` asks one of them), each answered by ratios of rounds that alternate. Does a view of a large set cost what one of a small set costs (2,000 regions and 20,000; small
//! photos, so that what the set adds would show)? And how far are views from bare decode, crop, resize and RandAugment of the same files on the same threads
//! (640x480 to 512x512)? The time of a view is the difference between trainings of more epochs and of one, so that neither the start nor the pass before the first epoch
//! counts; everything else of an epoch does: reading, the plugin boundary, masks, the backbone's normalisation, pooling, the head's steps and its checkpoints.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use convert_mlp_head::augment;
use convert_mlp_head::randomness::{Purpose, stream};
use convert_sdk::{BoundingBox, Mask};
use convert_tests::{Place, convert, stderr};
use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;
use tch::{CModule, Device, IValue, Kind, Tensor};

const FILES: u32 = 50;
const ROUNDS: usize = 3;
/// Views that are timed in a round: small ones, the same number of either set, and those that are compared with bare decoding.
const SMALL_VIEWS: usize = 40_000;
const LARGE_VIEWS: usize = 1_500;
/// Pixels of a patch's side.
const PATCH: u32 = 64;

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let folder = tempfile::tempdir().expect("a folder");
    let module = &folder.path().join("nothing.pt"); // libtorch wants an extension
    nothing(module);

    let asked = |part: &str| {
        std::env::args().any(|argument| argument == part) || !std::env::args().any(|argument| ["sets", "bare"].contains(&argument.as_str()))
    };
    if asked("sets") {
        large_against_small(module, threads);
    }
    if asked("bare") {
        training_against_bare(module, threads);
    }
}

fn large_against_small(module: &Path, threads: usize) {
    let (small, large) = (Set::new(2_000, (160, 120), 64, module, threads), Set::new(20_000, (160, 120), 64, module, threads));
    println!("photos of 160x120, views of 64x64, {threads} threads");
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let (small, large) = (small.seconds_a_view(round), large.seconds_a_view(round));
        println!("round {round}: {:6.1} µs a view of 2,000 regions, {:6.1} µs of 20,000, ratio {:.3}", small * 1e6, large * 1e6, large / small);
        ratios.push(large / small);
    }
    println!("a view of 20,000 regions / of 2,000: median ratio {:.3} (wanted: 0.9 to 1.1)", median(ratios));
}

fn training_against_bare(module: &Path, threads: usize) {
    let photos = Set::new(300, (640, 480), 512, module, threads);
    println!("photos of 640x480, views of 512x512, {threads} threads");
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let (bare, training) = (photos.bare_seconds_a_view(), photos.seconds_a_view(round));
        println!("round {round}: bare {:6.1} views/s, training {:6.1} views/s, ratio {:.3}", 1.0 / bare, 1.0 / training, bare / training);
        ratios.push(bare / training);
    }
    println!("training / bare decode + crop + resize + RandAugment: median ratio {:.3} (wanted: at least 0.8)", median(ratios));
}

/// A dataset with one region an image, its stages up to the selection done.
struct Set {
    place: Place,
    images: usize,
    side: u32,
    size: (u32, u32),
    threads: usize,
    /// That are timed in a round.
    views: usize,
}

impl Set {
    fn new(images: usize, size: (u32, u32), side: u32, module: &Path, threads: usize) -> Self {
        let place = Place::new(&format!(
            "version: 1
work_dir: work
dataset: {{ plugin: manifest, file: photos.csv, id_column: id }}
proposals:
  - {{ plugin: grid, config: {{ cells: 2 }} }}
select: {{ plugin: keep-largest }}
label:
  plugin: mlp-head
  config:
    backbone: {{ family: torchscript, weights: {}, patch_size: {PATCH} }}
    input_size: {side}
    mode: augmented
    hidden: 16
export:
  - {{ plugin: multilabel-tsv, file: labels.tsv }}
",
            module.display()
        ));
        let mut list = "id,path,label\n".to_owned();
        for file in 0..FILES {
            photo(file, size, &place.path(&format!("photo-{file:02}.jpg")));
        }
        for at in 0..images {
            writeln!(list, "{at:05},photo-{:02}.jpg,{}", at as u32 % FILES, ["cat", "dog"][at % 2]).expect("a string");
        }
        std::fs::write(place.path("photos.csv"), list).expect("the list can be written");
        let views = if side < 512 { SMALL_VIEWS } else { LARGE_VIEWS };
        let set = Self { place, images, side, size, threads, views };
        for stage in ["proposals-grid", "regions", "select-keep-largest"] {
            set.stage(stage, 1, 0);
        }
        set
    }

    /// Seconds of a process that runs one stage.
    fn stage(&self, name: &str, epochs: u32, round: usize) -> f64 {
        let begin = Instant::now();
        let mut command = convert();
        command.current_dir(self.place.path("")).args(["stage", name, "--recipe", "recipe.yaml", "--threads", &self.threads.to_string()]);
        // Another rate in each round, so that no round finds what the one before trained.
        command.args(["--set", &format!("label.config.epochs={epochs}"), "--set", &format!("label.config.learning_rate=0.00{}", round + 1)]);
        let output = command.output().expect("convert can be started");
        assert!(output.status.success(), "{}", stderr(&output));
        begin.elapsed().as_secs_f64()
    }

    fn seconds_a_view(&self, round: usize) -> f64 {
        let epochs = (self.views / self.images) as u32;
        let (one, more) = (self.stage("train-mlp-head", 1, round), self.stage("train-mlp-head", 1 + epochs, round));
        (more - one) / (epochs as usize * self.images) as f64
    }

    fn bare_seconds_a_view(&self) -> f64 {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build().expect("threads");
        let (width, height) = self.size;
        let mask = Mask::from_box(width, height, BoundingBox { x: 0, y: 0, width: width / 2, height: height / 2 }).expect("a mask");
        let begin = Instant::now();
        pool.install(|| {
            (0..self.views).into_par_iter().with_max_len(1).for_each(|at| {
                let bytes = std::fs::read(self.place.path(&format!("photo-{:02}.jpg", at as u32 % FILES))).expect("the photo");
                let image = convert::engine::images::decode(&bytes, Default::default()).expect("a photo");
                let mut random = stream(0, Purpose::View, at as u64);
                std::hint::black_box(augment::view(&image, &[Some(&mask)], self.side, &mut random).expect("a view"));
            });
        });
        begin.elapsed().as_secs_f64() / self.views as f64
    }
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// A module that gives each patch the colour of its first pixel.
fn nothing(file: &Path) {
    let mut pick = |inputs: &[Tensor]| {
        let step = i64::from(PATCH);
        vec![inputs[0].slice(2, 0, None, step).slice(3, 0, None, step).contiguous()]
    };
    let example = Tensor::zeros([1, 3, 512, 512], (Kind::Float, Device::Cpu));
    let module = CModule::create_by_tracing("Nothing", "forward", &[example], &mut pick).expect("a module");
    let probe = module.forward_is(&[IValue::Tensor(Tensor::zeros([1, 3, 64, 64], (Kind::Float, Device::Cpu)))]);
    assert!(matches!(probe, Ok(IValue::Tensor(_))), "{probe:?}");
    module.save(file).expect("the module can be written");
}

/// A photo-like JPEG: soft gradients and grain.
fn photo(seed: u32, (width, height): (u32, u32), path: &Path) {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut grain = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as i32 % 24
    };
    let picture = image::RgbImage::from_fn(width, height, |x, y| {
        let wave = |period: f32, shift: f32| (127.0 + 100.0 * ((x as f32 / period + shift).sin() * (y as f32 / period).cos())) as i32;
        let shift = seed as f32;
        image::Rgb([wave(60.0, shift), wave(90.0, shift * 2.0), wave(40.0, shift * 3.0)].map(|value| (value + grain()).clamp(0, 255) as u8))
    });
    let file = std::fs::File::create(path).expect("a file");
    JpegEncoder::new_with_quality(file, 90).encode_image(&picture).expect("a JPEG file");
}
