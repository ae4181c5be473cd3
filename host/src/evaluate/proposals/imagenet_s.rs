//! ImageNet-S's annotations as the truth.

use std::path::{Path, PathBuf};

use convert_formats::{files, imagenet_s};
use convert_sdk::{Error, Image, Result, ResultExt};

use super::{TrueImage, TrueObject, Truth};

/// The objects of a folder of PNG files in ImageNet's folders: one for each id.
///
/// # Errors
/// A folder without them, and a file that is none of ImageNet-S's.
pub fn truth(folder: &Path) -> Result<Truth> {
    let mut truth = Truth::default();
    for file in png_files(folder)? {
        let named = || format!("annotation {}", file.display());
        let annotation = read(&file).context(named)?;
        let masks = imagenet_s::class_masks(&annotation).context(named)?;
        let objects = masks.into_iter().map(|(_, mask)| TrueObject::of_mask(mask)).collect();
        let place = truth.images.len();
        truth.images.push(TrueImage::of((annotation.width(), annotation.height()), objects));
        truth.stems.insert(&file.strip_prefix(folder).unwrap_or(&file).to_string_lossy(), place);
    }
    if truth.images.iter().all(|image| image.objects.is_empty()) {
        return Err(Error::invalid(format!("{} has no objects to compare with: PNG files of ImageNet-S are expected", folder.display())));
    }
    Ok(truth)
}

/// The PNG files of a folder and of the folders in it, in the order of their names.
fn png_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).context(|| format!("cannot list {}", folder.display()))? {
            let path = entry.context(|| format!("cannot list {}", folder.display()))?.path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<Image<'static>> {
    let bytes = files::read(file, files::MAX_IMAGE)?;
    imagenet_s::check_png(&bytes)?;
    let pixels = image::load_from_memory_with_format(&bytes, image::ImageFormat::Png).map_err(|error| Error::invalid(error.to_string()))?.into_rgb8();
    Image::new(pixels.width(), pixels.height(), pixels.into_raw())
}

#[cfg(test)]
mod tests {
    use super::super::score_proposals;

    #[test]
    fn ids_are_objects_and_ignored_pixels_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let truth = folder.path().join("truth/n01440764");
        std::fs::create_dir_all(&truth).unwrap();
        // id 5 in columns 0 and 1, ignored in 2 and 3, id 300 in 4 and 5
        let pixels = image::RgbImage::from_fn(6, 4, |x, _| image::Rgb([[5, 0, 0], [232, 3, 0], [44, 1, 0]][x as usize / 2]));
        pixels.save(truth.join("x.png")).unwrap();
        let predictions = folder.path().join("masks.json");
        let json = r#"{"images": [{"id": 1, "file_name": "n01440764/x.JPEG", "width": 6, "height": 4}],
            "annotations": [{"image_id": 1, "segmentation": {"size": [4, 6], "counts": [0, 8, 16]}}]}"#;
        std::fs::write(&predictions, json).unwrap();
        let scores = score_proposals(&predictions, &folder.path().join("truth")).unwrap();
        assert_eq!((scores.images, scores.objects, scores.predictions), (1, 2, 1));
        let masks = scores.masks.unwrap();
        assert_eq!((masks.recall, masks.mean_best_iou, masks.corloc_first), (0.5, 0.5, 1.0));
        assert_eq!(scores.boxes.recall, 0.5);
        let empty = tempfile::tempdir().unwrap();
        assert!(score_proposals(&predictions, empty.path()).unwrap_err().to_string().contains("has no objects to compare with"));
    }
}
