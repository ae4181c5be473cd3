//! The paper's augmentation (B.1): RandomResizedCrop, horizontal flip and RandAugment(2, 9), the geometric parts identically on image and mask.

mod colour;
mod geometry;

use convert_sdk::{BoundingBox, Image, Mask, Result};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use colour::Colour;
use geometry::Warp;

/// A square view of an image and of the regions in it.
pub struct View {
    /// S×S pixels.
    pub image: Image<'static>,
    /// In the order of the image's regions; not all of them lost.
    pub regions: Vec<Seen>,
}

/// What a view shows of a region.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// All of the view: the region is the whole image.
    Whole,
    /// S×S pixels, not empty.
    Mask(Mask),
    /// Nothing: the mask has left the view.
    Lost,
}

/// What RandAugment may do, as torchvision has it.
#[derive(Clone, Copy)]
enum Operation {
    Nothing,
    Warp(Warp),
    Colour(Colour),
}

/// RandAugment's number of operations and their magnitude (of 31 steps from 0 to 30).
const OPERATIONS: usize = 2;
const STRENGTH: f64 = 9.0 / 30.0;

/// One of the fourteen operations, each as likely, with its strength and a random sign where it has one.
fn drawn(size: u32, random: &mut ChaCha8Rng) -> Operation {
    let which = random.random_range(0..14u32);
    let sign = if random.random::<bool>() { 1.0 } else { -1.0 };
    let signed = sign * STRENGTH;
    match which {
        0 => Operation::Nothing,
        1 => Operation::Warp(Warp::ShearX(0.3 * signed)),
        2 => Operation::Warp(Warp::ShearY(0.3 * signed)),
        3 => Operation::Warp(Warp::TranslateX((150.0 / 331.0 * f64::from(size) * signed).trunc())),
        4 => Operation::Warp(Warp::TranslateY((150.0 / 331.0 * f64::from(size) * signed).trunc())),
        5 => Operation::Warp(Warp::Rotate(30.0 * signed)),
        6 => Operation::Colour(Colour::Brightness(1.0 + 0.9 * signed)),
        7 => Operation::Colour(Colour::Saturation(1.0 + 0.9 * signed)),
        8 => Operation::Colour(Colour::Contrast(1.0 + 0.9 * signed)),
        9 => Operation::Colour(Colour::Sharpness(1.0 + 0.9 * signed)),
        10 => Operation::Colour(Colour::Posterize(8 - (STRENGTH * 4.0).round() as u32)),
        11 => Operation::Colour(Colour::Solarize(255.0 * (1.0 - STRENGTH))),
        12 => Operation::Colour(Colour::AutoContrast),
        _ => Operation::Colour(Colour::Equalize),
    }
}

/// A random view of `size` x `size` pixels that serves all regions of an image, the one without a mask being the whole image; `None` when every mask has left it,
/// since then nobody needs its pixels.
///
/// # Errors
/// An image that cannot be resized.
pub fn view(image: &Image<'_>, masks: &[Option<&Mask>], size: u32, random: &mut ChaCha8Rng) -> Result<Option<View>> {
    // Everything is drawn before anything is decided, so that a lost mask takes as many numbers as any other.
    let crop = geometry::random_crop(image.width(), image.height(), random);
    let mirrored = random.random::<bool>();
    let operations: [Operation; OPERATIONS] = std::array::from_fn(|_| drawn(size, random));

    let regions = masks.iter().map(|mask| mask.map_or(Ok(Seen::Whole), |mask| seen(mask, &crop, mirrored, &operations, size)));
    let regions = regions.collect::<Result<Vec<_>>>()?;
    if regions.iter().all(|region| *region == Seen::Lost) {
        return Ok(None);
    }
    let mut pixels = image.crop(crop)?.resize_lanczos(size, size)?.into_pixels();
    if mirrored {
        geometry::mirror(&mut pixels, size, 3);
    }
    for operation in operations {
        pixels = match operation {
            Operation::Nothing => pixels,
            Operation::Warp(warp) => warp.apply(&pixels, size, 3),
            Operation::Colour(colour) => colour.apply(pixels, size),
        };
    }
    Ok(Some(View { image: Image::new(size, size, pixels)?, regions }))
}

