//! What a report shows.

use std::sync::Arc;

use convert_sdk::ExportRun;

use crate::card::Card;
use crate::tally::Tally;

/// Longest class name shown, in characters.
const NAME_LENGTH: usize = 120;

/// Everything that a report shows.
pub struct Page<'a> {
    /// The run.
    pub run: &'a ExportRun,
    /// Class names by index.
    pub classes: &'a [String],
    /// Counts over all images.
    pub tally: &'a Tally,
    /// The gallery's images, the most changed first.
    pub cards: &'a [Arc<Card>],
}

impl Page<'_> {
    /// The name of a class, cut at a length that no layout breaks under.
    pub fn class_name(&self, class: u32) -> String {
        let name = self.classes.get(class as usize).filter(|name| !name.trim().is_empty());
        name.map_or_else(|| format!("class {class}"), |name| name.chars().take(NAME_LENGTH).collect())
    }
}
