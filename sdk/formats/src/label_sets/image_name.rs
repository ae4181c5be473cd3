//! How one image is named in several files.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The name of an image without folder, extension, and the `_<wnid>` that some copies of ImageNet's validation set append:
/// `n01440764/ILSVRC2012_val_00000293_n01440764.JPEG` is `ILSVRC2012_val_00000293`.
pub fn image_stem(id: &str) -> &str {
    let name = id.rsplit(['/', '\\']).next().unwrap_or(id);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    match stem.rsplit_once('_') {
        Some((front, back)) if !front.is_empty() && is_wnid(back) => front,
        _ => stem,
    }
}

fn is_wnid(text: &str) -> bool {
    text.len() == 9 && text.starts_with('n') && text[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// The number of an image of ImageNet's validation set, from 1: 293 for `…/ILSVRC2012_val_00000293.JPEG`. ReaL lists its labels in this order.
pub fn validation_number(id: &str) -> Option<usize> {
    let digits = image_stem(id).strip_prefix("ILSVRC2012_val_")?;
    let number = digits.parse().ok().filter(|number| *number > 0)?;
    (digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_digit())).then_some(number)
}

/// Finds an image by its whole name, or else by its stem where only one image has it.
///
/// Names are kept as 64-bit hashes, about 50 bytes an image: of a million images two names share one with a probability of 3 in 100 million.
#[derive(Clone, Debug, Default)]
pub struct NameIndex {
    exact: HashMap<u64, u32>,
    stems: HashMap<u64, Option<u32>>,
}

impl NameIndex {
    /// Enters a name with its place in a list; `false` when it is there already.
    pub fn insert(&mut self, name: &str, at: usize) -> bool {
        if self.exact.contains_key(&hash(name)) {
            return false;
        }
        let at = at as u32;
        self.exact.insert(hash(name), at);
        self.stems.entry(hash(image_stem(name))).and_modify(|found| *found = None).or_insert(Some(at));
        true
    }

    /// Where an image was entered.
    pub fn find(&self, name: &str) -> Option<usize> {
        let found = self.exact.get(&hash(name)).copied().or_else(|| self.stems.get(&hash(image_stem(name))).copied().flatten());
        found.map(|at| at as usize)
    }
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validation_image_has_one_number_however_it_is_named() {
        for name in ["ILSVRC2012_val_00000293.JPEG", "n01440764/ILSVRC2012_val_00000293.JPEG", "val/ILSVRC2012_val_00000293_n01440764.jpeg"] {
            assert_eq!(validation_number(name), Some(293), "{name}");
        }
        for name in ["n01440764/n01440764_10026.JPEG", "ILSVRC2012_val_293.JPEG", "ILSVRC2012_val_00000000.JPEG", "ILSVRC2012_val_+0000293.JPEG"] {
            assert_eq!(validation_number(name), None, "{name}");
        }
    }

    #[test]
    fn a_training_image_keeps_its_number() {
        assert_eq!(image_stem("n01440764/n01440764_10026.JPEG"), "n01440764_10026");
        assert_eq!(image_stem("n01440764.jpg"), "n01440764");
    }

    #[test]
    fn a_stem_that_two_images_share_finds_neither() {
        let mut index = NameIndex::default();
        assert!(index.insert("a/1.jpg", 0) && index.insert("b/1.jpg", 1) && index.insert("b/2.jpg", 2) && !index.insert("b/2.jpg", 3));
        assert_eq!((index.find("b/1.jpg"), index.find("c/1.jpg"), index.find("c/2.png")), (Some(1), None, Some(2)));
    }
}
