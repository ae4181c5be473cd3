//! An extractor: the mean colour of each cell of a grid.
use convert_sdk::*;

/// Gives each cell of a grid its mean colour, three numbers from 0 to 1.
#[config(default)]
struct Config {
    /// Cells along each side of the image.
    #[schemars(range(min = 1, max = 256))]
    cells: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { cells: 16 }
    }
}

struct MyExtractorExtractor(Config);

impl MyExtractorExtractor {
    fn colour(&self, image: &Image<'_>, row: u32, column: u32) -> [f32; 3] {
        // Every cell has at least one pixel, also where the image is smaller than the grid.
        let range = |at: u32, side: u32| {
            let start = (u64::from(at) * u64::from(side) / u64::from(self.0.cells)) as u32;
            start..((u64::from(at + 1) * u64::from(side) / u64::from(self.0.cells)) as u32).max(start + 1)
        };
        let (mut sum, mut count) = ([0.0f64; 3], 0.0);
        for y in range(row, image.height()) {
            for x in range(column, image.width()) {
                let pixel = image.pixel(x, y);
                (0..3).for_each(|channel| sum[channel] += f64::from(pixel[channel]) / 255.0);
                count += 1.0;
            }
        }
        sum.map(|sum| (sum / count) as f32)
    }
}

impl Plugin for MyExtractorExtractor {
    type Config = Config;

    fn new(config: Config, _: Context) -> Result<Self> {
        Ok(Self(config))
    }
}

impl Extractor for MyExtractorExtractor {
    fn extract(&self, images: &[Image<'_>]) -> Result<Vec<FeatureMap>> {
        let cells = self.0.cells;
        let extract = |image: &Image<'_>| {
            let values = (0..cells * cells).flat_map(|at| self.colour(image, at / cells, at % cells)).collect();
            FeatureMap::new(cells, cells, 3, values)
        };
        images.iter().map(extract).collect()
    }
}

export_plugins! { extractor "my-extractor" => MyExtractorExtractor }

