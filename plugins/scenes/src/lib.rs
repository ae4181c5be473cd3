//! Dataset scenes: drawn multi-object images with known truth
