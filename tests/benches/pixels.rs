//! Decoding and resizing against Pillow on one thread: both sides work on the same files from memory, in turn.
//!
//!     scripts/setup.sh --python
//!     cargo bench --profile release -p convert-tests --bench pixels [-- FOLDER]
//!
//! FOLDER holds JPEG files, of which 50 are taken, spread evenly; without it, photo-like ones are drawn. Prints both sides' milliseconds a photo and Pillow's time
//! over ours in each of five rounds, then the medians.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use convert::engine::images;
use convert_tests::repository;
use image::codecs::jpeg::JpegEncoder;

const PHOTOS: usize = 50;
const ROUNDS: usize = 5;
/// Times that every file is worked on in a round.
const REPEATS: usize = 4;
const SIZE: u32 = 480;

/// Pillow's side: reads the files, then answers each line, `decode` or `resize`, with milliseconds a photo.
const PILLOW: &str = "
import io, sys, time
from PIL import Image
size, repeats, *paths = sys.argv[1:]
size, repeats, files = int(size), int(repeats), [open(path, 'rb').read() for path in paths]
for line in sys.stdin:
    start = time.perf_counter()
    for _ in range(repeats):
        for data in files:
            image = Image.open(io.BytesIO(data)).convert('RGB')
            if line.strip() == 'resize':
                image.resize((size, size), Image.Resampling.LANCZOS)
    print((time.perf_counter() - start) * 1e3 / repeats / len(files), flush=True)
";

fn main() -> Result<(), Box<dyn Error>> {
    let drawn = tempfile::tempdir()?;
    // Cargo passes --bench.
    let paths = match std::env::args().skip(1).find(|argument| !argument.starts_with("--")) {
        Some(folder) => jpegs(Path::new(&folder))?,
        None => (0..PHOTOS as u32).map(|seed| draw(seed, drawn.path())).collect::<Result<_, _>>()?,
    };
    let files = paths.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let python = repository().join("vendor/venv/bin/python");
    let mut child = Command::new(&python)
        .args(["-c", PILLOW, &SIZE.to_string(), &REPEATS.to_string()])
        .args(&paths)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}: run scripts/setup.sh --python", python.display()))?;
    let (mut requests, answers) = (child.stdin.take().ok_or("no pipe")?, child.stdout.take().ok_or("no pipe")?);
    let mut answers = BufReader::new(answers);
    println!("{} JPEG files on one thread", files.len());
    for (task, name) in [("decode", "decode".to_owned()), ("resize", format!("decode + resize to {SIZE}x{SIZE}"))] {
        ours(&files, task)?;
        pillow(&mut requests, &mut answers, task)?;
        let mut rounds = Vec::new();
        for round in 1..=ROUNDS {
            let (ours, pillow) = (ours(&files, task)?, pillow(&mut requests, &mut answers, task)?);
            println!("{name}, round {round}: {ours:.2} ms a photo, Pillow {pillow:.2} ms, Pillow / ours {:.2}", pillow / ours);
            rounds.push((ours, pillow, pillow / ours));
        }
        let median = |of: fn(&(f64, f64, f64)) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[ROUNDS / 2]
        };
        println!("{name}: {:.2} ms a photo, Pillow {:.2} ms; median ratio Pillow / ours {:.2}", median(|r| r.0), median(|r| r.1), median(|r| r.2));
    }
    drop(requests);
    child.wait()?;
    Ok(())
}

/// Milliseconds a photo of this program.
fn ours(files: &[Vec<u8>], task: &str) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    for _ in 0..REPEATS {
        for bytes in files {
            let image = images::decode(bytes, Default::default()).map_err(|error| error.to_string())?;
            if task == "resize" {
                std::hint::black_box(image.resize_lanczos(SIZE, SIZE).map_err(|error| error.to_string())?);
            }
            std::hint::black_box(image);
        }
    }
    Ok(start.elapsed().as_secs_f64() * 1e3 / (REPEATS * files.len()) as f64)
}

fn pillow(requests: &mut ChildStdin, answers: &mut BufReader<ChildStdout>, task: &str) -> Result<f64, Box<dyn Error>> {
    writeln!(requests, "{task}")?;
    let mut line = String::new();
    answers.read_line(&mut line)?;
    Ok(line.trim().parse()?)
}

fn jpegs(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jpg" || extension == "jpeg" || extension == "JPEG") {
            all.push(path);
        }
    }
    if all.is_empty() {
        return Err(format!("{} has no JPEG files: name a folder that does", folder.display()).into());
    }
    all.sort();
    let count = all.len().min(PHOTOS);
    Ok((0..count).map(|at| all[at * all.len() / count].clone()).collect())
}

/// A photo-like JPEG of 640x480: soft gradients and grain.
fn draw(seed: u32, folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut grain = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as f32 / 256.0 * 24.0
    };
    let picture = image::RgbImage::from_fn(640, 480, |x, y| {
        let wave = |period: f32, shift: f32| 115.0 + 100.0 * (x as f32 / period + shift).sin() * (y as f32 / period).cos();
        let shift = seed as f32;
        image::Rgb([wave(60.0, shift), wave(90.0, shift * 2.0), wave(40.0, shift * 3.0)].map(|value| (value + grain()).clamp(0.0, 255.0) as u8))
    });
    let path = folder.join(format!("{seed:02}.jpg"));
    JpegEncoder::new_with_quality(std::fs::File::create(&path)?, 90).encode_image(&picture)?;
    Ok(path)
}
