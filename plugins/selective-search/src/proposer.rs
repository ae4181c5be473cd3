use convert_sdk::{Context, Image, Mask, Plugin, Proposal, Proposer, Result, ResultExt, SampleImage, Work};

use crate::candidates::{Candidate, Limits, best};
use crate::config::SelectiveSearchConfig;
use crate::graph::Graph;
use crate::grouping::{Hierarchy, Start};
use crate::picture::Picture;

/// The proposer `selective-search`.
#[derive(Clone, Debug)]
pub struct SelectiveSearch {
    config: SelectiveSearchConfig,
}

impl Plugin for SelectiveSearch {
    type Config = SelectiveSearchConfig;

    fn new(config: SelectiveSearchConfig, _: Context) -> Result<Self> {
        config.check()?;
        Ok(Self { config })
    }
}

impl Proposer for SelectiveSearch {
    fn work(&self) -> Work {
        Work { masks: self.config.max_masks as u64, mask_pixels: u64::from(self.config.size).pow(2), ..Work::default() }
    }

    fn propose(&self, images: &[SampleImage<'_>]) -> Result<Vec<Vec<Proposal>>> {
        images.iter().map(|sample| self.masks(&sample.image).context(|| format!("selective search failed on {}", sample.id))).collect()
    }
}

impl SelectiveSearch {
    fn masks(&self, image: &Image<'_>) -> Result<Vec<Proposal>> {
        let image = shrunk(image, self.config.size)?;
        let (width, height) = (image.width(), image.height());
        let hierarchies = self.hierarchies(&image)?;
        let all: Vec<Candidate<'_>> =
            hierarchies.iter().flat_map(|(scale, hierarchy)| Candidate::of_hierarchy(hierarchy, *scale, width, height)).collect();
        let limits =
            Limits { min_area: self.config.min_area, max_area: self.config.max_area, max_iou: self.config.max_iou, max_masks: self.config.max_masks };
        let proposal = |candidate: Candidate<'_>| {
            let mut pixels = vec![0; width as usize * height as usize];
            candidate.pixels.iter().for_each(|pixel| pixels[*pixel as usize] = 1);
            let proposal = Proposal::new(Mask::from_pixels(width, height, &pixels)?, candidate.score)?;
            Ok(proposal.with_measure("level", candidate.level as f64).with_measure("scale", f64::from(candidate.scale)))
        };
        best(all, &limits, width, height).into_iter().map(proposal).collect()
    }

    /// The hierarchy of every colour space, scale and strategy, with the scale.
    fn hierarchies(&self, image: &Image<'_>) -> Result<Vec<(f32, Hierarchy)>> {
        let config = &self.config;
        let mut hierarchies = Vec::new();
        for space in &config.colour_spaces {
            let picture = Picture::new(image, *space, config.sigma)?;
            let graph = Graph::new(&picture.smooth, picture.width);
            for scale in &config.scales {
                let start = Start::new(&picture, graph.segments(*scale, config.min_segment));
                hierarchies.extend(config.strategies.iter().map(|strategy| (*scale, start.grouped(*strategy))));
            }
        }
        Ok(hierarchies)
    }
}

/// The image with a longer side of at most so many pixels.
fn shrunk(image: &Image<'_>, side: u32) -> Result<Image<'static>> {
    let share = f64::from(side) / f64::from(image.width().max(image.height()));
    let to = |length: u32| if share < 1.0 { (f64::from(length) * share).round().max(1.0) as u32 } else { length };
    image.resize_lanczos(to(image.width()), to(image.height()))
}

#[cfg(test)]
mod tests {
    use convert_sdk::BoundingBox;

    use super::*;

    fn masks(image: Image<'_>, config: SelectiveSearchConfig) -> Vec<Proposal> {
        let proposer = SelectiveSearch::new(config, Context::for_tests(&[])).unwrap();
        proposer.propose(&[SampleImage { id: "photo", image }]).unwrap().remove(0)
    }

    /// A green object of two shades and a blue one on a background whose brightness changes, all with some noise.
    fn scene() -> (Image<'static>, [Mask; 2]) {
        let inside = |at: (u32, u32), corner: (u32, u32)| at.0 >= corner.0 && at.0 < corner.0 + 60 && at.1 >= corner.1 && at.1 < corner.1 + 40;
        let pixels = (0..240 * 160u32).flat_map(|at| {
            let (x, y) = (at % 240, at / 240);
            let noise = (at.wrapping_mul(2_654_435_761) >> 29) as u8;
            let [red, green, blue] = match (x, y) {
                at if inside(at, (30, 20)) => [40, if x < 60 { 150 } else { 190 }, 60],
                at if inside(at, (150, 100)) => [40, 50, 200],
                _ => [130 + (x / 4) as u8, 120, 110],
            };
            [red + noise, green + noise, blue + noise]
        });
        let object = |x, y| Mask::from_box(240, 160, BoundingBox { x, y, width: 60, height: 40 }).unwrap();
        (Image::new(240, 160, pixels.collect::<Vec<_>>()).unwrap(), [object(30, 20), object(150, 100)])
    }

    #[test]
    fn objects_are_among_the_first_masks_at_any_size() {
        let (image, objects) = scene();
        for size in [320, 120] {
            let found = masks(image.clone(), SelectiveSearchConfig { size, ..Default::default() });
            assert_eq!((found[0].mask.width(), found[0].mask.height()), if size == 320 { (240, 160) } else { (120, 80) });
            for object in &objects {
                let first = found.iter().take(5).map(|proposal| proposal.mask.fit_to(240, 160).unwrap().iou(object).unwrap()).fold(0.0, f64::max);
                // Edges are as wide as the Gaussian makes them.
                assert!(first > 0.7, "{size}: {first}");
            }
            assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
        }
    }

    #[test]
    fn threads_change_nothing() {
        let (image, _) = scene();
        let proposer = SelectiveSearch::new(SelectiveSearchConfig::default(), Context::for_tests(&[])).unwrap();
        let run = || proposer.propose(&[SampleImage { id: "a", image: image.clone() }, SampleImage { id: "b", image: image.clone() }]).unwrap();
        let alone = run();
        assert_eq!(alone[0], alone[1]);
        let together: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        assert!(together.iter().all(|found| *found == alone));
    }

    #[test]
    fn images_of_one_pixel_of_one_colour_and_of_odd_shapes_do_no_harm() {
        for (width, height) in [(1, 1), (2000, 1), (1, 700), (2, 2), (64, 48)] {
            let image = Image::new(width, height, [9, 9, 9].repeat((width * height) as usize)).unwrap();
            let found = masks(image.clone(), SelectiveSearchConfig { max_area: 1.0, ..Default::default() });
            assert_eq!(found.len(), 1, "{width}x{height}: the whole image is one region");
            assert!(masks(image, SelectiveSearchConfig::default()).is_empty(), "and covers too much of it");
        }
    }

    #[test]
    fn shares_between_which_no_mask_fits_are_refused() {
        let config = SelectiveSearchConfig { min_area: 0.5, max_area: 0.1, ..Default::default() };
        let error = SelectiveSearch::new(config, Context::for_tests(&[])).unwrap_err();
        assert_eq!(error.to_string(), "min_area 0.5 is above max_area 0.1: no mask is both");
    }
}
