//! A sample that was skipped.

use convert_sdk::ErrorKind;
use serde::{Deserialize, Serialize};

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The sample.
    pub id: String,
    /// Where it failed.
    pub stage: String,
    /// What kind of error it was: `invalid-input`, `numeric`, `panic` and so on; unknown of older runs.
    #[serde(default = "unknown")]
    pub kind: String,
    /// Why, in one line.
    pub reason: String,
}

fn unknown() -> String {
    ErrorKind::Other.name().into()
}
