//! What the gallery knows of an image: its thumbnail, labels and masks as one piece of JSON, so that nothing larger is held.

use convert_sdk::{ClassScore, LabelledRegion, LabelledSample, Result, Serialize, serde};

use crate::config::HtmlReportConfig;
use crate::escape::json_for_script;
use crate::outline::outline;
use crate::thumbnail;

/// Masks and labels shown of one image, the most probable first.
const SHOWN: usize = 40;

/// Longest id shown, in characters.
const ID_LENGTH: usize = 300;

/// An image of the gallery.
#[derive(Debug)]
pub struct Card {
    /// The image's data for the page's script, escaped for it.
    pub json: String,
    /// The classes that the data names by index.
    pub classes: Vec<u32>,
    /// Whether the image's truth is known.
    pub has_truth: bool,
}

/// A class index and its probability, four decimals.
type Score = (u32, f64);

#[derive(Serialize)]
#[serde(crate = "serde")]
struct Picture {
    id: String,
    given: u32,
    width: u32,
    height: u32,
    added: f64,
    labels: Vec<Score>,
    truth: Option<Vec<u32>>,
    view: (u32, u32),
    masks: Vec<PictureMask>,
    hidden_masks: usize,
    image: String,
}

#[derive(Serialize)]
#[serde(crate = "serde")]
struct PictureMask {
    path: String,
    top: Vec<Score>,
    source: String,
    share: f64,
    trained: bool,
}

fn decimals(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}

fn score(score: &ClassScore) -> Score {
    (score.class, decimals(score.probability.get()))
}

fn top_probability(region: &LabelledRegion) -> f32 {
    region.top.first().map_or(0.0, |top| top.probability.get())
}

impl Card {
    /// The card of a sample; `added` is the label mass that the run added.
    ///
    /// # Errors
    /// An image that cannot be read or encoded.
    pub fn new(sample: &LabelledSample<'_>, added: f32, config: &HtmlReportConfig) -> Result<Self> {
        let image = thumbnail::data_url(&sample.image.get()?, config.thumbnail, config.quality)?;
        let mut labels: Vec<Score> = sample.labels.entries().iter().map(score).filter(|(_, probability)| *probability > 0.0).collect();
        labels.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        labels.truncate(SHOWN);
        let mut regions: Vec<&LabelledRegion> = sample.regions.iter().collect();
        regions.sort_by(|a, b| top_probability(b).total_cmp(&top_probability(a)));
        let hidden_masks = regions.len().saturating_sub(SHOWN);
        regions.truncate(SHOWN);
        let mut view = (sample.width, sample.height);
        let mut masks = Vec::with_capacity(regions.len());
        for region in regions {
            let traced = outline(&region.mask)?;
            view = (traced.width, traced.height);
            masks.push(PictureMask {
                path: traced.path,
                top: region.top.iter().map(score).collect(),
                source: region.source.clone(),
                share: f64::from(region.mask.area()) / (f64::from(region.mask.width()) * f64::from(region.mask.height())),
                trained: region.selected,
            });
        }
        let truth = sample.truth.as_ref().map(|objects| {
            let mut classes: Vec<u32> = objects.iter().map(|object| object.class).collect();
            classes.sort_unstable();
            classes.dedup();
            classes
        });
        let picture = Picture {
            id: sample.id.chars().take(ID_LENGTH).collect(),
            given: sample.label,
            width: sample.width,
            height: sample.height,
            added: decimals(added),
            labels,
            truth,
            view,
            masks,
            hidden_masks,
            image,
        };
        Ok(Self { classes: picture.classes(), has_truth: picture.truth.is_some(), json: json_for_script(&serde_json::to_string(&picture)?) })
    }
}

impl Picture {
    fn classes(&self) -> Vec<u32> {
        let scores = self.labels.iter().chain(self.masks.iter().flat_map(|mask| &mask.top)).map(|score| score.0);
        let mut classes: Vec<u32> = scores.chain(self.truth.iter().flatten().copied()).chain([self.given]).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }
}
