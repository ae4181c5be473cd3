//! The proposer itself.

use convert_sdk::tracing::{info, warn};
use convert_sdk::{Context, Deserialize, Error, InputFile, JsonSchema, Plugin, Proposal, Proposer, Result, SampleImage, config, schemars, serde};

use crate::file::CocoFile;
use crate::results::RegionResults;
use crate::spool::Entry;

/// Takes the masks of a COCO file as proposals: CutLER's pseudo-masks, annotations of people, or an earlier export (method 8).
///
/// Run lengths, compressed or not, and polygons are read. An image is found by its `file_name`, which should be the sample's id (`n01440764/x.JPEG`), or else by
/// the name without folder and extension where only one image has it. Files written by CutLER swap the images' width and height: that is detected and
/// reported, and the masks' own sizes count. The file is read once; in memory stay about 40 bytes a mask and 70 an image, the masks lie in the cache folder.
/// A proposal's score is the annotation's `score`, 1 where there is none; its measure `annotation` is the annotation's id.
#[config]
#[derive(Clone, Debug)]
pub struct CocoMasksConfig {
    /// The COCO file.
    pub file: InputFile,
    /// Whether annotations with `iscrowd: 1` are taken as well.
    #[serde(default)]
    pub crowds: bool,
    /// What an image does that the file does not have.
    #[serde(default)]
    pub missing: Missing,
    /// The authors' region results, `.pt` or JSON, `{annotation id: {"prob": [5], "label": [5]}}`: the probability of a mask's first class becomes its score, its
    /// class the measure `class`. A mask without an entry is an error.
    #[serde(default)]
    pub results: Option<InputFile>,
    /// Masks with a lower score are left out. Default: none is.
    #[serde(default)]
    pub min_score: Option<f32>,
}

/// The measure with an annotation's id.
pub const ANNOTATION: &str = "annotation";

/// What an image does that the file does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "serde", rename_all = "kebab-case")]
#[schemars(crate = "schemars")]
pub enum Missing {
    /// It is left out of the run, and recorded as bad.
    #[default]
    Skip,
    /// It has no masks.
    Empty,
}

/// See [`CocoMasksConfig`].
#[derive(Debug)]
pub struct CocoMasks {
    file: CocoFile,
    results: Option<RegionResults>,
    missing: Missing,
    min_score: f32,
}

impl Plugin for CocoMasks {
    type Config = CocoMasksConfig;

    fn new(config: Self::Config, context: Context) -> Result<Self> {
        let file = CocoFile::read(&config.file, &context.settings().cache_folder, config.crowds)?;
        info!("{}: {} masks of {} images", config.file.display(), file.spool.entries().len(), file.images());
        if file.swapped > 0 {
            warn!(
                "{} swaps width and height of {} of {} images, as files written by CutLER do: the masks' own sizes are used instead",
                config.file.display(),
                file.swapped,
                file.images()
            );
        }
        let results = config.results.as_deref().map(RegionResults::read).transpose()?;
        Ok(Self { file, results, missing: config.missing, min_score: config.min_score.unwrap_or(f32::NEG_INFINITY) })
    }
}

impl Proposer for CocoMasks {
    fn propose(&self, images: &[SampleImage<'_>]) -> Result<Vec<Vec<Proposal>>> {
        images.iter().map(|sample| self.masks(sample)).collect()
    }
}

impl CocoMasks {
    fn masks(&self, sample: &SampleImage<'_>) -> Result<Vec<Proposal>> {
        let Some(record) = self.file.image(sample.id) else {
            return match self.missing {
                Missing::Empty => Ok(Vec::new()),
                Missing::Skip => Err(Error::invalid("the image is not in the COCO file; `missing: empty` takes such images as ones without masks")),
            };
        };
        let actual = (sample.image.width(), sample.image.height());
        let drawn = record.size.filter(|(width, height)| (*height, *width) != actual).unwrap_or(actual);
        let proposals = self.file.spool.of_image(record.id).iter().map(|entry| self.proposal(entry, drawn, actual));
        proposals.filter(|proposal| proposal.as_ref().map_or(true, |proposal| proposal.score >= self.min_score)).collect()
    }

    fn proposal(&self, entry: &Entry, drawn: (u32, u32), actual: (u32, u32)) -> Result<Proposal> {
        let named = |error: Error| error.context(format!("annotation {}", entry.annotation));
        let mask = self.file.spool.read(entry).and_then(|segmentation| segmentation.mask(drawn)).map_err(named)?;
        let (width, height) = (mask.width(), mask.height());
        if actual.0 != actual.1 && (height, width) == actual {
            return Err(Error::invalid(format!(
                "annotation {}: its mask has {width}x{height} pixels, its image {}x{}",
                entry.annotation, actual.0, actual.1
            )));
        }
        let (mut score, mut class) = (entry.score, None);
        if let Some(results) = &self.results {
            let top = results.of(entry.annotation)?[0]; // never empty
            (class, score) = (Some(top.class), top.probability.get());
        }
        let proposal = Proposal::new(mask, score)?.with_measure(ANNOTATION, entry.annotation as f64);
        Ok(class.into_iter().fold(proposal, |proposal, class| proposal.with_measure("class", f64::from(class))))
    }
}

#[cfg(test)]
mod tests;
