//! Images a second of a backbone on grey noise, for `scripts/bench-backbones.py`:
//! `throughput FAMILY WEIGHTS INPUT_SIZE FEATURE PRECISION THREADS IMAGES` prints the seconds that the images took.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use convert_backbones::{Backbone, BackboneConfig, FeatureRequest};
use convert_sdk::{Context, Image};

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [family, weights, size, feature, precision, threads, images] = arguments.as_slice() else {
        return Err("throughput FAMILY WEIGHTS INPUT_SIZE FEATURE PRECISION THREADS IMAGES".into());
    };
    let number = |text: &str| text.parse::<usize>().map_err(|error| format!("`{text}`: {error}"));
    let (size, threads, images) = (number(size)?, number(threads)?, number(images)?);
    let config = serde_json::json!({ "family": family, "weights": weights, "precision": precision });
    let config: BackboneConfig = serde_json::from_value(config).map_err(|error| error.to_string())?;
    let kind = serde_json::from_value(feature.as_str().into()).map_err(|error| error.to_string())?;
    let request = FeatureRequest { kind, layer: None, input_size: size as u32 };
    let backbone = Backbone::load(&config, &Context::for_tests(&[])).map_err(|error| error.to_string())?;
    let pixels: Vec<u8> = (0..size * size * 3).map(|at| ((at * 2_654_435_761) >> 13) as u8).collect();
    let image = Image::new(size as u32, size as u32, pixels).map_err(|error| error.to_string())?;

    let run = |count: usize| {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while next.fetch_add(1, Ordering::Relaxed) < count {
                        backbone.features(std::slice::from_ref(&image), &request).expect("features");
                    }
                });
            }
        });
    };
    run(threads); // pages of the weights, positions, kernels
    let start = Instant::now();
    run(images);
    println!("{}", start.elapsed().as_secs_f64());
    Ok(())
}
