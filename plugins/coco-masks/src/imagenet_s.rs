//! The proposer `imagenet-s`: ImageNet-S's annotations as masks that exist already.

use std::path::{Path, PathBuf};

use convert_formats::label_sets::NameIndex;
use convert_formats::{files, imagenet_s};
use convert_sdk::tracing::info;
use convert_sdk::{Context, Error, Image, InputFolder, Plugin, Proposal, Proposer, Result, ResultExt, SampleImage, config};
use walkdir::WalkDir;

use crate::proposer::Missing;

/// Takes ImageNet-S's annotations as proposals (method 8): one mask for each class in the image's PNG, with all its parts; ignored pixels belong to none.
///
/// An image is found by its name without folder and extension: `n01440764/n01440764_10026.JPEG` has `FOLDER/n01440764/n01440764_10026.png`. A proposal's
/// score is 1, its measure `imagenet_s_id` the id in ImageNet-S's own list of 919, 300 or 50 classes, which are not ImageNet's indices.
#[config]
#[derive(Clone, Debug)]
pub struct ImageNetSConfig {
    /// The folder of annotations, such as `ImageNetS919/validation-segmentation`.
    pub folder: InputFolder,
    /// What an image does that has no annotation.
    #[serde(default)]
    pub missing: Missing,
}

/// See [`ImageNetSConfig`].
#[derive(Debug)]
pub struct ImageNetS {
    files: Vec<PathBuf>,
    names: NameIndex,
    missing: Missing,
}

impl Plugin for ImageNetS {
    type Config = ImageNetSConfig;

    fn new(config: Self::Config, _context: Context) -> Result<Self> {
        let folder: &Path = &config.folder;
        let (mut files, mut names) = (Vec::new(), NameIndex::default());
        for entry in WalkDir::new(folder).sort_by_file_name() {
            let entry = entry.map_err(|error| Error::invalid(format!("cannot list {}: {error}", folder.display())))?;
            let path = entry.into_path();
            if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
                let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
                names.insert(&name, files.len());
                files.push(path);
            }
        }
        if files.is_empty() {
            return Err(Error::config(format!("there is no PNG file in {}", folder.display())));
        }
        info!("{}: annotations of {} images", folder.display(), files.len());
        Ok(Self { files, names, missing: config.missing })
    }
}

impl Proposer for ImageNetS {
    fn propose(&self, images: &[SampleImage<'_>]) -> Result<Vec<Vec<Proposal>>> {
        images.iter().map(|sample| self.masks(sample)).collect()
    }
}

impl ImageNetS {
    fn masks(&self, sample: &SampleImage<'_>) -> Result<Vec<Proposal>> {
        let Some(at) = self.names.find(sample.id) else {
            return match self.missing {
                Missing::Empty => Ok(Vec::new()),
                Missing::Skip => Err(Error::invalid("the image has no annotation; `missing: empty` takes such images as ones without masks")),
            };
        };
        let file = &self.files[at];
        let named = || format!("annotation {}", file.display());
        let annotation = read(file).context(named)?;
        let (got, expected) = ((annotation.width(), annotation.height()), (sample.image.width(), sample.image.height()));
        if got != expected {
            return Err(Error::invalid(format!("it has {}x{} pixels, its image {}x{}", got.0, got.1, expected.0, expected.1)).context(named()));
        }
        let masks = imagenet_s::class_masks(&annotation).context(named)?;
        masks.into_iter().map(|(id, mask)| Ok(Proposal::new(mask, 1.0)?.with_measure("imagenet_s_id", f64::from(id)))).collect()
    }
}

fn read(file: &Path) -> Result<Image<'static>> {
    let bytes = files::read(file, files::MAX_IMAGE)?;
    imagenet_s::check_png(&bytes)?;
    let pixels = image::load_from_memory_with_format(&bytes, image::ImageFormat::Png).map_err(|error| Error::invalid(error.to_string()))?.into_rgb8();
    Image::new(pixels.width(), pixels.height(), pixels.into_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotated(missing: Missing) -> (tempfile::TempDir, ImageNetS) {
        let folder = tempfile::tempdir().unwrap();
        let class = folder.path().join("n01440764");
        std::fs::create_dir(&class).unwrap();
        // id 258 left, ignored in the middle, other at the right
        let pixels = image::RgbImage::from_fn(6, 4, |x, _| image::Rgb([[2, 1, 0], [232, 3, 0], [0, 0, 0]][x as usize / 2]));
        pixels.save(class.join("x.png")).unwrap();
        image::GrayImage::new(6, 4).save(class.join("grey.png")).unwrap();
        let config = ImageNetSConfig { folder: InputFolder::from(folder.path().to_owned()), missing };
        let plugin = ImageNetS::new(config, Context::for_tests(&["a"])).unwrap();
        (folder, plugin)
    }

    fn propose(plugin: &ImageNetS, id: &str, width: u32, height: u32) -> Result<Vec<Proposal>> {
        let image = Image::new(width, height, vec![0; (width * height * 3) as usize]).unwrap();
        Ok(plugin.propose(&[SampleImage { id, image }])?.remove(0))
    }

    #[test]
    fn a_class_of_the_annotation_is_a_proposal_with_its_id() {
        let (_folder, plugin) = annotated(Missing::Skip);
        let proposals = propose(&plugin, "n01440764/x.JPEG", 6, 4).unwrap();
        let mask = convert_sdk::Mask::from_box(6, 4, convert_sdk::BoundingBox { x: 0, y: 0, width: 2, height: 4 }).unwrap();
        assert_eq!(proposals, [Proposal::new(mask, 1.0).unwrap().with_measure("imagenet_s_id", 258.0)]);
    }

    #[test]
    fn a_wrong_size_a_wrong_kind_and_a_missing_file_are_named() {
        let (_folder, plugin) = annotated(Missing::Skip);
        for (id, size, expected) in [
            ("n01440764/x.JPEG", (4, 6), "it has 6x4 pixels, its image 4x6"),
            ("n01440764/grey.JPEG", (6, 4), "8 bits a channel, grey"),
            ("n01440764/y.JPEG", (6, 4), "the image has no annotation"),
        ] {
            let error = propose(&plugin, id, size.0, size.1).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(propose(&annotated(Missing::Empty).1, "n01440764/y.JPEG", 6, 4).unwrap().is_empty());
    }
}
