//! COCO files, item by item: nothing of a file is kept but what the caller keeps.

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::marker::PhantomData;
use std::path::Path;

use convert_sdk::{Error, Mask, Result};
use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// An entry of `images`.
#[derive(Debug, Deserialize)]
pub(super) struct ImageEntry {
    pub id: u64,
    pub file_name: String,
    pub width: u32,
    pub height: u32,
}

/// An entry of `annotations`, or of a list of results.
#[derive(Debug, Deserialize)]
pub(super) struct Annotation {
    pub image_id: u64,
    /// x, y, width, height.
    pub bbox: Option<[f64; 4]>,
    pub segmentation: Option<Segmentation>,
    pub score: Option<f64>,
    /// The proposer's own score, in files of the exporter `coco`, whose `score` is the labeler's.
    pub proposal_score: Option<f64>,
    #[serde(default)]
    pub iscrowd: u8,
}

/// A mask as COCO files write it.
#[derive(Debug)]
pub(super) enum Segmentation {
    /// Compressed run lengths.
    Compressed { size: [u32; 2], counts: String },
    /// Run lengths.
    Runs { size: [u32; 2], counts: Vec<u32> },
    /// Polygons of a connected or torn object, x and y in turn.
    Polygons(Vec<Vec<f64>>),
}

/// The two forms of `counts`.
enum Counts {
    Text(String),
    Runs(Vec<u32>),
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Counts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("compressed counts as text, or a list of run lengths")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Counts, E> {
                Ok(Counts::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Counts, A::Error> {
                let mut runs = Vec::new();
                while let Some(run) = sequence.next_element()? {
                    runs.push(run);
                }
                Ok(Counts::Runs(runs))
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl<'de> Deserialize<'de> for Segmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Segmentation;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("polygons, or an object with `size` and `counts`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Segmentation, A::Error> {
                let (mut size, mut counts) = (None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "size" => size = Some(map.next_value()?),
                        "counts" => counts = Some(map.next_value()?),
                        _ => _ = map.next_value::<IgnoredAny>()?,
                    }
                }
                let missing = <A::Error as serde::de::Error>::missing_field;
                let size = size.ok_or_else(|| missing("size"))?;
                Ok(match counts.ok_or_else(|| missing("counts"))? {
                    Counts::Text(counts) => Segmentation::Compressed { size, counts },
                    Counts::Runs(counts) => Segmentation::Runs { size, counts },
                })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Segmentation, A::Error> {
                let mut polygons = Vec::new();
                while let Some(polygon) = sequence.next_element()? {
                    polygons.push(polygon);
                }
                Ok(Segmentation::Polygons(polygons))
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl Segmentation {
    /// The mask; polygons are drawn on an image of `size` (width, height).
    pub fn mask(&self, size: (u32, u32)) -> Result<Mask> {
        match self {
            Self::Compressed { size: [height, width], counts } => Mask::from_counts(*width, *height, counts),
            Self::Runs { size: [height, width], counts } => Mask::from_runs(*width, *height, counts),
            Self::Polygons(polygons) => {
                polygons.iter().try_fold(Mask::empty(size.0, size.1)?, |mask, polygon| mask.union(&Mask::from_polygon(size.0, size.1, polygon)?))
            }
        }
    }
}

/// The images of a file; none in a list of results.
pub(super) fn images(path: &Path, take: impl FnMut(ImageEntry) -> Result<()>) -> Result<()> {
    read(path, "images", take)
}

/// The annotations of a file, or of a list of results.
pub(super) fn annotations(path: &Path, take: impl FnMut(Annotation) -> Result<()>) -> Result<()> {
    read(path, "annotations", take)
}

fn read<T: DeserializeOwned>(path: &Path, section: &'static str, take: impl FnMut(T) -> Result<()>) -> Result<()> {
    let file = File::open(path).map_err(|error| Error::invalid(format!("cannot read {}: {error}", path.display())))?;
    let mut reader = serde_json::Deserializer::from_reader(BufReader::with_capacity(1 << 20, file));
    let document = Document { section, take, item: PhantomData };
    document
        .deserialize(&mut reader)
        .and_then(|()| reader.end())
        .map_err(|error| Error::invalid(format!("{} is no COCO file, or a broken one: {error}", path.display())))
}

/// A file of which one section's items are handed out.
struct Document<T, F> {
    section: &'static str,
    take: F,
    item: PhantomData<T>,
}

impl<'de, T: DeserializeOwned, F: FnMut(T) -> Result<()>> DeserializeSeed<'de> for Document<T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: DeserializeOwned, F: FnMut(T) -> Result<()>> Visitor<'de> for Document<T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with `{}`, or a list of results", self.section)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == self.section {
                map.next_value_seed(Items { take: &mut self.take, item: PhantomData })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<(), A::Error> {
        if self.section == "annotations" {
            return Items { take: &mut self.take, item: PhantomData }.visit_seq(sequence);
        }
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

struct Items<'a, T, F> {
    take: &'a mut F,
    item: PhantomData<T>,
}

impl<'de, T: DeserializeOwned, F: FnMut(T) -> Result<()>> DeserializeSeed<'de> for Items<'_, T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned, F: FnMut(T) -> Result<()>> Visitor<'de> for Items<'_, T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while let Some(item) = sequence.next_element()? {
            (self.take)(item).map_err(serde::de::Error::custom)?;
        }
        Ok(())
    }
}
