//! A labeler: each class is the mean colour of its regions, and a region belongs to the classes whose colours are near.
use std::path::Path;

use convert_sdk::*;

/// Labels regions by their mean colour: the baseline that every labeler should beat.
#[config(default)]
struct Config {
    /// The distance between two colours (each channel from 0 to 255) at which a class is e times less probable.
    #[schemars(range(min = 1.0, max = 255.0))]
    scale: f32,
}

impl Default for Config {
    fn default() -> Self {
        Self { scale: 16.0 }
    }
}

struct MyLabelerLabeler {
    scale: f32,
    context: Context,
}

/// A class's mean colour; `None` where no region of it was seen.
type Colour = Option<[f32; 3]>;

struct Colours {
    scale: f32,
    of_classes: Vec<Colour>,
}

/// The mean colour of a region, or of the whole image.
fn mean(image: &Image<'_>, mask: Option<&Mask>) -> [f32; 3] {
    let inside = mask.map(Mask::to_pixels);
    let (mut sum, mut count) = ([0.0f64; 3], 0.0f64);
    for (at, pixel) in image.pixels().chunks_exact(3).enumerate() {
        if inside.as_ref().is_none_or(|inside| inside[at] != 0) {
            (0..3).for_each(|channel| sum[channel] += f64::from(pixel[channel]));
            count += 1.0;
        }
    }
    sum.map(|sum| (sum / count.max(1.0)) as f32)
}

impl Plugin for MyLabelerLabeler {
    type Config = Config;

    fn new(config: Config, context: Context) -> Result<Self> {
        Ok(Self { scale: config.scale, context })
    }
}

impl Labeler for MyLabelerLabeler {
    fn train(&self, set: &dyn TrainingSet, folder: &Path) -> Result<TrainingReport> {
        let mut sums = vec![([0.0f64; 3], 0.0f64); self.context.classes().len()];
        for index in 0..set.len() {
            let sample = set.get(index)?;
            for region in &sample.regions {
                let colour = mean(&sample.image.get()?, region.mask.as_ref());
                let class = sums.get_mut(region.label as usize).ok_or_else(|| Error::invalid(format!("{} is no class", region.label)))?;
                (0..3).for_each(|channel| class.0[channel] += f64::from(colour[channel]));
                class.1 += 1.0;
            }
            self.context.progress(index as u64 + 1, set.len() as u64, "");
        }
        let line = |(sum, count): &([f64; 3], f64)| match count {
            0.0 => "unseen\n".to_owned(),
            count => format!("{} {} {}\n", sum[0] / count, sum[1] / count, sum[2] / count),
        };
        let checkpoint = folder.join("colours.txt");
        std::fs::write(&checkpoint, sums.iter().map(line).collect::<String>()).context(|| format!("cannot write {}", checkpoint.display()))?;
        let unseen = sums.iter().filter(|(_, count)| *count == 0.0).count();
        let warnings = if unseen == 0 { Vec::new() } else { vec![format!("{unseen} classes have no region to learn from")] };
        Ok(TrainingReport { checkpoint, warnings, ..TrainingReport::default() })
    }

    fn load(&self, checkpoint: &Path) -> Result<Box<dyn LabelModel>> {
        let text = std::fs::read_to_string(checkpoint).context(|| format!("cannot read {}", checkpoint.display()))?;
        let colour = |line: &str| -> Result<Colour> {
            let numbers: Option<Vec<f32>> = line.split(' ').map(|number| number.parse().ok()).collect();
            match numbers.as_deref() {
                Some(&[red, green, blue]) => Ok(Some([red, green, blue])),
                _ if line == "unseen" => Ok(None),
                _ => Err(Error::invalid(format!("{} is no checkpoint of this labeler: it has the line {line:?}", checkpoint.display()))),
            }
        };
        let of_classes = text.lines().map(colour).collect::<Result<Vec<_>>>()?;
        let classes = self.context.classes().len();
        if of_classes.len() != classes || of_classes.iter().all(Option::is_none) {
            return Err(Error::invalid(format!("{} has {} classes, the dataset {classes}: train anew", checkpoint.display(), of_classes.len())));
        }
        Ok(Box::new(Colours { scale: self.scale, of_classes }))
    }
}

impl Colours {
    /// Softmax of the negative distances; a class that was never seen has probability 0.
    fn probabilities(&self, colour: [f32; 3]) -> Vec<f32> {
        let distance = |class: &[f32; 3]| (0..3).map(|channel| (class[channel] - colour[channel]).powi(2)).sum::<f32>().sqrt();
        let distances: Vec<Option<f32>> = self.of_classes.iter().map(|class| class.as_ref().map(distance)).collect();
        let nearest = distances.iter().flatten().copied().fold(f32::INFINITY, f32::min);
        let weights: Vec<f32> = distances.iter().map(|distance| distance.map_or(0.0, |distance| ((nearest - distance) / self.scale).exp())).collect();
        let sum: f32 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }
}

impl LabelModel for Colours {
    fn predict(&self, batch: &[PredictionInput<'_>]) -> Result<Vec<Prediction>> {
        let predict = |input: &PredictionInput<'_>| Prediction {
            global: self.probabilities(mean(&input.image, None)),
            masks: input.regions.iter().map(|region| self.probabilities(mean(&input.image, Some(&region.mask)))).collect(),
        };
        Ok(batch.iter().map(predict).collect())
    }
}

export_plugins! { labeler "my-labeler" => MyLabelerLabeler }

