use convert_backbones::{Backbone, BackboneConfig, Family, FeatureKind, FeatureRequest, FeatureTensor, Published, presets, torch};
use convert_sdk::{Context, Image, Mask, Plugin, Proposal, Proposer, Result, ResultExt, SampleImage, Work, config, tracing};
use serde_json::{Value, json};
use tch::Device;

use crate::affinity::Affinity;
use crate::bipartition::Grid;
use crate::maskcut::{Cut, Parameters, cut};

/// Proposes masks by MaskCut: repeated normalised cuts on a backbone's patch features (method 1; CutLER, CVPR 2023).
///
/// A mask has `input_size` x `input_size` pixels. Its score is 1 − λ₂ of its cut: close to 1 where the cut separates what has nothing in common.
/// Its measures are `iteration` (from 0), `lambda2`, `gap` (λ₃ − λ₂), `residual` and `degenerate` (1 where the cut or one
/// before it is left to chance: λ₂ and λ₃ agree within 1e-6, or patches in several places are equally good seeds).
#[config(default)]
#[derive(Clone, Debug)]
#[schemars(extend("x-presets" = presets(preset)))]
pub struct MaskCutConfig {
    /// The model whose features are cut.
    pub backbone: BackboneConfig,
    /// Which of the model's vectors stand for the patches. Default `k`, the keys (method 1.2).
    pub feature: FeatureKind,
    /// The block that they come from, counted from 1. Default: the last (method 1.2).
    #[schemars(range(min = 1))]
    pub layer: Option<u32>,
    /// S: images are resized to S×S pixels, a multiple of the patch size. Default 480 (method 1.1).
    #[schemars(range(min = 1, max = 4096))]
    pub input_size: u32,
    /// τ: patches whose features' cosine is above this are alike, in [-1, 1]. Default 0.15 (method 1.3).
    #[schemars(range(min = -1.0, max = 1.0))]
    pub tau: f32,
    /// ε: the affinity of patches that are not alike; alike ones have 1. Default 1e-5 (method 1.3).
    #[schemars(range(min = 1e-12, max = 1.0))]
    pub epsilon: f64,
    /// N: how many masks to look for. Default 3 (method 1.8).
    #[schemars(range(min = 1, max = 1000))]
    pub masks: usize,
    /// From the second mask on, reject one that covers at most this share of the patches, in [0, 1]. Default 0.01 (method 1.7).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_area: f64,
    /// From the second mask on, reject one whose IoU with the mask before is above this, in [0, 1]. Default 0.5 (method 1.7).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_iou: f64,
    /// The side of a cut that covers this many of the four corner patches is background; 5 for no such rule. Default 3 (method 1.5).
    #[schemars(range(min = 3, max = 5))]
    pub corners: usize,
    /// Stop at the first rejected mask: the same cut would recur. Default true in the profile `paper` (A.1), false in `authors-code`, which always
    /// makes N attempts and, after a rejection for its overlap, takes the recurring cut.
    pub early_stop: Option<bool>,
    /// Keep the patches of earlier masks in the graph, like none. Default true (method 1.8); false makes later cuts of the remaining patches alone,
    /// which cannot find an earlier mask again.
    pub keep_masked: bool,
    /// Make the foreground's components besides the seed's masks of their own where they are larger than `min_area`; `masks` then counts cuts.
    /// Default false (method 1.6).
    pub split_components: bool,
}

impl Default for MaskCutConfig {
    fn default() -> Self {
        Self {
            backbone: BackboneConfig::default(),
            feature: FeatureKind::K,
            layer: None,
            input_size: 480,
            tau: 0.15,
            epsilon: 1e-5,
            masks: 3,
            min_area: 0.01,
            max_iou: 0.5,
            corners: 3,
            early_stop: None,
            keep_masked: true,
            split_components: false,
        }
    }
}

/// What a published model is cut with: the paper's four configurations (A.2), and for a family's other models those of the paper's nearest one. DINO's are also
/// those of CutLER's command.
fn preset(model: &Published) -> Option<Value> {
    let (feature, input_size, tau, masks) = match model.family {
        Family::Dinov1 if model.name.starts_with("dino-") => ("k", 480, 0.15, 3),
        Family::Dinov2 if model.name.starts_with("dinov2-vitg14") => ("v", 672, 0.12, 3),
        Family::Dinov2 => ("v", 448, 0.12, 3),
        Family::Dinov3 => ("v", 768, 0.35, 4),
        _ => return None,
    };
    Some(json!({ "feature": feature, "layer": null, "input_size": input_size, "tau": tau, "masks": masks }))
}

/// Products of the affinities with a vector that a cut takes on photos: some twenty for λ₂, as many for λ₃. What an image really takes depends on its spectrum.
const LANCZOS_STEPS: u64 = 40;

/// The proposer `maskcut`.
#[derive(Debug)]
pub struct MaskCut {
    backbone: Backbone,
    request: FeatureRequest,
    parameters: Parameters,
}

