//! COCO files: read item by item, so that nothing of a file is kept but what the caller keeps.

mod polygon;

use std::collections::BTreeSet;
use std::fmt;
use std::io::BufReader;
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::files;
use convert_sdk::{Error, Mask, Result, ResultExt};

/// An entry of `images`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct CocoImage {
    /// What annotations name it by.
    pub id: u64,
    /// Its path.
    pub file_name: String,
    /// Pixels in a row.
    #[serde(default)]
    pub width: Option<u32>,
    /// Rows.
    #[serde(default)]
    pub height: Option<u32>,
    /// This project's own export: the single label.
    #[serde(default)]
    pub category_id: Option<u64>,
    /// This project's own export: the final labels.
    #[serde(default)]
    pub labels: Option<Vec<CocoScore>>,
}

/// A class of an image in this project's own export.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct CocoScore {
    /// The class.
    pub category_id: u64,
    /// Its probability, as the file has it.
    pub probability: f32,
}

/// An entry of `categories`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CocoCategory {
    /// What annotations name it by.
    pub id: u64,
    /// The class's name.
    #[serde(default)]
    pub name: Option<String>,
}

/// The category ids of a file in the order of the classes: a class's index is the place of its id among the sorted ids.
pub fn class_order(categories: &[CocoCategory]) -> Vec<u64> {
    categories.iter().map(|category| category.id).collect::<BTreeSet<_>>().into_iter().collect()
}

/// A mask has at most so many times the pixels of its image: that of an image before it was made smaller by four on each side.
const LARGER: u64 = 16;

/// What the masks of a file may take in memory together: 64 times the file's bytes, and 256 MB however short it is. Polygons of a few bytes may draw masks of many runs.
#[derive(Debug)]
pub struct MaskMemory {
    most: u64,
    taken: u64,
}

impl MaskMemory {
    /// That of a file.
    ///
    /// # Errors
    /// A file that is not there.
    pub fn of_file(path: &Path) -> Result<Self> {
        let length = std::fs::metadata(path).context(|| format!("cannot read {}", path.display()))?.len();
        Ok(Self { most: length.saturating_mul(64).saturating_add(256_000_000), taken: 0 })
    }

    /// Takes so many bytes for a mask that is kept.
    ///
    /// # Errors
    /// More than there are.
    pub fn take(&mut self, bytes: usize) -> Result<()> {
        self.taken = self.taken.saturating_add(bytes as u64);
        if self.taken > self.most {
            return Err(Error::invalid(format!("the masks of the file take more than {} MB, 64 times its size", self.most / 1_000_000)));
        }
        Ok(())
    }
}

/// A mask as COCO files write it.
#[derive(Clone, Debug, PartialEq)]
pub enum Segmentation {
    /// Compressed run lengths, with height and width.
    Compressed {
        /// Rows, columns.
        size: [u32; 2],
        /// The ASCII code.
        counts: String,
    },
    /// Run lengths, with height and width.
    Runs {
        /// Rows, columns.
        size: [u32; 2],
        /// Column by column, background first.
        counts: Vec<u32>,
    },
    /// Polygons of a connected or torn object, x and y in turn.
    Polygons(Vec<Vec<f64>>),
}

impl Segmentation {
    /// The mask's own width and height; polygons have none.
    pub fn size(&self) -> Option<(u32, u32)> {
        match self {
            Self::Compressed { size: [height, width], .. } | Self::Runs { size: [height, width], .. } => Some((*width, *height)),
            Self::Polygons(_) => None,
        }
    }

    /// The mask, on an image of `size` (width, height; 0 x 0 where it is not known); polygons are drawn as pycocotools draws them.
    ///
    /// # Errors
    /// Run lengths that do not fit their size, a mask of more than 16 times the image's pixels, a polygon that is none.
    pub fn mask(&self, size: (u32, u32)) -> Result<Mask> {
        self.check_size(size)?;
        match self {
            Self::Compressed { size: [height, width], counts } => Mask::from_counts(*width, *height, counts),
            Self::Runs { size: [height, width], counts } => Mask::from_runs(*width, *height, counts),
            Self::Polygons(polygons) => polygon::fill(size.0, size.1, polygons),
        }
    }

    /// Refuses run lengths of a mask that is far larger than its image of `size`, before anything works on its pixels. An image of unknown size, 0 x 0, is as
    /// large as images may be.
    fn check_size(&self, image: (u32, u32)) -> Result<()> {
        let pixels = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
        let Some((width, height)) = self.size().filter(|_| pixels(image) > 0) else { return Ok(()) };
        if pixels((width, height)) > pixels(image).saturating_mul(LARGER) {
            return Err(Error::invalid(format!(
                "a mask of {width}x{height} pixels is over {LARGER} times as large as its image of {}x{}",
                image.0, image.1
            )));
        }
        Ok(())
    }
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

/// Who takes the items of a COCO file, in one pass over it: as they come, in whatever order its sections stand. Of an item, each reader's own types say what is wanted; what
/// is not wanted at all is [`IgnoredAny`].
pub trait CocoReader {
    /// An entry of `images`.
    type Image: DeserializeOwned;
    /// An entry of `annotations`, or of a list of results, which has no sections.
    type Annotation: DeserializeOwned;
    /// An entry of `categories`.
    type Category: DeserializeOwned;

