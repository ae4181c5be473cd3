//! Masks: their forms, set operations, refusals.

use convert_sdk::*;
use proptest::prelude::*;

fn masks() -> impl Strategy<Value = (u32, u32, Vec<u8>, Vec<u8>)> {
    (1u32..12, 1u32..12).prop_flat_map(|(w, h)| {
        let pixels = || proptest::collection::vec(0u8..2, (w * h) as usize);
        (Just(w), Just(h), pixels(), pixels())
    })
}

proptest! {
    #[test]
    fn every_form_of_a_mask_reads_back_as_the_same_mask((w, h, pixels, _) in masks()) {
        let mask = Mask::from_pixels(w, h, &pixels).unwrap();
        prop_assert_eq!(&mask.to_pixels(), &pixels);
        prop_assert_eq!(&Mask::from_runs(w, h, mask.runs()).unwrap(), &mask);
        prop_assert_eq!(&Mask::from_counts(w, h, &mask.counts()).unwrap(), &mask);
        prop_assert_eq!(mask.area() as usize, pixels.iter().filter(|p| **p == 1).count());
    }

    #[test]
    fn set_operations_agree_with_the_pixels((w, h, a, b) in masks()) {
        let (x, y) = (Mask::from_pixels(w, h, &a).unwrap(), Mask::from_pixels(w, h, &b).unwrap());
        let expect = |f: fn(u8, u8) -> u8| a.iter().zip(&b).map(|(a, b)| f(*a, *b)).collect::<Vec<_>>();
        prop_assert_eq!(x.union(&y).unwrap().to_pixels(), expect(|a, b| a | b));
        prop_assert_eq!(x.intersection(&y).unwrap().to_pixels(), expect(|a, b| a & b));
        prop_assert_eq!(x.difference(&y).unwrap().to_pixels(), expect(|a, b| a & (1 - b)));
        let count = |pixels: Vec<u8>| f64::from(pixels.iter().map(|pixel| u32::from(*pixel)).sum::<u32>());
        let (common, either) = (count(expect(|a, b| a & b)), count(expect(|a, b| a | b)));
        prop_assert_eq!(x.iou(&y).unwrap(), if either == 0.0 { 0.0 } else { common / either });
    }
}

#[test]
fn counts_are_those_of_pycocotools() {
    // pycocotools.mask.encode of a 5x4 mask with a 3x2 block at column 1, row 1, and of a full one
    let mut pixels = [0u8; 20];
    for (x, y) in [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (3, 2)] {
        pixels[y * 5 + x] = 1;
    }
    assert_eq!(Mask::from_pixels(5, 4, &pixels).unwrap().counts(), "5220003");
    assert_eq!(Mask::full(5, 4).unwrap().counts(), "0d0");
}

#[test]
fn wrong_sums_wrong_codes_and_unequal_sizes_are_errors_that_say_so() {
    assert_eq!(Mask::from_runs(4, 2, &[3, 4]).unwrap_err().to_string(), "the runs of a 4x2 mask sum to 7 instead of 8");
    assert!(Mask::from_counts(4, 2, "~~~").is_err());
    assert!(Mask::full(4, 2).unwrap().iou(&Mask::full(2, 4).unwrap()).is_err());
    assert!(Mask::empty(0, 4).is_err());
}

proptest! {
    #[test]
    fn a_crop_has_the_pixels_of_the_box(
        (w, h, pixels) in (1u32..12, 1u32..12).prop_flat_map(|(w, h)| (Just(w), Just(h), proptest::collection::vec(0u8..2, (w * h) as usize))),
        (left, right, top, bottom) in (0.0..1.0, 0.0..1.0, 0.0..1.0, 0.0..1.0),
    ) {
        let range = |one: f64, other: f64, side: u32| ((one.min(other) * f64::from(side)) as u32, (one.max(other) * f64::from(side)) as u32 + 1);
        let ((left, right), (top, bottom)) = (range(left, right, w), range(top, bottom, h));
        let region = BoundingBox { x: left, y: top, width: right - left, height: bottom - top };
        let crop = Mask::from_pixels(w, h, &pixels).unwrap().crop(region).unwrap();
        let expected: Vec<u8> = (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y))).map(|(x, y)| pixels[(y * w + x) as usize]).collect();
        prop_assert_eq!((crop.width(), crop.height(), crop.to_pixels()), (region.width, region.height, expected));
        let beyond = BoundingBox { width: w + 1, ..region };
        prop_assert!(Mask::full(w, h).unwrap().crop(beyond).is_err());
    }
}

