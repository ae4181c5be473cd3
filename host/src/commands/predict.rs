//! `convert predict`: what a recipe's labeler says of an image and of a region of it.

use std::path::Path;

use comfy_table::{Cell, CellAlignment};
use convert_formats::files;
use convert_sdk::{ClassScore, Image, Mask};
use serde_json::{Value, json};

use super::summary::table;
use super::{cancel_on_ctrl_c, load};
use crate::cli::PredictArguments;
use crate::engine::Progress;
use crate::errors::{FileError, PluginError};
use crate::failure::Failure;
use crate::pipeline::{Asked, Consultation};
use crate::plugins::Catalog;
use crate::terminal::{fitted, width};
use crate::view::Shape;

/// The largest file that is read as a mask in JSON.
const LARGEST_JSON: u64 = files::MAX_TEXT;

/// Prints the classes of the whole image and of the region.
pub fn predict(arguments: &PredictArguments, catalog: &Catalog, progress: &Progress) -> Result<(), Failure> {
    let recipe = load(&arguments.recipe, &arguments.run.overrides, catalog, progress)?;
    let limit = arguments.run.limit.map(|limit| limit as usize);
    let machine = Asked { device: arguments.run.device.clone(), threads: arguments.threads.count(), cancel: cancel_on_ctrl_c()? };
    let models = Consultation::of_recipe(recipe, limit, machine)?;
    let of_file = |file: &Path| -> Result<Image<'static>, Failure> {
        let bytes = files::read(file, Image::MAX_PIXELS).map_err(FileError::of("read", file)).map_err(Failure::usage)?;
        models.decode(&bytes).map_err(PluginError).map_err(|error| Failure::usage(FileError::of("read", file)(error)))
    };
    let image = of_file(&arguments.image)?;
    let (width, height) = (image.width(), image.height());
    let region = match (&arguments.bounds, &arguments.mask) {
        (Some(bounds), _) => {
            let bounds = <[f64; 4]>::try_from(bounds.clone())
                .map_err(|bounds| Failure::usage(format!("--box has {} numbers: give four, left, top, width and height", bounds.len())))?;
            Some(
                Shape { bounds: Some(bounds), polygon: None, mask: None }
                    .mask(width, height)
                    .map_err(|error| Failure::usage(format!("--box: {error}")))?,
            )
        }
        (None, Some(file)) => Some(mask(file, width, height, of_file)?),
        (None, None) => None,
    };
    let id = arguments.image.display().to_string();
    let opinion = models.opinion(&id, &image, region.as_slice())?;
    let classes = &models.classes;
    if arguments.json {
        let region = region.as_ref().zip(opinion.regions.first());
        let region = region.map(|(mask, scores)| json!({ "area": mask.area(), "classes": named(scores, classes, arguments.top) }));
        let answer = json!({
            "version": 1,
            "image": id,
            "width": width,
            "height": height,
            "whole": named(&opinion.global, classes, arguments.top),
            "region": region,
        });
        answer!("{answer}");
        return Ok(());
    }
    let mut rows = table(&["whole image", "", "region", ""]);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    for at in 0..arguments.top.min(classes.len()) {
        let cells = |scores: Option<&Vec<ClassScore>>| match scores.and_then(|scores| scores.get(at)) {
            Some(score) => [Cell::new(name(classes, score.class)), right(format!("{:.4}", score.probability.get()))],
            None => [Cell::new(""), Cell::new("")],
        };
        rows.add_row(cells(Some(&opinion.global)).into_iter().chain(cells(opinion.regions.first())));
    }
    answer!("{}", fitted(rows, self::width()));
    Ok(())
}

fn mask(file: &Path, width: u32, height: u32, of_file: impl Fn(&Path) -> Result<Image<'static>, Failure>) -> Result<Mask, Failure> {
    let unfit = |error: convert_sdk::Error| Failure::usage(FileError::of("use the mask", file)(PluginError(error)));
    if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        let text = files::read_to_string(file, LARGEST_JSON).map_err(FileError::of("read", file)).map_err(Failure::usage)?;
        let counts = serde_json::from_str(&text).map_err(|error| unfit(error.into()))?;
        return Shape { bounds: None, polygon: None, mask: Some(counts) }.mask(width, height).map_err(unfit);
    }
    let image = of_file(file)?;
    if (image.width(), image.height()) != (width, height) {
        return Err(unfit(convert_sdk::Error::invalid(format!("it has {}x{} pixels, the image {width}x{height}", image.width(), image.height()))));
    }
    let inside: Vec<u8> = image.pixels().as_chunks::<3>().0.iter().map(|pixel| u8::from(*pixel != [0; 3])).collect();
    let mask = Mask::from_pixels(width, height, &inside).map_err(unfit)?;
    if mask.is_empty() { Err(unfit(convert_sdk::Error::invalid("it is black everywhere"))) } else { Ok(mask) }
}

fn named(scores: &[ClassScore], classes: &[String], top: usize) -> Vec<Value> {
    let score = |score: &ClassScore| {
        let probability = (f64::from(score.probability.get()) * 1e6).round() / 1e6;
        json!({ "class": score.class, "name": name(classes, score.class), "probability": probability })
    };
    scores.iter().take(top).map(score).collect()
}

fn name(classes: &[String], class: u32) -> &str {
    classes.get(class as usize).map_or("?", String::as_str)
}