/// A mask in a view.
fn seen(mask: &Mask, crop: &BoundingBox, mirrored: bool, operations: &[Operation], size: u32) -> Result<Seen> {
    let mut pixels = geometry::nearest(crop, &mask.to_pixels(), mask.width(), size);
    if mirrored {
        geometry::mirror(&mut pixels, size, 1);
    }
    for operation in operations {
        if let Operation::Warp(warp) = operation {
            pixels = warp.apply(&pixels, size, 1);
        }
    }
    let mask = Mask::from_pixels(size, size, &pixels)?;
    Ok(if mask.is_empty() { Seen::Lost } else { Seen::Mask(mask) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::randomness::{Purpose, stream};
    use convert_sdk::BoundingBox;

    /// A white block on black, and its mask: after any geometry the mask must still lie on the white.
    #[test]
    fn image_and_mask_move_together_and_a_lost_mask_is_said() {
        let block = Mask::from_box(96, 64, BoundingBox { x: 20, y: 10, width: 40, height: 30 }).unwrap();
        let pixels: Vec<u8> = block.to_pixels().iter().flat_map(|inside| [inside * 255; 3]).collect();
        let image = Image::new(96, 64, pixels).unwrap();
        let (mut lost, mut compared, mut covered, mut seen) = (0, 0, 0.0, 0.0);
        for index in 0..200 {
            let Some(View { image, regions }) = view(&image, &[Some(&block)], 48, &mut stream(1, Purpose::View, index)).unwrap() else {
                lost += 1;
                continue;
            };
            let [Seen::Mask(mask)] = regions.as_slice() else { panic!("{regions:?}") };
            let inside = mask.to_pixels();
            let bright = image.pixels().as_chunks::<3>().0.iter().map(|[r, ..]| *r).collect::<Vec<_>>();
            let highest = f64::from(*bright.iter().max().unwrap());
            let mut block: Vec<u8> = bright.iter().zip(&inside).filter(|(_, inside)| **inside == 1).map(|(value, _)| *value).collect();
            block.sort_unstable();
            // Solarize turns white to black and leaves the grey rim of a resampled block; whatever else happens keeps the block brighter than its ground.
            if f64::from(block[block.len() / 2]) <= highest / 2.0 {
                continue;
            }
            compared += 1;
            let white = bright.iter().zip(&inside).filter(|(value, inside)| **inside == 1 && f64::from(**value) > highest / 2.0).count();
            covered += white as f64;
            seen += inside.iter().filter(|inside| **inside == 1).count() as f64;
        }
        assert!((1..80).contains(&lost), "{lost} of 200 views lost the mask");
        assert!(compared > 120, "{compared} views show the block");
        assert!(covered / seen > 0.97, "{} of the mask lies on the block", covered / seen);
    }

    #[test]
    fn a_view_depends_on_its_stream_alone() {
        let image = Image::new(30, 20, (0..1800).map(|at| (at % 256) as u8).collect::<Vec<_>>()).unwrap();
        let once = |index| view(&image, &[None], 16, &mut stream(3, Purpose::View, index)).unwrap().unwrap().image;
        assert_eq!(once(5), once(5));
        assert_ne!(once(5), once(6));
    }

    #[test]
    fn a_view_serves_every_region_as_it_would_serve_it_alone() {
        let image = Image::new(60, 40, (0..7200).map(|at| (at % 253) as u8).collect::<Vec<_>>()).unwrap();
        let masks = [(0, 0, 8, 8), (20, 10, 30, 20), (52, 32, 8, 8)]
            .map(|(x, y, width, height)| Mask::from_box(60, 40, BoundingBox { x, y, width, height }).unwrap());
        let random = |index| stream(2, Purpose::View, index);
        let (mut lost, mut shared) = (0, 0);
        for index in 0..60 {
            let Some(together) = view(&image, &[Some(&masks[0]), None, Some(&masks[1]), Some(&masks[2])], 32, &mut random(index)).unwrap() else {
                panic!("the whole image is always seen")
            };
            assert_eq!(together.regions[1], Seen::Whole);
            for (mask, seen) in masks.iter().zip([&together.regions[0], &together.regions[2], &together.regions[3]]) {
                match view(&image, &[Some(mask)], 32, &mut random(index)).unwrap() {
                    Some(alone) => {
                        assert_eq!((&alone.regions[0], &alone.image), (seen, &together.image));
                        shared += 1;
                    }
                    None => {
                        assert_eq!(*seen, Seen::Lost);
                        lost += 1;
                    }
                }
            }
        }
        assert!(lost > 20 && shared > 60, "{lost} lost, {shared} seen");
    }
}
