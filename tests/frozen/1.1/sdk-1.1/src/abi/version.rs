//! The version of each role's methods and messages: what a plugin of the role was built for, and what this sdk knows.

use serde::{Deserialize, Serialize};

use crate::Role;

/// The version of a role. A plugin of the same major version and no higher minor one can be used; docs/abi.md says which change raises which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RoleVersion {
    /// Raised with changes that plugins built before cannot bear.
    pub major: u16,
    /// Raised with a new method, or a new field that the older side may leave out.
    pub minor: u16,
}

impl RoleVersion {
    /// The version of a role in this sdk.
    pub const fn of(role: Role) -> Self {
        let (major, minor) = match role {
            Role::Dataset => (1, 0),
            Role::Proposer => (1, 1),
            Role::Refiner => (1, 0),
            Role::Selector => (1, 0),
            Role::Labeler => (1, 0),
            Role::Postprocessor => (1, 0),
            Role::Exporter => (1, 0),
            Role::Extractor => (1, 0),
        };
        Self { major, minor }
    }

    /// Whether who knows this version can use a plugin of the other.
    pub fn reads(self, other: Self) -> bool {
        self.major == other.major && other.minor <= self.minor
    }
}

impl std::fmt::Display for RoleVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
