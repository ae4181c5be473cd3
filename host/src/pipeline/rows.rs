//! What the stages store of an image.

use std::path::Path;

use convert_sdk::{ClassScore, Error, LabelMap, LabelVector, Mask, Measure, Proposal, Region};
use serde::{Deserialize, Serialize};

use crate::engine::{self, Entry, Row};
use crate::errors::{AnyError, PluginError};

/// A named number of a mask.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MeasureRow {
    pub name: String,
    pub value: f64,
}

/// A proposal; `counts` is COCO's compressed code of the mask.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProposalRow {
    pub width: u32,
    pub height: u32,
    pub counts: String,
    pub score: f32,
    pub measures: Vec<MeasureRow>,
}

/// A proposal that a refiner dropped; in a proposer's row, that there is none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DroppedRow {
    /// Its index in the stage before.
    pub index: u32,
    pub reason: String,
}

/// The proposals of an image of `width` x `height` pixels, after the proposer or a refiner.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageProposals {
    pub width: u32,
    pub height: u32,
    pub proposals: Vec<ProposalRow>,
    pub dropped: Vec<DroppedRow>,
}

/// A mask at the image's size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegionRow {
    pub counts: String,
    pub source: String,
    pub score: f32,
    pub measures: Vec<MeasureRow>,
}

/// All regions of an image, of all configurations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageRegions {
    pub width: u32,
    pub height: u32,
    pub regions: Vec<RegionRow>,
}

/// What the selector said of a region.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SelectionRow {
    pub confidence: f32,
    pub keep: bool,
    pub label: u32,
}

/// What the selector said of an image's regions, in their order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageSelections {
    pub selections: Vec<SelectionRow>,
}

/// The labeler's probabilities of an image and of its regions, in their order: those that do not round to zero at four decimals, and at least the best five, best first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImagePrediction {
    pub global: Vec<ClassScore>,
    pub masks: Vec<Vec<ClassScore>>,
}

/// A label map, `[depth, rows, columns]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageMap {
    pub depth: u32,
    pub rows: u32,
    pub columns: u32,
    pub logits: Vec<f32>,
    pub classes: Vec<u32>,
}

/// The labels of an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageLabels {
    pub labels: LabelVector,
}

macro_rules! records {
    ($($form:ident($row:ty), $get:ident;)+) => {
        /// What a stage stores of an image: a row of one of these kinds.
        #[derive(Debug)]
        pub enum Record {
            $($form($row)),+
        }

        /// The kinds of [`Record`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Form {
            $($form),+
        }

        impl engine::Record for Record {
            type Form = Form;

            fn read(form: Form, folder: &Path, shard: usize) -> Result<Vec<Row<Self>>, AnyError> {
                match form {
                    $(Form::$form => {
                        let rows = engine::read_rows::<Row<$row>>(folder, shard)?;
                        Ok(rows.into_iter().map(|Row { sample, value }| Row { sample, value: Self::$form(value) }).collect())
                    })+
                }
            }

            fn write(form: Form, folder: &Path, shard: usize, rows: &[(&str, &Self)], errors: &[Entry]) -> Result<(), AnyError> {
                match form {
                    $(Form::$form => {
                        let rows = rows.iter().map(|(sample, record)| Ok(Borrowed { sample, value: record.$get()? }));
                        let rows = rows.collect::<Result<Vec<_>, Error>>().map_err(PluginError)?;
                        engine::write_rows::<Row<$row>>(folder, shard, &rows, errors)
                    })+
                }
            }
        }

        impl Record {
            $(
                /// The row, when it is of this kind.
                ///
                /// # Errors
                /// A row of another kind.
                pub fn $get(&self) -> Result<&$row, Error> {
                    match self {
                        Self::$form(row) => Ok(row),
                        other => Err(Error::invalid(format!("a row of {} was expected, not {other:?}", stringify!($get)))),
                    }
                }
            )+
        }
    };
}

records! {
    Proposals(ImageProposals), proposals;
    Regions(ImageRegions), regions;
    Map(ImageMap), map;
    Selections(ImageSelections), selections;
    Prediction(ImagePrediction), prediction;
    Labels(ImageLabels), labels;
}

/// A row as it is written.
#[derive(Serialize)]
struct Borrowed<'a, T> {
    sample: &'a str,
    value: &'a T,
}

fn measure_rows(measures: &[Measure]) -> Vec<MeasureRow> {
    measures.iter().map(|measure| MeasureRow { name: measure.name.clone(), value: measure.value }).collect()
}

fn measures(rows: Vec<MeasureRow>) -> Vec<Measure> {
    rows.into_iter().map(|row| Measure { name: row.name, value: row.value }).collect()
}

impl From<&Proposal> for ProposalRow {
    fn from(proposal: &Proposal) -> Self {
        Self {
            width: proposal.mask.width(),
            height: proposal.mask.height(),
            counts: proposal.mask.counts(),
            score: proposal.score,
            measures: measure_rows(&proposal.measures),
        }
    }
}

impl TryFrom<ProposalRow> for Proposal {
    type Error = Error;
    fn try_from(row: ProposalRow) -> Result<Self, Error> {
        let mut proposal = Proposal::new(Mask::from_counts(row.width, row.height, &row.counts)?, row.score)?;
        proposal.measures = measures(row.measures);
        Ok(proposal)
    }
}

impl RegionRow {
    /// The row of a region.
    pub fn new(mask: &Mask, source: &str, proposal: &Proposal) -> Self {
        Self { counts: mask.counts(), source: source.to_owned(), score: proposal.score, measures: measure_rows(&proposal.measures) }
    }
}

impl ImageRegions {
    /// The regions themselves.
    ///
    /// # Errors
    /// A row that is no mask of the image's size.
    pub fn into_regions(self) -> Result<Vec<Region>, Error> {
        let (width, height) = (self.width, self.height);
        let region = |row: RegionRow| {
            Ok(Region {
                mask: Mask::from_counts(width, height, &row.counts)?,
                source: row.source,
                score: row.score,
                measures: measures(row.measures),
            })
        };
        self.regions.into_iter().map(region).collect()
    }

    /// The masks alone.
    ///
    /// # Errors
    /// As [`ImageRegions::into_regions`].
    pub fn masks(&self) -> Result<Vec<Mask>, Error> {
        self.regions.iter().map(|row| Mask::from_counts(self.width, self.height, &row.counts)).collect()
    }
}

impl From<&LabelMap> for ImageMap {
    fn from(map: &LabelMap) -> Self {
        Self {
            depth: map.depth() as u32,
            rows: map.rows() as u32,
            columns: map.columns() as u32,
            logits: map.logits().to_vec(),
            classes: map.classes().to_vec(),
        }
    }
}

impl TryFrom<ImageMap> for LabelMap {
    type Error = Error;
    fn try_from(row: ImageMap) -> Result<Self, Error> {
        LabelMap::new(row.depth as usize, row.rows as usize, row.columns as usize, row.logits, row.classes)
    }
}