impl Plugin for MaskCut {
    type Config = MaskCutConfig;

    fn new(config: MaskCutConfig, context: Context) -> Result<Self> {
        let backbone = Backbone::load(&config.backbone, &context)?;
        let request = FeatureRequest { kind: config.feature, layer: config.layer, input_size: config.input_size };
        backbone.check(&request)?;
        let parameters = Parameters {
            tau: config.tau,
            epsilon: config.epsilon,
            masks: config.masks,
            min_area: config.min_area,
            max_iou: config.max_iou,
            corners: config.corners,
            early_stop: config.early_stop.unwrap_or(!context.authors_code()),
            keep_masked: config.keep_masked,
            split_components: config.split_components,
        };
        Ok(Self { backbone, request, parameters })
    }
}

impl Proposer for MaskCut {
    fn batch_size(&self) -> usize {
        self.backbone.batch_size()
    }

    /// The backbone; the affinities and the eigenvector of as many cuts as there may be masks.
    fn work(&self) -> Work {
        let side = u64::from(self.request.input_size / self.backbone.patch_size());
        let patches = side * side;
        let affinity = 2 * patches * patches * self.backbone.dimension(&self.request) as u64;
        let eigenvector = 2 * patches * patches * LANCZOS_STEPS;
        let masks = self.parameters.masks as u64;
        Work {
            flops: self.backbone.flops(&self.request) + masks * (affinity + eigenvector),
            masks,
            mask_pixels: u64::from(self.request.input_size).pow(2),
            memory: self.backbone.memory(),
            ..Work::default()
        }
    }

    fn propose(&self, images: &[SampleImage<'_>]) -> Result<Vec<Vec<Proposal>>> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let pictures: Vec<Image<'_>> = images.iter().map(|sample| sample.image.clone()).collect();
        let features = self.backbone.tensor(&pictures, &self.request)?;
        // Images of one size have grids of one size.
        let grid = Grid { rows: features.rows, columns: features.columns };
        let affinities = (0..images.len()).map(|index| self.affinity(&features, index)).collect::<Result<Vec<_>>>()?;
        let one = |(sample, affinity): (&SampleImage<'_>, Affinity)| {
            cut(affinity, grid, &self.parameters).context(|| format!("maskcut failed on {}", sample.id))
        };
        let cuts = self.backbone.map(images.iter().zip(affinities).collect(), one)?;
        images.iter().zip(&cuts).map(|(sample, cuts)| self.masks(sample.id, cuts, grid)).collect()
    }

    /// The image's masks, and the patches around the point that are alike to the one under it.
    fn propose_at(&self, sample: &SampleImage<'_>, x: u32, y: u32) -> Result<Vec<Proposal>> {
        let features = self.backbone.tensor(std::slice::from_ref(&sample.image), &self.request)?;
        let grid = Grid { rows: features.rows, columns: features.columns };
        let affinity = self.affinity(&features, 0)?;
        let patch = grid.patch_at(x, y, sample.image.width(), sample.image.height());
        let around = around(&affinity, patch, grid, self.request.input_size)?;
        let mut proposals = self.masks(sample.id, &cut(affinity, grid, &self.parameters)?, grid)?;
        proposals.extend(around);
        Ok(proposals)
    }
}

impl MaskCut {
    /// The affinity of an image's patches: on a CPU by halves of symmetric blocks, on a device whole.
    fn affinity(&self, features: &FeatureTensor, index: usize) -> Result<Affinity> {
        let Parameters { tau, epsilon, .. } = self.parameters;
        let values = features.image(index)?;
        if values.device() != Device::Cpu {
            return Affinity::of_tensor(&values, tau, epsilon);
        }
        let values = torch(|| Vec::<f32>::try_from(&values.f_reshape([-1])?))?;
        Affinity::new(&values, features.rows * features.columns, tau, epsilon)
    }

