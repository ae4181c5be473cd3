//! Which pairs of classes are ambiguous (paper E.1).

use std::path::Path;

use convert_formats::files;
use convert_formats::label_sets::{Cooccurrence, PairCount, Truth};
use convert_sdk::{Context, Error, InputFile, Result, ResultExt, config};

/// The pairs of classes, and where their frequencies come from.
#[config]
#[derive(Clone, Debug)]
pub struct PairsConfig {
    /// True labels of calibration images, whatever these are called: ReaL or ImageNetV2 JSON, COCO JSON, a multilabel tsv, or a run's reviews. All its images count.
    pub truth: InputFile,
    /// The ambiguous pairs: a tab-separated file with a header that has the columns `class_a` and `class_b`, such as `convert pairs` prints and you have
    /// reviewed. Default: every pair of the truth that `min_count` and `top` choose, none of them reviewed.
    #[serde(default)]
    pub pairs: Option<InputFile>,
    /// Without `pairs`: leave out pairs that occur together in fewer images.
    #[serde(default = "default_min_count")]
    #[schemars(range(min = 1))]
    pub min_count: u64,
    /// Without `pairs`: at most so many, the most frequent ones.
    #[serde(default = "default_top")]
    #[schemars(range(min = 1))]
    pub top: usize,
}

fn default_min_count() -> u64 {
    3
}

fn default_top() -> usize {
    1000
}

impl PairsConfig {
    /// The chosen pairs with their counts in the truth.
    ///
    /// # Errors
    /// Files that cannot be read, a class that the dataset does not have, a class paired with itself, a pair that comes twice.
    pub fn choose(&self, context: &Context) -> Result<Vec<PairCount>> {
        let truth = Truth::read(&self.truth, 0.5)?.of_classes(context.classes())?;
        let mut counts = Cooccurrence::default();
        truth.sets().iter().try_for_each(|set| counts.add(set))?;
        let chosen = match &self.pairs {
            Some(file) => read_pairs(file)?.into_iter().map(|(a, b)| counts.pair(a, b)).collect(),
            None => counts.most_frequent(self.min_count, self.top),
        };
        let classes = context.classes().len();
        if let Some(pair) = chosen.iter().find(|pair| pair.b as usize >= classes) {
            return Err(Error::config(format!("the pair of classes {} and {} is not of this dataset, which has {classes} classes", pair.a, pair.b)));
        }
        if chosen.is_empty() {
            return Err(Error::config(format!(
                "no pair of classes occurs in {} images of {}: lower `min_count`",
                self.min_count,
                self.truth.display()
            )));
        }
        Ok(chosen)
    }
}

fn read_pairs(file: &Path) -> Result<Vec<(u32, u32)>> {
    let text = files::read_to_string(file, files::MAX_TEXT).context(|| format!("cannot read the pairs {}", file.display()))?;
    let mut lines = text.lines().zip(1..);
    let refuse = |line: usize, what: String| Error::config(format!("{}:{line}: {what}", file.display()));
    let header: Vec<&str> = lines.next().map(|(line, _)| line.split('\t').collect()).unwrap_or_default();
    let column = |name: &str| {
        let found = header.iter().position(|column| *column == name);
        found.ok_or_else(|| refuse(1, format!("no column `{name}`: a header with `class_a` and `class_b` is expected, as `convert pairs` prints it")))
    };
    let (a, b) = (column("class_a")?, column("class_b")?);
    let mut pairs = Vec::new();
    for (line, number) in lines.filter(|(line, _)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        let class = |at: usize| {
            let text = fields.get(at).copied().unwrap_or_default();
            text.parse::<u32>().map_err(|_| refuse(number, format!("`{text}` is not a class index")))
        };
        let (a, b) = (class(a)?, class(b)?);
        let pair = (a.min(b), a.max(b));
        if a == b || pairs.contains(&pair) {
            return Err(refuse(number, format!("the classes {a} and {b} are the same class or come twice")));
        }
        pairs.push(pair);
    }
    Ok(pairs)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder with `truth.tsv`, whose images have these classes, and `pairs.tsv`.
    pub fn folder(truth: &[&[u32]], pairs: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let line = |(at, set): (usize, &&[u32])| {
            let classes: Vec<String> = set.iter().map(u32::to_string).collect();
            format!("{at}.jpg\t0\t{}\t{}\n", classes.join(","), vec!["1.0"; set.len()].join(","))
        };
        std::fs::write(folder.path().join("truth.tsv"), truth.iter().enumerate().map(line).collect::<String>()).unwrap();
        std::fs::write(folder.path().join("pairs.tsv"), pairs).unwrap();
        folder
    }

    pub fn config(folder: &tempfile::TempDir, listed: bool) -> PairsConfig {
        let file = |name: &str| InputFile::from(folder.path().join(name));
        PairsConfig { truth: file("truth.tsv"), pairs: listed.then(|| file("pairs.tsv")), min_count: 2, top: 1000 }
    }

    #[test]
    fn pairs_come_from_a_reviewed_list_or_from_the_counts() {
        let folder = folder(&[&[0, 1], &[0, 1], &[1, 2], &[2]], "n\tclass_b\tclass_a\n1\t1\t2\n");
        let chosen = |listed| config(&folder, listed).choose(&Context::for_tests(&["a", "b", "c"])).unwrap();
        assert_eq!(chosen(false), [PairCount { a: 0, b: 1, images_a: 2, images_b: 3, together: 2 }]);
        assert_eq!(chosen(true), [PairCount { a: 1, b: 2, images_a: 3, images_b: 2, together: 1 }]);
        let error = config(&folder, true).choose(&Context::for_tests(&["a", "b"])).unwrap_err().to_string();
        assert_eq!(error, "the pair of classes 1 and 2 is not of this dataset, which has 2 classes");
    }

    #[test]
    fn bad_lists_name_the_line() {
        for (text, what) in [
            ("a\tb\n", "pairs.tsv:1: no column `class_a`"),
            ("class_a\tclass_b\n1\tx\n", "pairs.tsv:2: `x` is not a class index"),
            ("class_a\tclass_b\n1\t2\n\n2\t1\n", "pairs.tsv:4: the classes 2 and 1 are the same class or come twice"),
            ("class_a\tclass_b\n", "no pair of classes"),
        ] {
            let folder = folder(&[&[0, 1]], text);
            let error = config(&folder, true).choose(&Context::for_tests(&["a", "b", "c"])).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
