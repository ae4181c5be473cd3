//! The page's sections, each a function from a run's facts to HTML.

pub mod charts;
pub mod classes;
pub mod format;
pub mod gallery;
pub mod pairs;
pub mod run;
pub mod summary;
pub mod threshold;
pub mod trust;
