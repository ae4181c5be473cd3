//! Datasets that are files in a user's folders: `image-folder` (one folder a class) and `manifest` (a table of images and labels).

mod classes;
mod files;
mod image_folder;
mod manifest;
mod truth;

pub use image_folder::{ImageFolder, ImageFolderConfig};
pub use manifest::{Manifest, ManifestConfig};

convert_sdk::export_plugins! {
    dataset "image-folder" => ImageFolder,
    dataset "manifest" => Manifest,
}
