//! JSON files of labels, told apart by what they hold, read as a stream: what is not needed, segmentations above all, is never kept.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufReader;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{MAX_CLASSES, check_class};
use crate::coco::{CocoCategory, CocoImage, class_order};
use crate::files;
use convert_sdk::{Error, Result, ResultExt};

/// What a JSON file of labels holds.
pub(super) enum LabelFile {
    /// ReaL: for each image of ImageNet's validation set, in the order of their numbers, its classes.
    Ordered(Vec<Vec<u32>>),
    /// By image name: ImageNetV2's multi-labels, or the authors' training JSON.
    Named(Vec<(String, NamedLabels)>),
    /// COCO.
    Coco(CocoLabels),
}

/// The labels of a named image.
pub(super) enum NamedLabels {
    /// `["370", "12"]`, or numbers.
    Classes(Vec<u32>),
    /// `{"multilabel": [K floats], "gt": int}`, the entries that are not 0.
    Scores { scores: Vec<(u32, f32)>, classes: u32, label: u32 },
}

/// The image-level part of a COCO file.
#[derive(Default)]
pub(super) struct CocoLabels {
    pub images: Vec<CocoImage>,
    pub annotations: Vec<CocoAnnotation>,
    pub categories: Vec<CocoCategory>,
}

#[derive(Deserialize)]
#[serde(crate = "serde")]
pub(super) struct CocoAnnotation {
    pub image_id: u64,
    pub category_id: u64,
    #[serde(default)]
    pub score: Option<f32>,
}

impl CocoLabels {
    /// The class index of each category: the place of its id among the sorted ids.
    pub fn classes(&self) -> BTreeMap<u64, u32> {
        class_order(&self.categories).into_iter().zip(0..).collect()
    }
}

impl LabelFile {
    pub fn read(path: &Path) -> Result<Self> {
        let file = files::open_regular(path, files::MAX_STREAM).context(|| format!("cannot read {}", path.display()))?;
        let mut deserializer = serde_json::Deserializer::from_reader(BufReader::with_capacity(1 << 20, file));
        let read = deserializer.deserialize_any(FileVisitor).and_then(|labels| deserializer.end().map(|()| labels));
        read.map_err(|error| Error::invalid(format!("cannot read the labels of {}: {error}", path.display())))
    }
}

struct FileVisitor;

impl<'de> Visitor<'de> for FileVisitor {
    type Value = LabelFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReaL's list of lists, ImageNetV2's or the authors' object by image, or a COCO file")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<LabelFile, A::Error> {
        let mut lists = Vec::new();
        while let Some(classes) = sequence.next_element::<Vec<ClassIndex>>()? {
            lists.push(classes.into_iter().map(|ClassIndex(class)| class).collect());
        }
        Ok(LabelFile::Ordered(lists))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LabelFile, A::Error> {
        let (mut coco, mut is_coco, mut named) = (CocoLabels::default(), false, Vec::new());
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "images" => (coco.images, is_coco) = (map.next_value()?, true),
                "annotations" => (coco.annotations, is_coco) = (map.next_value()?, true),
                "categories" => coco.categories = map.next_value()?,
                "info" | "licenses" | "type" => _ = map.next_value::<IgnoredAny>()?,
                _ => named.push((key, map.next_value()?)),
            }
        }
        match (is_coco, named.first()) {
            (false, _) => Ok(LabelFile::Named(named)),
            (true, None) => Ok(LabelFile::Coco(coco)),
            (true, Some((key, _))) => Err(A::Error::custom(format!("a COCO file has no key `{key}`"))),
        }
    }
}

impl<'de> Deserialize<'de> for NamedLabels {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamedVisitor)
    }
}

struct NamedVisitor;

impl<'de> Visitor<'de> for NamedVisitor {
    type Value = NamedLabels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of class indices, or an object with `multilabel` and `gt`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<NamedLabels, A::Error> {
        let mut classes = Vec::new();
        while let Some(ClassIndex(class)) = sequence.next_element()? {
            classes.push(class);
        }
        Ok(NamedLabels::Classes(classes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NamedLabels, A::Error> {
        let (mut dense, mut label) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "multilabel" => dense = Some(map.next_value::<Vec<f32>>()?),
                "gt" => label = Some(map.next_value::<ClassIndex>()?.0),
                other => return Err(A::Error::custom(format!("unknown key `{other}` beside `multilabel` and `gt`"))),
            }
        }
        let dense = dense.ok_or_else(|| A::Error::missing_field("multilabel"))?;
        if dense.len() > MAX_CLASSES as usize {
            return Err(A::Error::custom(format!("`multilabel` has {} numbers, more than the limit of {MAX_CLASSES} classes", dense.len())));
        }
        Ok(NamedLabels::Scores {
            classes: dense.len() as u32,
            scores: (0..).zip(dense).filter(|(_, score)| *score != 0.0).collect(),
            label: label.ok_or_else(|| A::Error::missing_field("gt"))?,
        })
    }
}

/// A class index, as a number or as text.
struct ClassIndex(u32);

impl<'de> Deserialize<'de> for ClassIndex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Index;
        impl Visitor<'_> for Index {
            type Value = ClassIndex;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a class index")
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<ClassIndex, E> {
                check_class(value).map(ClassIndex).map_err(E::custom)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ClassIndex, E> {
                let number = text.parse::<u64>().map_err(|_| E::custom(format!("`{text}` is not a class index")))?;
                self.visit_u64(number)
            }
        }
        deserializer.deserialize_any(Index)
    }
}
