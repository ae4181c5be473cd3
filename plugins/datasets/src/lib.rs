//! Datasets: image-folder, manifest
