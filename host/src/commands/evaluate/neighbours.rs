//! `convert evaluate neighbours`: how diverse a run's features are (paper F.2).

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use ::safetensors::tensor::{Dtype, SafeTensorError, TensorView};
use comfy_table::{Cell, CellAlignment};
use serde::Serialize;

use crate::cli::Threads;
use crate::commands::{cancel_on_ctrl_c, finished, summary, writable};
use crate::engine::{Progress, replace_file};
use crate::evaluate::{Neighbours, neighbours};
use crate::failure::Failure;
use crate::pipeline::{LabelledVectors, RunVectors};
use crate::plugins::Catalog;
use crate::terminal::{fitted, width};

/// What is asked of a run's neighbours.
pub struct Options<'a> {
    /// k.
    pub k: usize,
    /// At most so many images.
    pub images: usize,
    /// Where every figure goes.
    pub json: Option<&'a Path>,
    /// Where the vectors go.
    pub vectors: Option<&'a Path>,
    /// Threads; all cores by default.
    pub threads: Threads,
}

#[derive(Serialize)]
struct Report {
    k: usize,
    images: Option<Neighbours>,
    regions: Option<Neighbours>,
}

/// Prints the figures of the run's images and kept regions.
pub fn neighbours_of(run: &Path, options: &Options<'_>, catalog: &Catalog, progress: Progress) -> Result<(), Failure> {
    let json = options.json.map(writable).transpose()?;
    let vectors_file = options.vectors.map(writable).transpose()?;
    let session = finished::reopen(run, options.threads, catalog, progress, &cancel_on_ctrl_c()?)?;
    let vectors = session.region_vectors(options.images)?;
    if let Some(file) = vectors_file {
        let ids: Vec<&str> = vectors.samples.iter().map(|sample| session.samples.list[*sample].id.as_str()).collect();
        replace_file(&file, |mut file| Ok(file.write_all(&safetensors(&vectors, &ids)?)?))?;
    }
    let of = |vectors: &LabelledVectors| session.runner.pool.install(|| neighbours(&vectors.values, &vectors.labels, options.k));
    let report = Report { k: options.k, images: of(&vectors.images), regions: of(&vectors.regions) };
    if let Some(file) = json {
        replace_file(&file, |file| Ok(serde_json::to_writer_pretty(file, &report)?))?;
    }
    let k = options.k;
    let mut table =
        summary::table(&[&format!("{k} nearest neighbours"), "vectors", "numbers each", "entropy, nats", "class entropy, bits", "of the same class"]);
    for (name, figures) in [("whole images", &report.images), ("regions trained on", &report.regions)] {
        let cells = match figures {
            Some(figures) => [
                figures.vectors.to_string(),
                figures.width.to_string(),
                figures.entropy.map_or_else(|| "–".to_owned(), |entropy| format!("{entropy:.1}")),
                format!("{:.3}", figures.class_entropy),
                format!("{:.3}", figures.same_class),
            ],
            None => ["too few", "–", "–", "–", "–"].map(str::to_owned),
        };
        table.add_row(std::iter::once(Cell::new(name)).chain(cells.map(|cell| Cell::new(cell).set_alignment(CellAlignment::Right))));
    }
    answer!("{}", fitted(table, width()));
    Ok(())
}

/// The vectors as safetensors: `images` and `regions`, numbers a row each, with `image_labels` and `region_labels`; the images' ids as JSON in the metadata.
fn safetensors(vectors: &RunVectors, ids: &[&str]) -> Result<Vec<u8>, SafeTensorError> {
    let bytes = |vectors: &LabelledVectors| {
        let values: Vec<u8> = vectors.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let labels: Vec<u8> = vectors.labels.iter().flat_map(|label| i64::from(*label).to_le_bytes()).collect();
        (values, labels, vectors.labels.len(), vectors.values.len().checked_div(vectors.labels.len()).unwrap_or(0))
    };
    let (images, regions) = (bytes(&vectors.images), bytes(&vectors.regions));
    let mut tensors = Vec::new();
    for (name, labels_name, (values, labels, count, width)) in [("images", "image_labels", &images), ("regions", "region_labels", &regions)] {
        tensors.push((name, TensorView::new(Dtype::F32, vec![*count, *width], values)?));
        tensors.push((labels_name, TensorView::new(Dtype::I64, vec![*count], labels)?));
    }
    let metadata = HashMap::from([("ids".to_owned(), serde_json::json!(ids).to_string())]);
    ::safetensors::serialize(tensors, Some(metadata))
}