    fn masks(&self, id: &str, cuts: &[Cut], grid: Grid) -> Result<Vec<Proposal>> {
        let proposals = proposals(cuts, grid, self.request.input_size)?;
        if proposals.is_empty() {
            let why = if cuts.is_empty() { "no cut of its patches is better than another" } else { "every cut was rejected" };
            tracing::debug!("no masks for {id}: {why}");
        }
        Ok(proposals)
    }
}

/// The patches that are alike to a patch, as far as they are connected to it; none where they are all of the grid or it is like no patch. The score is 1 less the
/// normalised cut between them and the others, of which λ₂ is a lower bound.
fn around(affinity: &Affinity, patch: usize, grid: Grid, size: u32) -> Result<Option<Proposal>> {
    let component = grid.component(&affinity.alike(patch), patch);
    let Some(cut) = affinity.normalised_cut(&component) else { return Ok(None) };
    let proposal = Proposal::new(pixels(&component, grid, size)?, (1.0 - cut) as f32)?;
    Ok(Some(proposal.with_measure("normalised_cut", cut)))
}

/// A mask of patches as one of `size` x `size` pixels (method 1.9).
fn pixels(mask: &[bool], grid: Grid, size: u32) -> Result<Mask> {
    let pixels: Vec<u8> = mask.iter().map(|inside| u8::from(*inside)).collect();
    Mask::from_pixels(grid.columns as u32, grid.rows as u32, &pixels)?.resize_nearest(size, size)
}

/// The cuts as masks of `size` x `size` pixels, each without what earlier ones cover (method 1.9); those with nothing left are not proposed.
fn proposals(cuts: &[Cut], grid: Grid, size: u32) -> Result<Vec<Proposal>> {
    let mut covered = Mask::empty(size, size)?;
    let mut proposals = Vec::new();
    let masks =
        cuts.iter().enumerate().flat_map(|(iteration, cut)| std::iter::once(&cut.mask).chain(&cut.others).map(move |mask| (iteration, cut, mask)));
    for (iteration, cut, mask) in masks {
        let mask = pixels(mask, grid, size)?;
        let visible = mask.difference(&covered)?;
        covered = covered.union(&mask)?;
        if visible.is_empty() {
            continue;
        }
        let eigen = &cut.eigen;
        let proposal = Proposal::new(visible, (1.0 - eigen.lambda) as f32)?
            .with_measure("iteration", iteration as f64)
            .with_measure("lambda2", eigen.lambda)
            .with_measure("gap", eigen.gap)
            .with_measure("residual", eigen.residual)
            .with_measure("degenerate", f64::from(u8::from(cut.degenerate)));
        proposals.push(proposal);
    }
    Ok(proposals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maskcut(masks: usize) -> MaskCut {
        let config = MaskCutConfig { input_size: 128, tau: 0.5, masks, ..MaskCutConfig::default() };
        MaskCut::new(config, Context::for_tests(&[])).unwrap()
    }

    fn image(width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> SampleImage<'static> {
        let pixels: Vec<u8> = (0..width * height).flat_map(|at| colour(at % width, at / width)).collect();
        SampleImage { id: "a", image: Image::new(width, height, pixels).unwrap() }
    }

    fn propose(width: u32, height: u32, masks: usize, colour: impl Fn(u32, u32) -> [u8; 3]) -> Vec<Proposal> {
        maskcut(masks).propose(&[image(width, height, colour)]).unwrap().remove(0)
    }

    const SQUARES: [u32; 2] = [16, 72];

    fn square(left: u32) -> Mask {
        Mask::from_box(128, 128, convert_sdk::BoundingBox { x: left, y: 40, width: 40, height: 40 }).unwrap()
    }

    fn two_squares(x: u32, y: u32) -> [u8; 3] {
        match SQUARES.map(|left| (left..left + 40).contains(&x) && (40..80).contains(&y)) {
            [true, _] => [220, 40, 30],
            [_, true] => [30, 40, 220],
            _ => [120, 200, 120],
        }
    }

    #[test]
    fn two_coloured_squares_become_two_masks() {
        let found = propose(128, 128, 3, two_squares);
        assert!(found.len() >= 2, "{found:?}");
        for square in SQUARES.map(square) {
            let best = found.iter().map(|proposal| proposal.mask.iou(&square).unwrap()).fold(0.0, f64::max);
            assert!(best > 0.7, "{best}: {found:?}");
        }
        assert!(found.iter().all(|proposal| proposal.measures.len() == 5 && proposal.score <= 1.0));
    }

    #[test]
    fn at_a_point_the_patches_like_the_one_there_are_offered_besides_the_cuts() {
        let (maskcut, image) = (maskcut(1), image(128, 128, two_squares));
        let cuts = maskcut.propose(std::slice::from_ref(&image)).unwrap().remove(0);
        for left in SQUARES {
            let mut found = maskcut.propose_at(&image, left + 20, 60).unwrap();
            let around = found.pop().unwrap();
            assert_eq!(found, cuts);
            let iou = around.mask.iou(&square(left)).unwrap();
            assert!(iou > 0.7 && around.score <= 1.0, "{iou}: {around:?}");
        }
        // Everything is alike: there is nothing to tell it from.
        for one_colour in [self::image(40, 30, |_, _| [7, 7, 7]), self::image(1, 1, |_, _| [200, 0, 0])] {
            assert_eq!(maskcut.propose_at(&one_colour, 0, 0).unwrap(), []);
        }
    }

    #[test]
    fn images_of_one_colour_or_one_pixel_or_extreme_shape_end_without_harm() {
        assert_eq!(propose(40, 30, 3, |_, _| [7, 7, 7]), []);
        assert_eq!(propose(1, 1, 3, |_, _| [200, 0, 0]), []);
        propose(20000, 20, 1000, |x, y| [(x / 80) as u8, (y * 12) as u8, 0]);
    }
}