proptest! {
    #[test]
    fn resizing_and_boxes_agree_with_the_pixels(
        (w, h, pixels) in (1u32..12, 1u32..12).prop_flat_map(|(w, h)| (Just(w), Just(h), proptest::collection::vec(0u8..2, (w * h) as usize))),
        (to_w, to_h) in (1u32..30, 1u32..30),
        (x, y, width, height) in (0u32..14, 0u32..14, 0u32..14, 0u32..14),
    ) {
        let mask = Mask::from_pixels(w, h, &pixels).unwrap();
        let at = |x: u32, y: u32| pixels[(y * w + x) as usize];
        let resized: Vec<u8> = (0..to_h).flat_map(|y| (0..to_w).map(move |x| (x, y))).map(|(x, y)| at(x * w / to_w, y * h / to_h)).collect();
        prop_assert_eq!(mask.resize_nearest(to_w, to_h).unwrap(), Mask::from_pixels(to_w, to_h, &resized).unwrap());
        let inside: Vec<(u32, u32)> = (0..h).flat_map(|y| (0..w).map(move |x| (x, y))).filter(|(x, y)| at(*x, *y) == 1).collect();
        let range = |of: fn(&(u32, u32)) -> u32| (inside.iter().map(of).min(), inside.iter().map(of).max());
        let found = mask.bounding_box().map(|found| ((Some(found.x), Some(found.x + found.width - 1)), (Some(found.y), Some(found.y + found.height - 1))));
        prop_assert_eq!(found.unwrap_or_default(), (range(|at| at.0), range(|at| at.1)));
        let drawn = Mask::from_box(w, h, BoundingBox { x, y, width, height }).unwrap();
        let covered = |px: u32, py: u32| u8::from((x..x + width).contains(&px) && (y..y + height).contains(&py));
        let expected: Vec<u8> = (0..h).flat_map(|y| (0..w).map(move |x| (x, y))).map(|(x, y)| covered(x, y)).collect();
        prop_assert_eq!(drawn, Mask::from_pixels(w, h, &expected).unwrap());
    }
}

fn block() -> Mask {
    Mask::from_box(8, 6, BoundingBox { x: 2, y: 1, width: 4, height: 3 }).unwrap()
}

#[test]
fn a_box_comes_back_from_its_mask() {
    assert_eq!(block().area(), 12);
    assert_eq!(block().bounding_box(), Some(BoundingBox { x: 2, y: 1, width: 4, height: 3 }));
    assert_eq!(Mask::empty(3, 3).unwrap().bounding_box(), None);
    assert_eq!(Mask::full(3, 2).unwrap().bounding_box(), Some(BoundingBox { x: 0, y: 0, width: 3, height: 2 }));
}

#[test]
fn whole_number_scaling_keeps_the_shape() {
    let doubled = block().resize_nearest(16, 12).unwrap();
    assert_eq!(doubled.bounding_box(), Some(BoundingBox { x: 4, y: 2, width: 8, height: 6 }));
    assert_eq!(doubled.resize_nearest(8, 6).unwrap(), block());
    assert!(block().fit_to(80, 60).unwrap().iou(&block().resize_nearest(80, 60).unwrap()).unwrap() > 0.97);
}

#[test]
fn fitting_an_empty_mask_gives_an_empty_one() {
    assert!(Mask::empty(4, 4).unwrap().fit_to(9, 7).unwrap().is_empty());
}

#[test]
fn coverage_is_the_share_of_each_cell() {
    assert_eq!(block().coverage(4, 3), [0.0, 0.5, 0.5, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let total: f32 = block().coverage(5, 4).iter().sum();
    assert!((total / 20.0 - 12.0 / 48.0).abs() < 1e-6);
}

/// The pixels through Pillow's filter, which other tests hold to Pillow itself; and shares pixel by pixel.
fn fitted(pixels: &[u8], from: (u32, u32), to: (u32, u32)) -> Vec<u8> {
    let size = |(width, height): (u32, u32)| (width as usize, height as usize);
    let full: Vec<u8> = pixels.iter().map(|pixel| pixel * 255).collect();
    let resized = convert_sdk::resample::resize::<1>(&full, size(from), size(to), convert_sdk::resample::Filter::Bicubic);
    let half = f32::from(resized.iter().copied().max().unwrap_or(0)) / 2.0;
    resized.iter().map(|value| u8::from(f32::from(*value) > half)).collect()
}

proptest! {
    #[test]
    fn fitting_and_coverage_agree_with_the_pixels(
        (w, h, pixels) in (1u32..40, 1u32..40).prop_flat_map(|(w, h)| (Just(w), Just(h), proptest::collection::vec(0u8..8, (w * h) as usize))),
        (to_w, to_h) in (1u32..90, 1u32..90),
    ) {
        let pixels: Vec<u8> = pixels.into_iter().map(|value| u8::from(value == 0)).collect();
        let mask = Mask::from_pixels(w, h, &pixels).unwrap();
        if (w, h) != (to_w, to_h) {
            let expected = fitted(&pixels, (w, h), (to_w, to_h));
            prop_assert_eq!(mask.fit_to(to_w, to_h).unwrap(), Mask::from_pixels(to_w, to_h, &expected).unwrap());
        }
        let (wide, high) = (f64::from(w) / f64::from(to_w), f64::from(h) / f64::from(to_h));
        let overlap = |pixel: u32, cell: u32, size: f64| {
            ((f64::from(pixel) + 1.0).min(f64::from(cell + 1) * size) - f64::from(pixel).max(f64::from(cell) * size)).max(0.0) / size
        };
        for (at, share) in mask.coverage(to_w, to_h).into_iter().enumerate() {
            let (column, row) = (at as u32 % to_w, at as u32 / to_w);
            let covered = |pixel: usize| overlap(pixel as u32 % w, column, wide) * overlap(pixel as u32 / w, row, high);
            let expected: f64 = (0..pixels.len()).filter(|pixel| pixels[*pixel] == 1).map(covered).sum();
            prop_assert!((f64::from(share) - expected).abs() < 1e-6, "{} {}", share, expected);
        }
    }
}
