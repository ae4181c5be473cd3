use convert_sdk::{BoundingBox, Context, Error, Image, LazyImage, Mask, Plugin, Proposal, Refinement, Refiner, Result, Work, config};
use opencv::core::{Mat, MatTraitConst, MatTraitConstManual, Rect, set_rng_seed};
use opencv::imgproc::{DIST_L2, DIST_MASK_PRECISE, GC_BGD, GC_FGD, GC_INIT_WITH_MASK, GC_PR_BGD, GC_PR_FGD, distance_transform_def, grab_cut};

use crate::change::keep_if_alike;
use crate::keep_opencv_on_one_thread;

/// The most pixels of the window that a mask is refined in; GrabCut's graph of one of this size takes about 4 GB.
const MAX_PIXELS: u64 = 1 << 24;

/// Fits every mask to the image by GrabCut, from two colour models of its inside and its surroundings (Rother, Kolmogorov & Blake, SIGGRAPH 2004), and drops a mask that this changes too
/// much.
///
/// The image is resized to the mask's size. What lies deep inside the mask stays foreground, what lies far outside stays background; the band between the two is decided, by
/// OpenCV's `grabCut` in a window around it. Holes and specks may be left: `fill-holes` fills the former.
#[config(default)]
#[derive(Clone, Debug)]
pub struct GrabCutConfig {
    /// How often the colour models are fitted and the mask is cut. Default 3.
    #[schemars(range(min = 1, max = 100))]
    pub iterations: i32,
    /// How wide the undecided band is inside the mask's edge, as a share of the square root of its area. Default 0.15. A mask that is nowhere deeper is undecided everywhere.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub inner_band: f64,
    /// How wide the undecided band is outside the mask's edge, as a share of the square root of its area. Default 0.1. As much again beyond it, and at least that of a tenth, is seen as background.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub outer_band: f64,
    /// Drop a mask whose IoU before and after is below this, in [0, 1]. Default 0.5.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_iou: f64,
}

impl Default for GrabCutConfig {
    fn default() -> Self {
        Self { iterations: 3, inner_band: 0.15, outer_band: 0.1, min_iou: 0.5 }
    }
}

/// Operations a pixel and iteration, roughly: two mixtures of five Gaussians in three dimensions, the fit of one, and a maximum flow that comes by some ten times.
const ITERATION_FLOPS: u64 = 600;
/// The narrowest surroundings that background is learned from, as a share of the square root of the mask's area.
const MIN_SURROUNDINGS: f64 = 0.1;

/// The refiner `grabcut`.
#[derive(Clone, Debug)]
pub struct GrabCut {
    config: GrabCutConfig,
}

impl Plugin for GrabCut {
    type Config = GrabCutConfig;

    fn new(config: GrabCutConfig, _: Context) -> Result<Self> {
        Ok(Self { config })
    }
}

impl Refiner for GrabCut {
    fn work(&self, before: &Work) -> Work {
        let flops = before.masks * before.mask_pixels * u64::from(self.config.iterations.unsigned_abs()) * ITERATION_FLOPS;
        Work { flops, masks: before.masks, mask_pixels: before.mask_pixels, ..Work::default() }
    }

    fn refine(&self, image: &LazyImage<'_>, proposals: &[Proposal]) -> Result<Vec<Refinement>> {
        let mut resized: Option<Image<'_>> = None;
        let mut refine = |proposal: &Proposal| {
            let Some(window) = Window::around(&proposal.mask, &self.config)? else {
                return Ok(Refinement::Drop { reason: "the mask was empty before grabcut".into() });
            };
            let (width, height) = (proposal.mask.width(), proposal.mask.height());
            let image = match resized.take().filter(|image| (image.width(), image.height()) == (width, height)) {
                Some(image) => image,
                None => image.get()?.resize_lanczos(width, height)?,
            };
            let refined = window.cut(&image, &self.config);
            resized = Some(image);
            keep_if_alike(proposal, refined?, self.config.min_iou, "grabcut")
        };
        proposals.iter().map(&mut refine).collect()
    }
}

