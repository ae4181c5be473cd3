use std::sync::{Arc, Mutex, PoisonError, Weak};

use convert_sdk::{Context, Image, LazyImage, Mask, Plugin, Proposal, Refinement, Refiner, Result, Work, config};

use crate::change::keep_if_alike;
use crate::crf::{CrfMemory, CrfModel, CrfParameters, PositionLattice};
use crate::holes::fill_holes;

/// The most pixels that a mask may have; the lattices of one of this size take about 4 GB.
const MAX_PIXELS: u64 = 1 << 24;

/// Fits every mask to the image's edges with a dense CRF, fills its holes, and drops a mask that this changes too much (method 1.10 and 2).
///
/// The image is resized to the mask's size. The computation is pydensecrf's, not an approximation of it.
#[config(default)]
#[derive(Clone, Debug)]
pub struct DenseCrfConfig {
    /// How much the coarse mask is believed: the probability of its label at each pixel, above 0.5 and below 1. Default e/(1 + e) = 0.731, the softmax of (0, 1) (method 2).
    #[schemars(range(min = 0.5, max = 0.99999))]
    pub unary_probability: f64,
    /// Standard deviation of the Gaussian pairwise term, in pixels of the mask. Default 3 (method 2).
    #[schemars(range(min = 0.01, max = 10000.0))]
    pub gaussian_sigma: f32,
    /// Weight of the Gaussian pairwise term. Default 7 (method 2).
    #[schemars(range(min = 0.0, max = 10000.0))]
    pub gaussian_weight: f32,
    /// Standard deviation of the bilateral pairwise term's positions, in pixels of the mask. Default 50 (method 2).
    #[schemars(range(min = 0.01, max = 10000.0))]
    pub bilateral_sigma: f32,
    /// Standard deviation of the bilateral pairwise term's colours, in grey levels of 0 to 255. Default 5 (method 2).
    #[schemars(range(min = 0.01, max = 10000.0))]
    pub colour_sigma: f32,
    /// Weight of the bilateral pairwise term. Default 10 (method 2).
    #[schemars(range(min = 0.0, max = 10000.0))]
    pub bilateral_weight: f32,
    /// Mean-field iterations. Default 10 (method 2).
    #[schemars(range(min = 0, max = 1000))]
    pub iterations: u32,
    /// Drop a mask whose IoU before the CRF and after filling holes is below this, in [0, 1]. Default 0.5 (method 1.10).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_iou: f64,
}

impl Default for DenseCrfConfig {
    fn default() -> Self {
        Self {
            unary_probability: std::f64::consts::E / (1.0 + std::f64::consts::E),
            gaussian_sigma: 3.0,
            gaussian_weight: 7.0,
            bilateral_sigma: 50.0,
            colour_sigma: 5.0,
            bilateral_weight: 10.0,
            iterations: 10,
            min_iou: 0.5,
        }
    }
}

impl DenseCrfConfig {
    /// The energies of this config.
    pub fn parameters(&self) -> CrfParameters {
        CrfParameters {
            unary_probability: self.unary_probability,
            gaussian_sigma: self.gaussian_sigma,
            gaussian_weight: self.gaussian_weight,
            bilateral_sigma: self.bilateral_sigma,
            colour_sigma: self.colour_sigma,
            bilateral_weight: self.bilateral_weight,
            iterations: self.iterations,
        }
    }
}

/// Operations a pixel to place it in both lattices: the simplex around it, and the weights with their normalisation.
const LATTICE_FLOPS: u64 = 150;
/// Operations a pixel, mask and iteration: spreading to and reading from 3 + 6 corners, two each; blurring along as many axes, three each, as if every
/// pixel had a lattice point of its own; the beliefs' exponential and the sums, about ten.
const ITERATION_FLOPS: u64 = 9 * (2 + 2 + 3) + 10;

/// Sizes whose position lattice is kept: proposers give masks of few sizes.
const KEPT_SIZES: usize = 4;
/// The most pixels of such a size; its lattice takes about 45 bytes a pixel.
const MAX_KEPT_PIXELS: u64 = 1 << 21;
/// The most pixels of an image whose memory the next one takes over: 60 to 210 bytes a pixel.
const MAX_REUSED_PIXELS: u64 = 1 << 19;

/// The memory of images that are done.
type Used = Mutex<Vec<CrfMemory>>;

