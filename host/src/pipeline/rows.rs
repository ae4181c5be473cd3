//! What the stages store of an image.

use bytes::Bytes;
use convert_sdk::{ClassScore, Error, LabelMap, LabelVector, Mask, Probability, Proposal, Region, Selection};
use serde::{Deserialize, Serialize};

use crate::engine::{self, Entry, Row};
use crate::errors::{AnyError, PluginError};

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
    pub proposals: Vec<Proposal>,
    pub dropped: Vec<DroppedRow>,
}

/// All regions of an image, of all configurations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageRegions {
    pub width: u32,
    pub height: u32,
    pub regions: Vec<Region>,
}

/// What the selector said of an image's regions, in their order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageSelections {
    pub selections: Vec<Selection>,
}

/// The labeler's probabilities of an image and of its regions, in their order: those that do not round to zero at four decimals, and at least the best five, best first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImagePrediction {
    pub global: Vec<ClassScore>,
    pub masks: Vec<Vec<ClassScore>>,
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

            fn decode(form: Form, bytes: &Bytes) -> Result<Vec<Row<Self>>, AnyError> {
                match form {
                    $(Form::$form => {
                        let rows = engine::decode_rows::<Row<$row>>(bytes)?;
                        Ok(rows.into_iter().map(|Row { sample, value }| Row { sample, value: Self::$form(value) }).collect())
                    })+
                }
            }

            fn encode(form: Form, rows: &[(&str, &Self)], left_out: &[Entry]) -> Result<Vec<u8>, AnyError> {
                match form {
                    $(Form::$form => {
                        let rows = rows.iter().map(|(sample, record)| Ok(Borrowed { sample, value: record.$get()? }));
                        let rows = rows.collect::<Result<Vec<_>, Error>>().map_err(PluginError)?;
                        engine::encode_rows(&Row { sample: String::new(), value: <$row>::example().map_err(PluginError)? }, &rows, left_out)
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
    Map(LabelMap), map;
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

/// A row with one of everything, from which the columns of its shards are made.
trait Example: Sized {
    fn example() -> Result<Self, Error>;
}

fn proposal() -> Result<Proposal, Error> {
    Ok(Proposal::new(Mask::full(1, 1)?, 0.0)?.with_measure("", 0.0))
}

fn scores() -> Vec<ClassScore> {
    vec![ClassScore { class: 0, probability: Probability::ONE }]
}

impl Example for ImageProposals {
    fn example() -> Result<Self, Error> {
        Ok(Self { width: 0, height: 0, proposals: vec![proposal()?], dropped: vec![DroppedRow { index: 0, reason: String::new() }] })
    }
}

impl Example for ImageRegions {
    fn example() -> Result<Self, Error> {
        let Proposal { mask, score, measures } = proposal()?;
        Ok(Self { width: 0, height: 0, regions: vec![Region { mask, source: String::new(), score, measures }] })
    }
}

impl Example for LabelMap {
    fn example() -> Result<Self, Error> {
        Self::new(1, 1, 1, vec![0.0], vec![0])
    }
}

impl Example for ImageSelections {
    fn example() -> Result<Self, Error> {
        Ok(Self { selections: vec![Selection { confidence: Probability::ONE, keep: false, label: 0 }] })
    }
}

impl Example for ImagePrediction {
    fn example() -> Result<Self, Error> {
        Ok(Self { global: scores(), masks: vec![scores()] })
    }
}

impl Example for ImageLabels {
    fn example() -> Result<Self, Error> {
        Ok(Self { labels: scores().into() })
    }
}