/// The part of an image in which a mask is refined.
struct Window<'a> {
    mask: &'a Mask,
    bounds: BoundingBox,
    /// The mask within it, a byte a pixel.
    inside: Vec<u8>,
    /// The widths of the undecided band in pixels.
    inner: f32,
    outer: f32,
}

impl<'a> Window<'a> {
    /// The window around a mask: its box, the band around it, and some surroundings; `None` around an empty mask.
    fn around(mask: &'a Mask, config: &GrabCutConfig) -> Result<Option<Self>> {
        keep_opencv_on_one_thread()?;
        let Some(bounds) = mask.bounding_box() else { return Ok(None) };
        let unit = f64::from(mask.area()).sqrt();
        let outer = (config.outer_band * unit).max(1.0);
        let margin = (outer + (config.outer_band.max(MIN_SURROUNDINGS) * unit).max(1.0)).ceil() as u32;
        let (left, top) = (bounds.x.saturating_sub(margin), bounds.y.saturating_sub(margin));
        let right = (bounds.x + bounds.width).saturating_add(margin).min(mask.width());
        let bottom = (bounds.y + bounds.height).saturating_add(margin).min(mask.height());
        let bounds = BoundingBox { x: left, y: top, width: right - left, height: bottom - top };
        if u64::from(bounds.width) * u64::from(bounds.height) > MAX_PIXELS {
            return Err(Error::invalid(format!(
                "grabcut cannot refine a mask in a window of {}x{} pixels: the limit is {MAX_PIXELS} pixels; propose smaller masks",
                bounds.width, bounds.height
            )));
        }
        let pixels = mask.to_pixels();
        let rows = pixels.chunks_exact(mask.width() as usize).skip(top as usize).take(bounds.height as usize);
        let inside = rows.flat_map(|row| &row[left as usize..right as usize]).copied().collect();
        Ok(Some(Self { mask, bounds, inside, inner: (config.inner_band * unit) as f32, outer: outer as f32 }))
    }

    /// The mask that GrabCut makes of it in the image of the mask's size.
    fn cut(&self, image: &Image<'_>, config: &GrabCutConfig) -> Result<Mask> {
        if self.inside.iter().all(|pixel| *pixel == 1) {
            return Ok(self.mask.clone()); // it covers all: there is no background to tell it from
        }
        let (width, height) = (self.bounds.width, self.bounds.height);
        let named = |error: opencv::Error| {
            let line = error.message.lines().next().unwrap_or_default();
            Error::invalid(format!("opencv's grabCut failed on a mask in a window of {width}x{height} pixels: {line}"))
        };
        let part = image.crop(self.bounds)?;
        let labels = self.labels().and_then(|labels| grabbed(&part, &labels, config.iterations)).map_err(named)?;
        let mut pixels = vec![0; self.mask.width() as usize * self.mask.height() as usize];
        let rows = pixels.chunks_exact_mut(self.mask.width() as usize).skip(self.bounds.y as usize);
        for (row, labels) in rows.zip(labels.chunks_exact(width as usize)) {
            let row = &mut row[self.bounds.x as usize..][..width as usize];
            row.iter_mut().zip(labels).for_each(|(pixel, label)| *pixel = u8::from(is_foreground(*label)));
        }
        Mask::from_pixels(self.mask.width(), self.mask.height(), &pixels)
    }

