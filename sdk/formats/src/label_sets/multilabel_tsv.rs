//! The tab-separated label file of the paper's authors: `id TAB single label TAB class,class TAB probability,probability`, no header.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::check_class;
use crate::files;
use convert_sdk::{ClassScore, Error, LabelVector, Probability, Result, ResultExt};

/// A line of the file. Written with [`fmt::Display`], which gives a line that was read back byte for byte where its probabilities have four decimals.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledImage {
    /// The image, such as `n01440764/n01440764_10026.JPEG`.
    pub id: String,
    /// The original single label.
    pub label: u32,
    /// The classes with their probabilities, in the file's order; an image may have none.
    pub scores: Vec<ClassScore>,
}

impl LabelledImage {
    /// An image with its final labels; classes whose probability rounds to 0.0000 are left out.
    ///
    /// # Errors
    /// An id that a line of the file cannot hold.
    pub fn new(id: &str, label: u32, labels: &LabelVector) -> Result<Self> {
        Self::check_id(id)?;
        let shown = |entry: &&ClassScore| format!("{:.4}", entry.probability.get()) != "0.0000";
        Ok(Self { id: id.to_owned(), label, scores: labels.entries().iter().filter(shown).copied().collect() })
    }

    /// Checks that a line can hold an id.
    ///
    /// # Errors
    /// A tab or a line break in it.
    pub fn check_id(id: &str) -> Result<()> {
        if id.contains(['\t', '\n', '\r']) {
            return Err(Error::invalid(format!(
                "the id {id:?} contains a tab or a line break, which a tab-separated file cannot hold: rename the image or export another format"
            )));
        }
        Ok(())
    }

    /// Reads a line.
    ///
    /// # Errors
    /// Other than four columns, lists of unequal length, a class that is no index, a number that is no probability.
    pub fn parse(line: &str) -> Result<Self> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, label, classes, probabilities] = fields.as_slice() else {
            return Err(Error::invalid(format!("{} columns instead of 4: id, label, classes, probabilities", fields.len())));
        };
        let index = |text: &str, what: &dyn fmt::Display| {
            check_class(text.parse().map_err(|_| Error::invalid(format!("{what}`{text}` is not a class index")))?)
        };
        let label = index(label, &"the label ")?;
        let list = |text: &'_ str| text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let (classes, probabilities) = (list(classes), list(probabilities));
        if classes.len() != probabilities.len() {
            return Err(Error::invalid(format!("{} classes, but {} probabilities", classes.len(), probabilities.len())));
        }
        let score = |(class, probability): (&String, &String)| {
            let value = probability.parse::<f32>().ok().and_then(|value| Probability::new(value).ok());
            Ok(ClassScore {
                class: index(class, &"")?,
                probability: value.ok_or_else(|| Error::invalid(format!("`{probability}` is not a probability")))?,
            })
        };
        let scores = classes.iter().zip(&probabilities).map(score).collect::<Result<_>>()?;
        Ok(Self { id: (*id).to_owned(), label, scores })
    }
}

impl fmt::Display for LabelledImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\t", self.id, self.label)?;
        for (at, score) in self.scores.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { "," }, score.class)?;
        }
        f.write_str("\t")?;
        for (at, score) in self.scores.iter().enumerate() {
            write!(f, "{}{:.4}", if at == 0 { "" } else { "," }, score.probability.get())?;
        }
        Ok(())
    }
}

/// The lines of a file, as they are read; an error names the file and the line.
///
/// # Errors
/// A file that cannot be opened.
pub fn read_multilabel_tsv(path: &Path) -> Result<impl Iterator<Item = Result<LabelledImage>>> {
    let file = files::open_regular(path, files::MAX_STREAM).context(|| format!("cannot read {}", path.display()))?;
    let name = path.display().to_string();
    Ok(BufReader::new(file).lines().enumerate().map(move |(at, line)| {
        let line = line.context(|| format!("cannot read {name}"))?;
        LabelledImage::parse(&line).map_err(|error| Error::new(error.kind, format!("{name}:{}: {error}", at + 1)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of the labels that the paper's authors released, in the form that they describe.
    const EXAMPLE: &str = "n01440764/n01440764_10026.JPEG\t0\t0,916\t1.0000,0.0227
n01440764/n01440764_10042.JPEG\t0\t0,391\t0.2654,1.0000
n01440764/n01440764_10095.JPEG\t0\t389,391\t0.7397,0.8882
n01440764/n01440764_10211.JPEG\t0\t0,391,758\t1.0000,0.7812,0.2585
n01440764/n01440764_10029.JPEG\t0\t0\t0.9995
n01440764/n01440764_9999.JPEG\t0\t\t
";

    #[test]
    fn the_authors_lines_come_back_byte_for_byte() {
        let written: String = EXAMPLE.lines().map(|line| format!("{}\n", LabelledImage::parse(line).unwrap())).collect();
        assert_eq!(written, EXAMPLE);
    }

    #[test]
    fn every_probability_of_four_decimals_survives() {
        for number in 0..=10_000 {
            let line = format!("a\t1\t1\t{}.{:04}", number / 10_000, number % 10_000);
            assert_eq!(LabelledImage::parse(&line).unwrap().to_string(), line);
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        for (line, what) in [
            ("a\t1\t2", "3 columns instead of 4"),
            ("a\tb\t2\t0.5", "the label `b` is not a class index"),
            ("a\t1\t2,3\t0.5", "2 classes, but 1 probabilities"),
            ("a\t1\tx\t0.5", "`x` is not a class index"),
            ("a\t1\t2\t1.5", "`1.5` is not a probability"),
        ] {
            assert!(LabelledImage::parse(line).unwrap_err().to_string().contains(what), "{line}");
        }
    }

    #[test]
    fn an_error_of_a_file_names_the_line() {
        let path = std::env::temp_dir().join(format!("convert-multilabel-{}.tsv", std::process::id()));
        std::fs::write(&path, "a\t1\t1\t0.5\nb\n").unwrap();
        let lines: Vec<_> = read_multilabel_tsv(&path).unwrap().collect();
        std::fs::remove_file(&path).unwrap();
        assert!(lines[0].is_ok());
        assert!(lines[1].as_ref().unwrap_err().to_string().ends_with(".tsv:2: 1 columns instead of 4: id, label, classes, probabilities"));
    }
}
