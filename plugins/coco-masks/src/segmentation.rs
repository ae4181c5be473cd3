//! An annotation's `segmentation` in its three forms, and its bytes in the spool.

use std::fmt;

use convert_sdk::{Error, Mask, Result, serde};
use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A mask as COCO files write it.
#[derive(Clone, Debug, PartialEq)]
pub enum Segmentation {
    /// Compressed run lengths with the mask's own size.
    Compressed {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// The ASCII code.
        counts: String,
    },
    /// Uncompressed run lengths with the mask's own size.
    Runs {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Column-major, background first.
        runs: Vec<u32>,
    },
    /// Polygons, x and y in turn, in pixels of the image.
    Polygons(Vec<Vec<f64>>),
}

impl Segmentation {
    /// The mask's own size; polygons have none.
    pub fn size(&self) -> Option<(u32, u32)> {
        match self {
            Self::Compressed { width, height, .. } | Self::Runs { width, height, .. } => Some((*width, *height)),
            Self::Polygons(_) => None,
        }
    }

    /// The mask; `image` is the size that polygons are drawn at.
    ///
    /// # Errors
    /// Run lengths that do not fit their size.
    pub fn mask(&self, image: (u32, u32)) -> Result<Mask> {
        match self {
            Self::Compressed { width, height, counts } => Mask::from_counts(*width, *height, counts),
            Self::Runs { width, height, runs } => Mask::from_runs(*width, *height, runs),
            Self::Polygons(polygons) => {
                let mut mask = Mask::empty(image.0, image.1)?;
                for polygon in polygons {
                    mask = mask.union(&Mask::from_polygon(image.0, image.1, polygon)?)?;
                }
                Ok(mask)
            }
        }
    }

    /// The bytes that [`Segmentation::from_bytes`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (kind, (width, height)) = (
            match self {
                Self::Compressed { .. } => 0u8,
                Self::Runs { .. } => 1,
                Self::Polygons(_) => 2,
            },
            self.size().unwrap_or_default(),
        );
        let mut bytes = vec![kind];
        bytes.extend(width.to_le_bytes());
        bytes.extend(height.to_le_bytes());
        match self {
            Self::Compressed { counts, .. } => bytes.extend(counts.as_bytes()),
            Self::Runs { runs, .. } => runs.iter().for_each(|run| bytes.extend(run.to_le_bytes())),
            Self::Polygons(polygons) => {
                for polygon in polygons {
                    bytes.extend((polygon.len() as u32).to_le_bytes());
                    polygon.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
                }
            }
        }
        bytes
    }

    /// What [`Segmentation::to_bytes`] wrote.
    ///
    /// # Errors
    /// Other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let broken = || Error::invalid("the spooled masks are broken");
        let (head, rest) = bytes.split_at_checked(9).ok_or_else(broken)?;
        let number = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).map_err(|_| broken());
        let (width, height) = (number(&head[1..5])?, number(&head[5..9])?);
        match head[0] {
            0 => Ok(Self::Compressed { width, height, counts: String::from_utf8(rest.to_vec()).map_err(|_| broken())? }),
            1 => Ok(Self::Runs { width, height, runs: rest.chunks(4).map(number).collect::<Result<_>>()? }),
            2 => {
                let (mut polygons, mut rest) = (Vec::new(), rest);
                while !rest.is_empty() {
                    let (count, after) = rest.split_at_checked(4).ok_or_else(broken)?;
                    let (numbers, after) = after.split_at_checked(number(count)? as usize * 8).ok_or_else(broken)?;
                    let real = |bytes: &[u8]| bytes.try_into().map(f64::from_le_bytes).map_err(|_| broken());
                    polygons.push(numbers.chunks(8).map(real).collect::<Result<_>>()?);
                    rest = after;
                }
                Ok(Self::Polygons(polygons))
            }
            _ => Err(broken()),
        }
    }
}

impl<'de> Deserialize<'de> for Segmentation {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Form)
    }
}

struct Form;

impl<'de> Visitor<'de> for Form {
    type Value = Segmentation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("polygons, or an object with `size` and `counts`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Segmentation, A::Error> {
        let mut polygons = Vec::new();
        while let Some(polygon) = sequence.next_element()? {
            polygons.push(polygon);
        }
        Ok(Segmentation::Polygons(polygons))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Segmentation, A::Error> {
        let (mut size, mut counts) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "size" => size = Some(map.next_value::<[u32; 2]>()?),
                "counts" => counts = Some(map.next_value()?),
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        let [height, width] = size.ok_or_else(|| A::Error::missing_field("size"))?;
        Ok(match counts.ok_or_else(|| A::Error::missing_field("counts"))? {
            Counts::Compressed(counts) => Segmentation::Compressed { width, height, counts },
            Counts::Runs(runs) => Segmentation::Runs { width, height, runs },
        })
    }
}

enum Counts {
    Compressed(String),
    Runs(Vec<u32>),
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountsVisitor;
        impl<'de> Visitor<'de> for CountsVisitor {
            type Value = Counts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("compressed counts as text, or a list of run lengths")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Counts, E> {
                Ok(Counts::Compressed(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Counts, A::Error> {
                let mut runs = Vec::new();
                while let Some(run) = sequence.next_element()? {
                    runs.push(run);
                }
                Ok(Counts::Runs(runs))
            }
        }
        deserializer.deserialize_any(CountsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_of_one_mask_agree_and_survive_the_spool() {
        // pycocotools.mask.encode and frPyObjects of a 5x4 image's block of 3x2 pixels at column 1, row 1
        for text in [
            r#"{"size": [4, 5], "counts": "5220003"}"#,
            r#"{"counts": [5, 2, 2, 2, 2, 2, 5], "size": [4, 5], "x": {"y": [1]}}"#,
            "[[1, 1, 4, 1, 4, 3, 1, 3]]",
        ] {
            let segmentation: Segmentation = serde_json::from_str(text).unwrap();
            assert_eq!(segmentation.mask((5, 4)).unwrap().counts(), "5220003", "{text}");
            assert_eq!(Segmentation::from_bytes(&segmentation.to_bytes()).unwrap(), segmentation);
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in ["3", r#"{"size": [4, 5]}"#, r#"{"size": [4], "counts": "0"}"#, r#"{"size": [4, 5], "counts": true}"#, r#"[["a"]]"#] {
            assert!(serde_json::from_str::<Segmentation>(text).is_err(), "{text}");
        }
        assert!(Segmentation::from_bytes(&[7; 9]).is_err() && Segmentation::from_bytes(&[]).is_err() && Segmentation::from_bytes(&[2; 12]).is_err());
    }
}