    /// What each pixel is said to be before the first cut.
    fn labels(&self) -> opencv::Result<Vec<u8>> {
        let (width, height) = (self.bounds.width as i32, self.bounds.height as i32);
        // The distance of each pixel that is not 0 to the nearest that is.
        let distances = |pixels: &[u8]| -> opencv::Result<Vec<f32>> {
            let mut distances = Mat::default();
            let pixels = Mat::new_rows_cols_with_data(height, width, pixels)?;
            distance_transform_def(&pixels, &mut distances, DIST_L2, DIST_MASK_PRECISE)?;
            Ok(distances.data_typed::<f32>()?.to_vec())
        };
        let outside: Vec<u8> = self.inside.iter().map(|pixel| 1 - pixel).collect();
        let (depths, distances) = (distances(&self.inside)?, distances(&outside)?);
        let label = |((inside, depth), distance): ((&u8, f32), f32)| match *inside == 1 {
            true if depth > self.inner => GC_FGD,
            true => GC_PR_FGD,
            false if distance > self.outer => GC_BGD,
            false => GC_PR_BGD,
        };
        Ok(self.inside.iter().zip(depths).zip(distances).map(|pixel| label(pixel) as u8).collect())
    }
}

/// The labels after GrabCut.
fn grabbed(image: &Image<'_>, labels: &[u8], iterations: i32) -> opencv::Result<Vec<u8>> {
    let (width, height) = (image.width() as i32, image.height() as i32);
    let pixels = Mat::new_rows_cols_with_data(height, width * 3, image.pixels())?;
    let pixels = pixels.reshape(3, height)?;
    let mut labels = Mat::new_rows_cols_with_data(height, width, labels)?.try_clone()?;
    let (mut background, mut foreground) = (Mat::default(), Mat::default());
    // The models begin with k-means, which draws from a generator of this thread: it starts anew for each mask, so that the order of masks does not count.
    set_rng_seed(0)?;
    grab_cut(&pixels, &mut labels, Rect::default(), &mut background, &mut foreground, iterations, GC_INIT_WITH_MASK)?;
    Ok(labels.data_bytes()?.to_vec())
}

