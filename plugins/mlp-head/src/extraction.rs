//! The vectors that are made before the head learns: of all views in pooled mode, of the plain images for the statistics of the augmented one.

use convert_sdk::tracing::info;
use convert_sdk::{Context, Error, ErrorKind, Result};

use crate::config::Mode;
use crate::features::{Part, describe};
use crate::vector_file::VectorFile;
use crate::views::{Views, Wanted, stops};

/// Names in a warning before it says how many more there are.
const NAMED: usize = 20;

/// Fills `file` with the vectors of the set's images from where it ends on, and says what the user should know. An image that cannot be used is left out with a warning.
///
/// # Errors
/// An interruption, what stops a training ([`stops`]), or that no image can be used. What was made before an interruption stays.
pub fn extract(views: &Views<'_>, file: &mut VectorFile, regions: u64) -> Result<Vec<String>> {
    let (context, count) = (views.context, views.set.len());
    let (wanted, vectors) = match views.config.mode {
        Mode::PooledFeatures => (Wanted::PlainAnd(views.config.views - 1), regions * u64::from(views.config.views)),
        // A look at every image for its statistics and for what cannot be read: the epochs make their own views.
        Mode::Augmented => (Wanted::PlainAnd(0), regions),
    };
    let order: Vec<u32> = (file.images() as u32..count as u32).collect();
    if !order.is_empty() {
        if views.form.whole.is_some() {
            views.features.announce(order.len(), Part::Whole);
        }
        if !views.form.crop.is_empty() {
            views.features.announce((regions * order.len() as u64 / count as u64) as usize, Part::Crop);
        }
        let bytes = vectors as f64 * (file.width() * size_of::<f32>()) as f64;
        info!("up to {vectors} vectors of {} numbers will take {} of disk until the training ends", file.width(), describe(bytes));
    }
    let first = count - order.len();
    let made = views.pass(&order, wanted, |at, vectors| {
        if context.cancelled() {
            let message = "interrupted while pooling the features of the training regions: run again to continue";
            return Err(Error::new(ErrorKind::Interrupted, message));
        }
        match vectors {
            Err(error) if stops(&error) => return Err(error),
            vectors => file.push(vectors)?,
        }
        context.progress((first + at + 1) as u64, count as u64, "pooling the features of the training regions");
        Ok(())
    });
    file.flush()?;
    made?;
    warnings(context, file, views.config.max_lost * count as f64)
}

fn warnings(context: &Context, file: &VectorFile, most_lost: f64) -> Result<Vec<String>> {
    let unusable = file.unusable();
    if file.labels().is_empty() {
        return Err(match unusable.first() {
            Some(first) => Error::invalid(first.clone()).context("none of the training images can be used, the first one because"),
            None => Error::invalid("there is no region to train on: the selector kept none, try another threshold"),
        });
    }
    if let Some(first) = unusable.first().filter(|_| unusable.len() as f64 > most_lost) {
        let (lost, all) = (unusable.len(), file.images());
        return Err(Error::invalid(format!(
            "{lost} of {all} training images cannot be used, the first of them {first}: mend them, leave them out of the dataset, or raise max_lost"
        )));
    }
    let mut warnings: Vec<String> = unusable.iter().take(NAMED).map(|error| format!("not trained on: {error}")).collect();
    if unusable.len() > NAMED {
        warnings.push(format!("{} more images were not trained on", unusable.len() - NAMED));
    }
    warnings.extend(classes_without_region(context, file.labels()));
    if file.lost() > 0 {
        warnings.push(format!("{} regions are missing in views that their masks had left", file.lost()));
    }
    Ok(warnings)
}

fn classes_without_region(context: &Context, labels: &[u32]) -> Option<String> {
    let classes = context.classes();
    let mut seen = vec![false; classes.len()];
    for label in labels {
        seen[*label as usize] = true; // below the number of classes: `Views::of` checked
    }
    let missing: Vec<&str> = classes.iter().zip(&seen).filter(|(_, seen)| !**seen).map(|(class, _)| class.as_str()).collect();
    if missing.is_empty() {
        return None;
    }
    let more = if missing.len() > NAMED { format!(" and {} more", missing.len() - NAMED) } else { String::new() };
    let named = missing[..missing.len().min(NAMED)].join(", ");
    Some(format!("{} of {} classes have no region to train on and will hardly be predicted: {named}{more}", missing.len(), classes.len()))
}