/// That of all refiners of the process, since they share its threads: as many images' as were worked on at once. It goes with the last refiner.
fn used_memory() -> Arc<Used> {
    static USED: Mutex<Weak<Used>> = Mutex::new(Weak::new());
    let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    used.upgrade().unwrap_or_else(|| {
        let new = Arc::default();
        *used = Arc::downgrade(&new);
        new
    })
}

/// The refiner `dense-crf`.
pub struct DenseCrf {
    config: DenseCrfConfig,
    /// The position lattices of the sizes used last, the latest at the end.
    positions: Mutex<Vec<Arc<PositionLattice>>>,
    used: Arc<Used>,
}

impl DenseCrf {
    /// Refines masks of the image's size.
    fn refined(&self, image: &Image<'_>, masks: &[&Mask]) -> Result<Vec<Mask>> {
        let (parameters, pixels) = (self.config.parameters(), u64::from(image.width()) * u64::from(image.height()));
        if pixels > MAX_KEPT_PIXELS {
            return CrfModel::new(image, parameters).refine(masks);
        }
        let used = || self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = if pixels <= MAX_REUSED_PIXELS { used().pop() } else { None };
        let mut crf = CrfModel::with_position(image, parameters, self.position(image.width(), image.height()), memory.unwrap_or_default());
        let refined = crf.refine(masks);
        if pixels <= MAX_REUSED_PIXELS {
            used().push(crf.into_memory());
        }
        refined
    }

    /// The position lattice of a size.
    fn position(&self, width: u32, height: u32) -> Arc<PositionLattice> {
        let parameters = self.config.parameters();
        let kept = || self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept().iter().find(|position| position.fits(width, height, &parameters)).cloned();
        known.unwrap_or_else(|| {
            // Built without the lock: another thread may build the same meanwhile, which does no harm.
            let built = Arc::new(PositionLattice::new(width, height, parameters.gaussian_sigma));
            let mut kept = kept();
            if kept.len() == KEPT_SIZES {
                kept.remove(0);
            }
            kept.push(Arc::clone(&built));
            built
        })
    }
}

impl Plugin for DenseCrf {
    type Config = DenseCrfConfig;

    fn new(config: DenseCrfConfig, _: Context) -> Result<Self> {
        Ok(Self { config, positions: Mutex::default(), used: used_memory() })
    }
}

impl Refiner for DenseCrf {
    /// The lattices of one image, and as many iterations for each mask; images whose lattices are sparser take less.
    fn work(&self, before: &Work) -> Work {
        let flops = before.mask_pixels * (LATTICE_FLOPS + before.masks * u64::from(self.config.iterations) * ITERATION_FLOPS);
        Work { flops: if before.masks == 0 { 0 } else { flops }, masks: before.masks, mask_pixels: before.mask_pixels, ..Work::default() }
    }

    fn refine(&self, image: &LazyImage<'_>, proposals: &[Proposal]) -> Result<Vec<Refinement>> {
        let mut refined: Vec<Option<Refinement>> = proposals.iter().map(|proposal| drop_unfit(&proposal.mask)).collect();
        // Masks of one size share the lattices; the next size's take over their memory.
        while let Some(first) = refined.iter().position(Option::is_none) {
            let (width, height) = (proposals[first].mask.width(), proposals[first].mask.height());
            let group: Vec<usize> = (first..proposals.len())
                .filter(|index| refined[*index].is_none() && (proposals[*index].mask.width(), proposals[*index].mask.height()) == (width, height))
                .collect();
            let masks: Vec<&Mask> = group.iter().map(|index| &proposals[*index].mask).collect();
            let image = image.get()?.resize_lanczos(width, height)?;
            for (index, mask) in group.iter().zip(self.refined(&image, &masks)?) {
                refined[*index] = Some(keep_if_alike(&proposals[*index], fill_holes(&mask)?, self.config.min_iou, "the crf")?);
            }
        }
        Ok(refined.into_iter().flatten().collect())
    }
}

