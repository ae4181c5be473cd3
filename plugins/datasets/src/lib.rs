//! Datasets that are files in a user's folders: `image-folder` (one folder a class), `manifest` (a table of images and labels), `coco` (annotated images), `webdataset` (tar
//! shards) and `parquet` (rows with images, as Hugging Face writes them).

mod classes;
mod coco;
mod files;
mod image_folder;
mod labels;
mod listing;
mod manifest;
mod parquet;
mod places;
mod roots;
mod shards;
#[cfg(test)]
mod stores;
mod truth;
mod webdataset;

pub use coco::{Coco, CocoConfig};
pub use image_folder::{ImageFolder, ImageFolderConfig};
pub use manifest::{Manifest, ManifestConfig};
pub use parquet::{Parquet, ParquetConfig};
pub use webdataset::{WebDataset, WebDatasetConfig};

convert_sdk::export_plugins! {
    dataset "image-folder" => ImageFolder { results_version: 1, seeded: false },
    dataset "manifest" => Manifest { results_version: 1, seeded: false },
    dataset "coco" => Coco { results_version: 1, seeded: false },
    dataset "webdataset" => WebDataset { results_version: 1, seeded: false },
    dataset "parquet" => Parquet { results_version: 1, seeded: false },
}
