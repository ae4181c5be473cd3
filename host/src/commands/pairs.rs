//! `convert pairs`: classes that occur together (paper E.1, Table 8).

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use convert_formats::label_sets::{Cooccurrence, Truth, TruthFormat};
use convert_formats::{files, imagenet};

use super::writable;
use crate::engine::replace_file;
use crate::errors::{FileError, PluginError};
use crate::failure::Failure;

/// What to print of the pairs.
pub struct Choice {
    /// Pairs that occur less often are left out.
    pub min_count: u64,
    /// So many of the most frequent pairs.
    pub top: usize,
}

/// Prints the pairs of a truth as tab-separated rows, or writes them to `output`.
pub fn pairs(truth: &Path, classes: Option<&Path>, choice: &Choice, output: Option<&Path>) -> Result<(), Failure> {
    let output = output.map(writable).transpose()?;
    let usage = |error| Failure::usage(PluginError(error));
    let mut labels = Truth::read(truth, 0.5).map_err(usage)?;
    let names = match classes {
        Some(file) => {
            let names = read_names(file)?;
            labels = labels.of_classes(&names).map_err(usage)?;
            names
        }
        None if labels.format() == TruthFormat::Reviews => labels.categories().to_vec(),
        None if matches!(labels.format(), TruthFormat::Real | TruthFormat::ByName) => {
            imagenet::classes().iter().map(|class| class.name.to_owned()).collect()
        }
        None => Vec::new(),
    };
    if classes.is_some() && labels.classes() as usize > names.len() {
        return Err(Failure::usage(format!("the truth has {} classes, but --classes names only {}", labels.classes(), names.len())));
    }
    tracing::info!("{}", counted(&labels));
    let mut counts = Cooccurrence::default();
    labels.sets().iter().try_for_each(|set| counts.add(set))?;
    let rows = table(&counts, choice, &names);
    match output {
        Some(file) => Ok(replace_file(&file, |mut file| Ok(file.write_all(rows.as_bytes())?))?),
        None => {
            rows.lines().for_each(|line| answer!("{line}"));
            Ok(())
        }
    }
}

fn table(counts: &Cooccurrence, choice: &Choice, names: &[String]) -> String {
    let mut rows = "cooccurrence\tclass_a\tclass_b\tfreq_a\tfreq_b\tconf_a_given_b\tconf_b_given_a\tname_a\tname_b\n".to_owned();
    let name = |class: u32| names.get(class as usize).map_or("", String::as_str);
    for pair in counts.most_frequent(choice.min_count, choice.top) {
        let (a, b) = (pair.a, pair.b);
        let _ = writeln!(
            rows,
            "{}\t{a}\t{b}\t{}\t{}\t{:.6}\t{:.6}\t{}\t{}",
            pair.together,
            pair.images_a,
            pair.images_b,
            pair.a_given_b(),
            pair.b_given_a(),
            name(a),
            name(b)
        );
    }
    rows
}

/// How many labels the images have, in one line.
fn counted(truth: &Truth) -> String {
    let mut by_count = [0_u64; 5];
    truth.sets().iter().for_each(|set| by_count[set.len().min(4)] += 1);
    let labels: usize = truth.sets().iter().map(Vec::len).sum();
    let [none, one, two, three, more] = by_count;
    format!("{labels} labels on {} images, {none} images without; k = 1, 2, 3, ≥ 4: {one}, {two}, {three}, {more}", one + two + three + more)
}

/// Class names by index: a name a line, or the columns index, WordNet id, name.
fn read_names(file: &Path) -> Result<Vec<String>, Failure> {
    let text = files::read_to_string(file, files::MAX_TEXT).map_err(FileError::of("read", file)).map_err(Failure::usage)?;
    let mut names = Vec::new();
    for (at, line) in text.trim_end().lines().enumerate() {
        let name = match line.split('\t').collect::<Vec<_>>().as_slice() {
            [name] => *name,
            [index, .., name] if index.parse() == Ok(at) => *name,
            _ => {
                return Err(Failure::usage(format!(
                    "{}:{}: neither a name nor `index, WordNet id, name` in the order of the indices",
                    file.display(),
                    at + 1
                )));
            }
        };
        names.push(name.trim().to_owned());
    }
    Ok(names)
}