/// A mask that needs no CRF to be dropped.
fn drop_unfit(mask: &Mask) -> Option<Refinement> {
    let (width, height) = (mask.width(), mask.height());
    if mask.is_empty() {
        return Some(Refinement::Drop { reason: "the mask was empty before the crf".into() });
    }
    (u64::from(width) * u64::from(height) > MAX_PIXELS)
        .then(|| Refinement::Drop { reason: format!("too large for the crf: {width}x{height} is more than {MAX_PIXELS} pixels") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use convert_sdk::BoundingBox;

    /// A bright square on a dark, faintly textured ground.
    fn image(size: u32) -> Image<'static> {
        let inside = size / 4..size * 3 / 4;
        let pixels = (0..size * size).flat_map(|at| {
            let (x, y) = (at % size, at / size);
            let grey = if inside.contains(&x) && inside.contains(&y) { 200 } else { 30 } + ((x * 7 + y * 13) % 4) as u8;
            [grey, grey / 2, grey]
        });
        Image::new(size, size, pixels.collect::<Vec<_>>()).unwrap()
    }

    fn square(size: u32, from: u32, side: u32) -> Proposal {
        Proposal::new(Mask::from_box(size, size, BoundingBox { x: from, y: from, width: side, height: side }).unwrap(), 0.7)
            .unwrap()
            .with_measure("m", 1.0)
    }

    #[test]
    fn a_coarse_mask_snaps_to_the_edges_and_sizes_may_differ() {
        let proposals = [square(64, 14, 36), square(32, 7, 18), square(64, 2, 1), Proposal::new(Mask::empty(9, 9).unwrap(), 0.0).unwrap()];
        let refiner = DenseCrf::new(DenseCrfConfig::default(), Context::for_tests(&[])).unwrap();
        let refined = refiner.refine(&image(64).into(), &proposals).unwrap();
        let Refinement::Keep(first) = &refined[0] else { panic!("{:?}", refined[0]) };
        assert_eq!(first, &Proposal { mask: square(64, 16, 32).mask, ..proposals[0].clone() });
        let Refinement::Keep(second) = &refined[1] else { panic!("{:?}", refined[1]) };
        assert!(square(32, 8, 16).mask.difference(&second.mask).unwrap().is_empty(), "the smaller mask is refined at its own size");
        assert!(matches!(&refined[2], Refinement::Drop { reason } if reason == "the crf left nothing of the mask"), "{:?}", refined[2]);
        assert!(matches!(&refined[3], Refinement::Drop { reason } if reason == "the mask was empty before the crf"));
    }

    #[test]
    fn the_estimate_grows_with_masks_and_iterations() {
        let flops = |iterations, masks| {
            let refiner = DenseCrf::new(DenseCrfConfig { iterations, ..Default::default() }, Context::for_tests(&[])).unwrap();
            let work = refiner.work(&Work { flops: 7, masks, mask_pixels: 480 * 480, ..Work::default() });
            assert_eq!((work.masks, work.mask_pixels), (masks, 480 * 480));
            work.flops
        };
        assert_eq!((flops(10, 0), flops(0, 3)), (0, 480 * 480 * LATTICE_FLOPS));
        assert_eq!(flops(10, 3) - flops(0, 3), 2 * (flops(5, 3) - flops(0, 3)));
        assert_eq!(flops(10, 3) - flops(0, 3), 3 * (flops(10, 1) - flops(0, 1)));
    }

    #[test]
    fn masks_give_the_same_alone_and_together() {
        let proposals = [square(64, 14, 36), square(64, 20, 30), square(64, 5, 40), square(64, 30, 30), square(64, 18, 20)];
        let refiner = DenseCrf::new(DenseCrfConfig::default(), Context::for_tests(&[])).unwrap();
        let image = LazyImage::from(image(64));
        let together = refiner.refine(&image, &proposals).unwrap();
        for (proposal, expected) in proposals.iter().zip(&together) {
            assert_eq!(&refiner.refine(&image, std::slice::from_ref(proposal)).unwrap()[0], expected);
        }
    }

    #[test]
    fn images_of_one_pixel_of_one_colour_and_of_odd_shapes_do_no_harm() {
        let refiner = DenseCrf::new(DenseCrfConfig::default(), Context::for_tests(&[])).unwrap();
        for (width, height) in [(1, 1), (2000, 2), (48, 48)] {
            let image = LazyImage::from(Image::new(width, height, [9, 9, 9].repeat((width * height) as usize)).unwrap());
            let half = BoundingBox { x: 0, y: 0, width: width.div_ceil(2), height };
            let proposals =
                [Mask::full(width, height).unwrap(), Mask::from_box(width, height, half).unwrap()].map(|mask| Proposal::new(mask, 1.0).unwrap());
            let refined = refiner.refine(&image, &proposals).unwrap();
            assert_eq!(refined[0], Refinement::Keep(proposals[0].clone()), "{width}x{height}");
        }
    }
}
