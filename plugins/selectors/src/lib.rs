//! Selectors: keep-largest
