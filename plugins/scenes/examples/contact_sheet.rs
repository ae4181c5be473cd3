//! Writes scenes side by side into one picture: `cargo run --release -p convert-scenes --example contact_sheet -- sheet.png [rows] [seed] [truth]`.

use convert_scenes::{Scenes, ScenesConfig};
use convert_sdk::{Context, Dataset, ImageData, Plugin, Result};

/// Scenes in a row.
const COLUMNS: u32 = 8;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let path = arguments.get(1).map_or("sheet.png", String::as_str);
    let rows: u32 = arguments.get(2).map_or(Ok(5), |text| text.parse())?;
    let seed: u64 = arguments.get(3).map_or(Ok(0), |text| text.parse())?;
    let with_truth = arguments.get(4).is_some();
    let config = ScenesConfig { count: rows * COLUMNS, seed: Some(seed), ..ScenesConfig::default() };
    let size = config.size;
    let scenes = Scenes::new(config, Context::for_tests(&[]))?;
    let mut sheet = image::RgbImage::new(COLUMNS * size, rows * size);
    let begun = std::time::Instant::now();
    for (index, sample) in scenes.samples()?.iter().enumerate() {
        let ImageData::Pixels(picture) = scenes.image(&sample.id)? else { continue };
        let (left, top) = (index as u32 % COLUMNS * size, index as u32 / COLUMNS * size);
        let masks: Vec<_> = scenes.truth(&sample.id)?.unwrap_or_default().into_iter().filter_map(|object| object.mask).collect();
        let masks: Vec<Vec<u8>> = masks.iter().map(|mask| mask.to_pixels()).collect();
        for at in 0..size * size {
            let (x, y) = (at % size, at / size);
            let shown = !with_truth || masks.iter().any(|mask| mask[at as usize] == 1);
            sheet.put_pixel(left + x, top + y, image::Rgb(if shown { picture.pixel(x, y) } else { [255; 3] }));
        }
    }
    eprintln!("{:.2} ms a scene, image and truth", begun.elapsed().as_secs_f64() * 1e3 / f64::from(rows * COLUMNS));
    sheet.save(path)?;
    Ok(())
}
