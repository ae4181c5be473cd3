//! ImageNet-1k's classes, built in: index, WordNet id, names.

use std::sync::OnceLock;

use convert_sdk::{Error, Result};

/// How many there are.
pub const CLASSES: usize = 1000;

/// A class of ImageNet-1k.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageNetClass {
    /// Its WordNet id, which is also its folder's name: `n01440764`.
    pub wnid: &'static str,
    /// Its names: `tench, Tinca tinca`.
    pub name: &'static str,
}

/// The classes by index. Folders sorted by name, as torchvision's ImageFolder sorts them, give the same order.
pub fn classes() -> &'static [ImageNetClass] {
    static LIST: OnceLock<Vec<ImageNetClass>> = OnceLock::new();
    LIST.get_or_init(|| {
        let row = |line: &'static str| {
            let mut fields = line.split('\t').skip(1);
            Some(ImageNetClass { wnid: fields.next()?, name: fields.next()? })
        };
        include_str!("imagenet_classes.tsv").lines().filter_map(row).collect()
    })
}

/// The index of a WordNet id.
pub fn index_of(wnid: &str) -> Option<u32> {
    classes().binary_search_by(|class| class.wnid.cmp(wnid)).ok().map(|index| index as u32)
}

/// The class of an index.
///
/// # Errors
/// An index from 1,000 on.
pub fn class(index: u32) -> Result<ImageNetClass> {
    classes().get(index as usize).copied().ok_or_else(|| Error::invalid(format!("ImageNet-1k has no class {index}: they go from 0 to 999")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole_and_sorted_by_wordnet_id() {
        let list = include_str!("imagenet_classes.tsv");
        let indices: Vec<usize> = list.lines().map(|line| line.split('\t').next().unwrap().parse().unwrap()).collect();
        assert_eq!(indices, (0..CLASSES).collect::<Vec<_>>());
        assert!(classes().windows(2).all(|pair| pair[0].wnid < pair[1].wnid));
        assert_eq!(class(0).unwrap(), ImageNetClass { wnid: "n01440764", name: "tench, Tinca tinca" });
        assert_eq!((index_of("n15075141"), index_of("n00000000")), (Some(999), None));
        assert!(class(1000).is_err());
    }
}