    /// Learns that a section is there, before its items come; it may be empty.
    fn begin(&mut self, _section: &str) {}

    /// Takes an image.
    ///
    /// # Errors
    /// What is wrong with it; nothing more is read then.
    fn image(&mut self, image: Self::Image) -> Result<()>;

    /// Takes an annotation.
    ///
    /// # Errors
    /// As [`CocoReader::image`].
    fn annotation(&mut self, annotation: Self::Annotation) -> Result<()>;

    /// Takes a category.
    ///
    /// # Errors
    /// As [`CocoReader::image`].
    fn category(&mut self, category: Self::Category) -> Result<()>;
}

/// Hands the items of a file to a reader, once and one by one.
///
/// # Errors
/// A file that cannot be read or is not a COCO file, and what the reader says of an item.
pub fn read(path: &Path, reader: &mut impl CocoReader) -> Result<()> {
    let file = files::open_regular(path, files::MAX_STREAM).map_err(|error| Error::invalid(format!("cannot read {}: {error}", path.display())))?;
    let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(1 << 20, file));
    // What the reader says of an item is kept beside the parser, which would call it a broken file.
    let mut refusal = None;
    let read = (Document { reader, refusal: &mut refusal }).deserialize(&mut json).and_then(|()| json.end());
    match refusal {
        Some(error) => Err(error),
        None => read.map_err(|error| Error::invalid(format!("{} is not a COCO file, or a broken one: {error}", path.display()))),
    }
}

/// A file whose items are handed out.
struct Document<'a, R> {
    reader: &'a mut R,
    refusal: &'a mut Option<Error>,
}

impl<R: CocoReader> Document<'_, R> {
    /// The seed of a section.
    fn section<T>(&mut self, take: fn(&mut R, T) -> Result<()>) -> Items<'_, R, T> {
        Items { reader: self.reader, refusal: self.refusal, take }
    }
}

impl<'de, R: CocoReader> DeserializeSeed<'de> for Document<'_, R> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, R: CocoReader> Visitor<'de> for Document<'_, R> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `images` and `annotations`, or a list of results")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            self.reader.begin(&key);
            match key.as_str() {
                "images" => map.next_value_seed(self.section(R::image))?,
                "annotations" => map.next_value_seed(self.section(R::annotation))?,
                "categories" => map.next_value_seed(self.section(R::category))?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, sequence: A) -> Result<(), A::Error> {
        self.reader.begin("annotations");
        self.section(R::annotation).visit_seq(sequence)
    }
}

struct Items<'a, R, T> {
    reader: &'a mut R,
    refusal: &'a mut Option<Error>,
    take: fn(&mut R, T) -> Result<()>,
}

impl<'de, R, T: DeserializeOwned> DeserializeSeed<'de> for Items<'_, R, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, R, T: DeserializeOwned> Visitor<'de> for Items<'_, R, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while let Some(item) = sequence.next_element()? {
            (self.take)(self.reader, item).map_err(|error| {
                *self.refusal = Some(error);
                serde::de::Error::custom("an item was refused")
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_of_one_mask_agree() {
        // pycocotools.mask.encode and frPyObjects of a 5x4 image's block of 3x2 pixels at column 1, row 1
        for text in [
            r#"{"size": [4, 5], "counts": "5220003"}"#,
            r#"{"counts": [5, 2, 2, 2, 2, 2, 5], "size": [4, 5], "x": {"y": [1]}}"#,
            "[[1, 1, 4, 1, 4, 3, 1, 3]]",
        ] {
            let segmentation: Segmentation = serde_json::from_str(text).unwrap();
            assert_eq!(segmentation.mask((5, 4)).unwrap().counts(), "5220003", "{text}");
        }
        for text in ["3", r#"{"size": [4, 5]}"#, r#"{"size": [4], "counts": "0"}"#, r#"{"size": [4, 5], "counts": true}"#, r#"[["a"]]"#] {
            assert!(serde_json::from_str::<Segmentation>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_mask_costs_its_runs_and_is_not_far_larger_than_its_image() {
        let of = |text: &str, size| serde_json::from_str::<Segmentation>(text).unwrap().mask(size).map_err(|error| error.to_string());
        let huge = r#"{"size": [65535, 65535], "counts": [4294836225]}"#;
        assert!(of(huge, (10, 10)).unwrap_err().contains("over 16 times as large as its image of 10x10"));
        assert!(of(huge, (0, 0)).unwrap_err().contains("larger than any image may be"));
        assert_eq!(of(r#"{"size": [40, 40], "counts": [0, 1600]}"#, (10, 10)).unwrap().area(), 1600);
        assert!(of(r#"{"size": [40, 41], "counts": [1640]}"#, (10, 10)).is_err());
    }

    #[test]
    fn classes_stand_in_the_order_of_their_ids() {
        let category = |id| CocoCategory { id, name: None };
        assert_eq!(class_order(&[category(90), category(3), category(90)]), [3, 90]);
    }
}
