//! The engine with a proposer that does nothing but resize, against bare decode + resize of the same files on the same threads.
//!
//!     cargo bench --profile release -p convert-tests --bench engine
//!
//! Prints images a second of both, and their ratio in each round; rounds alternate, so that a machine's drift hits both.

use std::fmt::Write;
use std::time::Instant;

use convert_tests::{Place, build_folder, plugin_folder, stderr};
use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;

/// So many that starting the process, 0.4 s, hardly counts, as in a run of any size that matters.
const PHOTOS: usize = 12_000;
const FILES: u32 = 50;
const INPUT_SIZE: u32 = 480;
const ROUNDS: usize = 5;

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let place = Place::new(&format!(
        "version: 1
work_dir: work
dataset: {{ plugin: manifest, file: photos.csv, id_column: id }}
proposals:
  - {{ plugin: nothing, config: {{ input_size: {INPUT_SIZE} }} }}
select: {{ plugin: keep-largest }}
label: {{ plugin: mlp-head, config: {{ backbone: {{ family: patch-stats }} }} }}
export:
  - {{ plugin: multilabel-tsv, file: labels.tsv }}
"
    ));
    let mut list = "id,path,label\n".to_owned();
    for file in 0..FILES {
        photo(file, &place.path(&format!("photo-{file:02}.jpg")));
    }
    for at in 0..PHOTOS {
        writeln!(list, "{at:05},photo-{:02}.jpg,{}", at as u32 % FILES, ["cat", "dog"][at % 2]).expect("a string");
    }
    std::fs::write(place.path("photos.csv"), list).expect("the list can be written");
    let plugins = plugin_folder("convert_test_hostile");
    println!("{PHOTOS} JPEG files of 640x480 to {INPUT_SIZE}x{INPUT_SIZE}, {threads} threads");

    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    let bare = || {
        let begin = Instant::now();
        pool.install(|| {
            (0..PHOTOS).into_par_iter().with_max_len(1).for_each(|at| {
                let bytes = std::fs::read(place.path(&format!("photo-{:02}.jpg", at as u32 % FILES))).expect("the photo");
                let image = convert::engine::images::decode(&bytes, Default::default()).expect("a photo");
                std::hint::black_box(image.resize_lanczos(INPUT_SIZE, INPUT_SIZE).expect("a size"));
            });
        });
        begin.elapsed().as_secs_f64()
    };
    let engine = || {
        let _ = std::fs::remove_dir_all(place.path("work"));
        let begin = Instant::now();
        let output = assert_cmd::Command::new(build_folder().join("convert"))
            .current_dir(place.path(""))
            .args(["stage", "proposals-nothing", "--recipe", "recipe.yaml", "--threads", &threads.to_string(), "--plugin-dir"])
            .arg(plugins.path())
            .output()
            .expect("convert can be started");
        assert!(output.status.success(), "{}", stderr(&output));
        begin.elapsed().as_secs_f64()
    };
    bare();
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let (bare, engine) = (bare(), engine());
        let photos = PHOTOS as f64;
        println!("round {round}: bare {:7.1} images/s, whole process {:7.1} images/s, ratio {:.3}", photos / bare, photos / engine, bare / engine);
        ratios.push(bare / engine);
    }
    ratios.sort_by(f64::total_cmp);
    println!("engine / bare decode + resize: median ratio {:.3} (wanted: at least 0.95)", ratios[ROUNDS / 2]);
}

/// A photo-like JPEG: soft gradients and grain.
fn photo(seed: u32, path: &std::path::Path) {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut grain = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as i32 % 24
    };
    let picture = image::RgbImage::from_fn(640, 480, |x, y| {
        let wave = |period: f32, shift: f32| (127.0 + 100.0 * ((x as f32 / period + shift).sin() * (y as f32 / period).cos())) as i32;
        let shift = seed as f32;
        image::Rgb([wave(60.0, shift), wave(90.0, shift * 2.0), wave(40.0, shift * 3.0)].map(|value| (value + grain()).clamp(0, 255) as u8))
    });
    let file = std::fs::File::create(path).expect("a file");
    JpegEncoder::new_with_quality(file, 90).encode_image(&picture).expect("a JPEG file");
}
