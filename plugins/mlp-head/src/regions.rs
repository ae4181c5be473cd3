//! What a region's vector is made of, what that asks of the backbone, and the vector once the backbone has answered.

use convert_backbones::Features;
use convert_sdk::{BoundingBox, Error, Image, Mask, Result};

use crate::config::{CropPart, MlpHeadConfig, Pooling, Regions};
use crate::features::{Asked, FeatureSource, Part};
use crate::pooling;

/// What a region's vector is made of, one behind the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// The region's patches in the whole image.
    pub whole: Option<Pooling>,
    /// Parts of the region's crop; may be none.
    pub crop: Vec<CropPart>,
}

impl Form {
    /// The form that the config asks for, with vectors taken from `regions`.
    ///
    /// # Errors
    /// A class token that the backbone does not have, and a crop of which nothing is taken.
    pub fn new(config: &MlpHeadConfig, regions: Regions, has_class_token: bool) -> Result<Self> {
        let default = || [CropPart::ClassToken, CropPart::MaskMean, CropPart::MaskStd].into_iter().skip(usize::from(!has_class_token)).collect();
        let crop: Vec<CropPart> = config.crop_pooling.clone().unwrap_or_else(default);
        if crop.is_empty() {
            return Err(Error::config("crop_pooling is empty: name a part, or leave it out"));
        }
        if crop.contains(&CropPart::ClassToken) && !has_class_token {
            return Err(Error::config("crop_pooling names class-token, but this backbone has none: leave it out"));
        }
        Ok(match regions {
            Regions::Mask => Self { whole: Some(config.pooling), crop: Vec::new() },
            Regions::Crop => Self { whole: None, crop },
            Regions::Both => Self { whole: Some(config.pooling), crop },
        })
    }

    /// Numbers of a vector, where the backbone gives `dimension`.
    pub fn width(&self, dimension: usize) -> usize {
        self.whole.map_or(0, |pooling| pooling.width(dimension)) + self.crop.len() * dimension
    }

    /// Where it looks.
    pub fn regions(&self) -> Regions {
        match (self.whole, self.crop.as_slice()) {
            (_, []) => Regions::Mask,
            (None, _) => Regions::Crop,
            (Some(_), _) => Regions::Both,
        }
    }

    fn vector(&self, whole: Option<&Features>, region: &AskedRegion) -> Vec<f32> {
        let mut vector = Vec::new();
        if let (Some(pooling), Some(features)) = (self.whole, whole) {
            vector = pooling::pool(features, &region.patches, pooling);
        }
        if let Some(AskedCrop { asked: Asked::Known(features), patches }) = &region.crop {
            self.crop.iter().for_each(|part| vector.extend(pooling::crop_part(features, patches, *part)));
        }
        vector
    }
}

/// Reads regions of images as a form wants them.
#[derive(Clone, Copy)]
pub struct RegionReader<'a> {
    pub features: &'a FeatureSource,
    pub form: &'a Form,
    /// A crop's side, as a multiple of the longer side of the region's box.
    pub crop_scale: f64,
    /// A region's patches are covered by more than this share.
    pub coverage: f32,
}

/// What is asked of the backbone for an image's regions.
#[derive(Debug)]
pub struct AskedImage {
    pub whole: Option<Asked>,
    pub regions: Vec<AskedRegion>,
}

/// A region's patches in the whole image, and its crop where there is one.
#[derive(Debug, Default)]
pub struct AskedRegion {
    pub patches: Vec<usize>,
    pub crop: Option<AskedCrop>,
}

/// A region's crop, and its patches in there.
#[derive(Debug)]
pub struct AskedCrop {
    pub asked: Asked,
    pub patches: Vec<usize>,
}

impl AskedImage {
    /// Everything that the backbone is asked.
    pub fn asked(&self) -> impl Iterator<Item = &Asked> {
        self.whole.iter().chain(self.regions.iter().filter_map(|region| region.crop.as_ref().map(|crop| &crop.asked)))
    }

    /// The same, to be answered.
    pub fn asked_mut(&mut self) -> impl Iterator<Item = &mut Asked> {
        self.whole.iter_mut().chain(self.regions.iter_mut().filter_map(|region| region.crop.as_mut().map(|crop| &mut crop.asked)))
    }

