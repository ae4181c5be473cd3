//! The samples that opening a dataset found.

use std::sync::{Mutex, PoisonError};

use convert_sdk::{Result, Sample};

/// Held until they or an image are first asked for, and no longer: the host keeps them from then on or does without, and 1.3 million samples are not worth keeping twice.
#[derive(Debug, Default)]
pub struct Listing(Mutex<Option<Vec<Sample>>>);

impl Listing {
    pub fn new(samples: Vec<Sample>) -> Self {
        Self(Mutex::new(Some(samples)))
    }

    /// The samples; `again` opens the dataset anew where they are gone.
    pub fn take(&self, again: impl FnOnce() -> Result<Vec<Sample>>) -> Result<Vec<Sample>> {
        let listed = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        listed.map_or_else(again, Ok)
    }

    /// An image is asked for.
    pub fn let_go(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
