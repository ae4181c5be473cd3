//! Finished reviews as a truth. They name their classes, and number none.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::{Truth, TruthFormat};
use crate::files;
use crate::label_sets::MAX_CLASSES;
use crate::reviews::{ReviewFile, Reviews};
use convert_sdk::{Error, Result, ResultExt};

impl Truth {
    pub(super) fn of_reviews(path: &Path, duplicate: &impl Fn(&str) -> Error) -> Result<Self> {
        let events = ReviewFile::open(path)?.read()?.events;
        let list = path.with_file_name("classes.txt");
        let mut truth = Self::empty(TruthFormat::Reviews);
        truth.categories = match files::read_to_string(&list, files::MAX_TEXT) {
            Ok(names) => names.lines().map(str::to_owned).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let named: BTreeSet<&str> = events.iter().flat_map(|event| event.action.classes()).collect();
                truth.numbered = false;
                named.into_iter().map(str::to_owned).collect()
            }
            Err(error) => return Err(error).context(|| format!("cannot read {}", list.display())),
        };
        if truth.categories.len() > MAX_CLASSES as usize {
            return Err(Error::invalid(format!("{} names more than {MAX_CLASSES} classes, the limit", list.display())));
        }
        let mut reviews = Reviews::new(&truth.categories);
        events.into_iter().for_each(|event| reviews.add(event));
        if let Some(name) = reviews.ignored().unknown_classes.keys().next() {
            return Err(Error::invalid(format!("{}: the class `{name}` is not in {} beside it", path.display(), list.display())));
        }
        for (sample, image) in reviews.images() {
            if let Some(classes) = image.classes() {
                truth.insert(sample, classes.into_iter().collect(), duplicate)?;
            }
        }
        truth.classes = truth.categories.len() as u32;
        Ok(truth)
    }

    /// The truth with the classes of a dataset, by index: those of reviews are found by their names; in files of other forms they are the dataset's by their indices already.
    ///
    /// # Errors
    /// A class that the dataset does not have.
    pub fn of_classes(mut self, names: &[String]) -> Result<Self> {
        if self.format != TruthFormat::Reviews {
            return Ok(self);
        }
        let mut known = HashMap::new();
        // Of two classes of one name the first counts.
        names.iter().zip(0..).for_each(|(name, index)| _ = known.entry(name.as_str()).or_insert(index));
        for set in &mut self.sets {
            for class in set.iter_mut() {
                let name = &self.categories[*class as usize];
                *class =
                    *known.get(name.as_str()).ok_or_else(|| Error::invalid(format!("the reviewed class `{name}` is not one of the dataset's")))?;
            }
            set.sort_unstable();
        }
        (self.categories, self.classes, self.numbered) = (names.to_vec(), names.len() as u32, true);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_reviews_are_a_truth_by_the_names_of_classes() {
        let line = |number: u32, sample: &str, rest: &str| {
            format!(r#"{{"version":1,"id":"{number:016x}","time":"2026-11-29T10:15:03Z","who":"anna","sample":"{sample}",{rest}}}"#) + "\n"
        };
        let text = line(1, "n1/a.JPEG", r#""action":"accept","class":"dog""#)
            + &line(2, "n1/a.JPEG", r#""action":"complete","labels":["dog","cup"]"#)
            + &line(3, "n1/b.JPEG", r#""action":"accept","class":"cup""#)
            + &line(4, "n1/c.JPEG", r#""action":"complete","labels":[]"#);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reviews.jsonl");
        std::fs::write(&path, text).unwrap();
        let read = || {
            let truth = Truth::read(&path, 0.5)?;
            let sets = ["n1/a.JPEG", "n1/b.JPEG", "n1/c.JPEG"].map(|id| truth.get(id).map(<[u32]>::to_vec));
            Ok::<_, Error>((truth.is_numbered(), truth.categories().join(" "), sets))
        };
        // b.JPEG is not finished.
        assert_eq!(read().unwrap(), (false, "cup dog".to_owned(), [Some(vec![0, 1]), None, Some(vec![])]));
        std::fs::write(folder.path().join("classes.txt"), "ant\ndog\nbee\ncup\n").unwrap();
        assert_eq!(read().unwrap(), (true, "ant dog bee cup".to_owned(), [Some(vec![1, 3]), None, Some(vec![])]));
        let names = ["cup", "ant", "dog", "bee"].map(str::to_owned);
        let truth = Truth::read(&path, 0.5).unwrap();
        assert!(truth.clone().of_classes(&names[1..]).unwrap_err().to_string().contains("the reviewed class `cup` is not one"));
        let truth = truth.of_classes(&names).unwrap();
        assert_eq!((truth.get("n1/a.JPEG").unwrap(), truth.is_numbered(), truth.classes()), (&[0, 2][..], true, 4));
        std::fs::write(folder.path().join("classes.txt"), "ant\ndog\n").unwrap();
        assert!(read().unwrap_err().to_string().contains("the class `cup` is not in"));
    }
}