    /// The vector of each region, in their order; what the backbone was not asked yet it is asked now, one by one.
    ///
    /// # Errors
    /// As [`FeatureSource::answer`].
    pub fn vectors(mut self, form: &Form, features: &FeatureSource) -> Result<Vec<Vec<f32>>> {
        self.asked_mut().filter(|asked| matches!(asked, Asked::Image { .. })).try_for_each(|asked| features.answer(&mut [asked]))?;
        let whole = match &self.whole {
            Some(Asked::Known(features)) => Some(features),
            _ => None,
        };
        Ok(self.regions.iter().map(|region| form.vector(whole, region)).collect())
    }
}

impl RegionReader<'_> {
    /// What regions of a plain image ask; one without a mask is the whole image.
    ///
    /// # Errors
    /// An image that cannot be resized.
    pub fn ask(&self, image: &Image<'_>, masks: &[Option<&Mask>]) -> Result<AskedImage> {
        let whole = self.form.whole.map(|_| self.features.ask(image, Part::Whole)).transpose()?;
        let region = |mask: &Option<&Mask>| Ok(AskedRegion { patches: self.patches(*mask, Part::Whole), crop: self.ask_crop(image, *mask)? });
        Ok(AskedImage { whole, regions: masks.iter().map(region).collect::<Result<_>>()? })
    }

    /// A mask's patches in the grid of the whole image or of a crop; none where the form does not look there.
    pub fn patches(&self, mask: Option<&Mask>, part: Part) -> Vec<usize> {
        let looks = if part == Part::Whole { self.form.whole.is_some() } else { !self.form.crop.is_empty() };
        let side = self.features.side(part);
        if looks { pooling::active_patches(mask, (side, side), self.coverage) } else { Vec::new() }
    }

    fn ask_crop(&self, image: &Image<'_>, mask: Option<&Mask>) -> Result<Option<AskedCrop>> {
        if self.form.crop.is_empty() {
            return Ok(None);
        }
        let (asked, mask) = match self.crop(image, mask)? {
            Some((crop, mask)) => (self.features.ask(&crop, Part::Crop)?, Some(mask)),
            None => (self.features.ask(image, Part::Crop)?, None),
        };
        Ok(Some(AskedCrop { asked, patches: self.patches(mask.as_ref(), Part::Crop) }))
    }

    /// A region's crop and its mask in there; `None` for the whole image.
    ///
    /// # Errors
    /// A mask of another size than the image's.
    pub fn crop(&self, image: &Image<'_>, mask: Option<&Mask>) -> Result<Option<(Image<'static>, Mask)>> {
        let Some((mask, bounds)) = mask.and_then(|mask| Some((mask, mask.bounding_box()?))) else { return Ok(None) };
        let region = around(bounds, self.crop_scale, image.width(), image.height());
        Ok(Some((image.crop(region)?, mask.crop(region)?)))
    }
}

/// The square around a box's middle whose side is `scale` times the box's longer one, moved into the image; where that is too small for it, cut off at its edges.
fn around(bounds: BoundingBox, scale: f64, width: u32, height: u32) -> BoundingBox {
    let side = (f64::from(bounds.width.max(bounds.height)) * scale).round().max(1.0);
    let along = |start: u32, length: u32, whole: u32| {
        let size = side.min(f64::from(whole)) as u32;
        let first = (f64::from(start) + f64::from(length) / 2.0 - f64::from(size) / 2.0).round().max(0.0) as u32;
        (first.min(whole - size), size)
    };
    let ((x, width), (y, height)) = (along(bounds.x, bounds.width, width), along(bounds.y, bounds.height, height));
    BoundingBox { x, y, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_is_square_around_the_region_and_stays_in_the_image() {
        let bounds = |x, y, width, height| BoundingBox { x, y, width, height };
        assert_eq!(around(bounds(40, 30, 20, 10), 1.5, 100, 80), bounds(35, 20, 30, 30));
        assert_eq!(around(bounds(0, 70, 20, 10), 1.0, 100, 80), bounds(0, 60, 20, 20));
        assert_eq!(around(bounds(10, 5, 90, 70), 1.0, 100, 80), bounds(10, 0, 90, 80));
        assert_eq!(around(bounds(3, 3, 1, 1), 0.1, 100, 80), bounds(3, 3, 1, 1));
    }
}
