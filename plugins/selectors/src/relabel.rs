//! Selection by label maps (method 3; paper 3.2).

mod confidence;
mod config;
mod files;
mod selector;
mod weights;

#[cfg(test)]
mod tests;

pub use config::{Keep, Maps, RelabelFilterConfig};
pub use selector::RelabelFilter;
