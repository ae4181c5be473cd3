//! `convert audit RUN`: which given labels are probably wrong.

use std::io::Write;
use std::path::Path;

use comfy_table::{Cell, CellAlignment};

use super::{cancel_on_ctrl_c, finished, summary};
use crate::cli::Threads;
use crate::engine::{Progress, replace_file};
use crate::evaluate::{Suspect, look_alikes, near_duplicates};
use crate::failure::Failure;
use crate::plugins::Catalog;
use crate::terminal::{fitted, width};

/// The file with every image, in the run's folder.
const FILE: &str = "audit.tsv";

/// What is asked of an audit.
pub struct Options {
    /// Rows of each table.
    pub top: usize,
    /// Compare at most so many images with each other.
    pub images: usize,
    /// From this cosine of their features on two images are near duplicates.
    pub duplicates: f64,
    /// Threads; all cores by default.
    pub threads: Threads,
}

/// Writes the list of all images and prints its head, the classes that are taken for each other, and near duplicates with different labels.
pub fn audit(run: &Path, options: &Options, catalog: &Catalog, progress: Progress) -> Result<(), Failure> {
    let session = finished::reopen(run, options.threads, catalog, progress, &cancel_on_ctrl_c()?)?;
    let suspects = session.audit()?;
    let classes = &session.samples.classes;
    let name = |class: u32| classes.get(class as usize).map_or("?", String::as_str);
    let file = session.recipe.work_dir.join(FILE);
    replace_file(&file, |mut file| {
        writeln!(file, "id\tlabel\tsupport\tseen\tprobability")?;
        for Suspect { id, label, support, other, other_probability } in &suspects {
            writeln!(file, "{id}\t{}\t{support:.4}\t{}\t{other_probability:.4}", name(*label), other.map_or("", name))?;
        }
        Ok(())
    })?;
    session.recipe.publish(&file)?;

    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let likely = suspects.iter().filter(|suspect| suspect.is_likely_wrong()).count();
    answer!("{} images, {likely} of them with a label that is probably wrong", suspects.len());
    let mut table = summary::table(&["least supported labels", "given", "support", "seen instead", "probability"]);
    for suspect in suspects.iter().take(options.top) {
        let seen = suspect.other.map_or("", name);
        let (support, probability) = (format!("{:.3}", suspect.support), format!("{:.3}", suspect.other_probability));
        table.add_row([Cell::new(&suspect.id), Cell::new(name(suspect.label)), right(support), Cell::new(seen), right(probability)]);
    }
    answer!("{}", fitted(table, width()));
    let alike = look_alikes(&suspects);
    if !alike.is_empty() {
        let mut table = summary::table(&["given", "seen instead", "images", "of the class"]);
        for pair in alike.iter().take(options.top) {
            let share = format!("{:.1} %", pair.share * 100.0);
            table.add_row([Cell::new(name(pair.given)), Cell::new(name(pair.seen)), right(pair.images.to_string()), right(share)]);
        }
        answer!("{}", fitted(table, width()));
    }
    let (vectors, chosen) = session.image_vectors(options.images)?;
    let pairs = session.runner.pool.install(|| near_duplicates(&vectors.values, chosen.len(), options.duplicates));
    let of = |at: usize| &session.samples.list[chosen[at]];
    let differing: Vec<_> = pairs.iter().filter(|pair| of(pair.first).label != of(pair.second).label).collect();
    answer!("{} pairs of near duplicates among {} images, {} of them with different labels", pairs.len(), chosen.len(), differing.len());
    if !differing.is_empty() {
        let mut table = summary::table(&["near duplicates", "given", "and", "given", "cosine"]);
        for pair in differing.into_iter().take(options.top) {
            let (first, second) = (of(pair.first), of(pair.second));
            let cells = [&first.id, name(first.label), &second.id, name(second.label)].map(Cell::new);
            table.add_row(cells.into_iter().chain([right(format!("{:.4}", pair.cosine))]));
        }
        answer!("{}", fitted(table, width()));
    }
    answer!("every image, least supported first: {}", file.display());
    Ok(())
}
