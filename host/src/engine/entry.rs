//! A sample that was left out.

use serde::{Deserialize, Serialize};

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The sample.
    pub id: String,
    /// Where it failed.
    pub stage: String,
    /// Why, in one line.
    pub reason: String,
}