fn is_foreground(label: u8) -> bool {
    [GC_FGD, GC_PR_FGD].contains(&i32::from(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A red disc of radius 20 in the middle of 96 x 64 pixels, on green, with some noise.
    fn disc() -> (Image<'static>, Mask) {
        let inside = |x: u32, y: u32| (x as i32 - 48).pow(2) + (y as i32 - 32).pow(2) <= 400;
        let pixels = (0..96 * 64u32).flat_map(|at| {
            let noise = (at.wrapping_mul(2_654_435_761) >> 28) as u8;
            if inside(at % 96, at / 96) { [200 + noise, 40, 30 + noise] } else { [50, 130 + noise, 60 + noise] }
        });
        let truth: Vec<u8> = (0..96 * 64).map(|at| u8::from(inside(at % 96, at / 96))).collect();
        (Image::new(96, 64, pixels.collect::<Vec<_>>()).unwrap(), Mask::from_pixels(96, 64, &truth).unwrap())
    }

    fn boxed(width: u32, height: u32, x: u32, y: u32, w: u32, h: u32) -> Proposal {
        let mask = Mask::from_box(width, height, BoundingBox { x, y, width: w, height: h }).unwrap();
        Proposal::new(mask, 0.7).unwrap().with_measure("m", 1.0)
    }

    fn refined(image: &Image<'_>, proposals: &[Proposal], config: GrabCutConfig) -> Vec<Refinement> {
        GrabCut::new(config, Context::for_tests(&[])).unwrap().refine(&image.clone().into(), proposals).unwrap()
    }

    #[test]
    fn a_coarse_mask_becomes_the_object_and_sizes_may_differ() {
        let (image, truth) = disc();
        let proposals = [boxed(96, 64, 30, 14, 36, 36), boxed(48, 32, 15, 7, 18, 18), boxed(96, 64, 31, 15, 26, 34)];
        let found = refined(&image, &proposals, GrabCutConfig { outer_band: 0.4, ..GrabCutConfig::default() });
        for (proposal, refinement) in proposals.iter().zip(found) {
            let Refinement::Keep(kept) = refinement else { panic!("{refinement:?}") };
            assert_eq!(Proposal { mask: proposal.mask.clone(), ..kept.clone() }, *proposal, "all but the mask stays");
            let truth = truth.resize_nearest(kept.mask.width(), kept.mask.height()).unwrap();
            let (before, after) = (proposal.mask.iou(&truth).unwrap(), kept.mask.iou(&truth).unwrap());
            assert!(after > 0.93 && after > before, "{before} {after}");
        }
    }

    #[test]
    fn order_and_threads_change_nothing() {
        let (image, _) = disc();
        let proposals = [boxed(96, 64, 20, 4, 46, 36), boxed(96, 64, 40, 20, 50, 20), boxed(96, 64, 0, 0, 60, 60)];
        let together = refined(&image, &proposals, GrabCutConfig::default());
        let alone = |proposal: &Proposal| refined(&image, std::slice::from_ref(proposal), GrabCutConfig::default()).remove(0);
        assert_eq!(proposals.iter().map(alone).collect::<Vec<_>>(), together);
        let elsewhere: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(|| refined(&image, &proposals, GrabCutConfig::default()))).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        assert!(elsewhere.iter().all(|found| *found == together));
    }

    #[test]
    fn masks_that_are_nothing_all_or_a_pixel_have_an_answer() {
        let (image, _) = disc();
        let whole = Proposal::new(Mask::full(96, 64).unwrap(), 1.0).unwrap();
        let nothing = Proposal::new(Mask::empty(96, 64).unwrap(), 1.0).unwrap();
        let pixel = boxed(96, 64, 48, 32, 1, 1);
        // All but a pixel, and a band that reaches beyond the image.
        let most = Proposal::new(whole.mask.difference(&boxed(96, 64, 0, 0, 1, 1).mask).unwrap(), 1.0).unwrap();
        let lenient = GrabCutConfig { min_iou: 0.0, inner_band: 0.0, outer_band: 10.0, ..GrabCutConfig::default() };
        for config in [GrabCutConfig::default(), lenient] {
            let found = refined(&image, &[whole.clone(), nothing.clone(), pixel.clone(), most.clone()], config);
            assert_eq!(found[0], Refinement::Keep(whole.clone()));
            assert_eq!(found[1], Refinement::Drop { reason: "the mask was empty before grabcut".into() });
            assert_eq!(found[2], Refinement::Keep(pixel.clone()), "what is deeper than the band stays");
            assert!(matches!(&found[3], Refinement::Keep(kept) if kept.mask.area() >= most.mask.area()), "{:?}", found[3]);
        }
    }

    #[test]
    fn what_is_not_the_mask_any_more_is_dropped_with_a_reason() {
        let (image, _) = disc();
        // Undecided everywhere and mostly of the colour of the background around it: nothing stays.
        let config = GrabCutConfig { inner_band: 10.0, outer_band: 1.0, ..GrabCutConfig::default() };
        let found = refined(&image, &[boxed(96, 64, 4, 4, 40, 56)], config);
        assert_eq!(found, [Refinement::Drop { reason: "grabcut left nothing of the mask".into() }]);
        let config = GrabCutConfig { min_iou: 0.99, ..GrabCutConfig::default() };
        let found = refined(&image, &[boxed(96, 64, 30, 14, 36, 36)], config);
        let changed = |reason: &str| reason.starts_with("grabcut changed the mask too much: iou 0.") && reason.ends_with(" is below 0.99");
        assert!(matches!(&found[0], Refinement::Drop { reason } if changed(reason)), "{found:?}");
    }

    #[test]
    fn images_of_one_colour_and_of_one_pixel_do_no_harm() {
        for (width, height) in [(1, 1), (2, 1), (300, 2), (40, 40)] {
            let image = Image::new(width, height, vec![9; (width * height * 3) as usize]).unwrap();
            let half = boxed(width, height, 0, 0, width.div_ceil(2), height);
            assert_eq!(refined(&image, std::slice::from_ref(&half), GrabCutConfig::default()).len(), 1, "{width}x{height}");
        }
    }
}
