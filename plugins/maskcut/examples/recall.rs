//! How many of the synthetic scenes' objects MaskCut's masks find, for a config given as JSON: `cargo run --release -p convert-maskcut --example recall -- 100 '{"tau": 0.5}'`.
//!
//! Any number of configs may follow the number of scenes. Printed for each: the share of objects that a mask covers with IoU ≥ 0.5, of all, of each
//! scene's largest and of the others; the mean of the best IoU; masks a scene; milliseconds a scene; and the first figure after the dense CRF.

use convert_maskcut::{MaskCut, MaskCutConfig};
use convert_refiners::{DenseCrf, DenseCrfConfig};
use convert_scenes::{Scenes, ScenesConfig};
use convert_sdk::{Context, Dataset, Image, ImageData, Mask, Plugin, Proposal, Proposer, Refinement, Refiner, Result, SampleImage};

struct Scene {
    image: Image<'static>,
    /// Largest first.
    objects: Vec<Mask>,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: u32 = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(100);
    let scenes = scenes(count).unwrap_or_else(|error| panic!("{error}"));
    for json in arguments {
        if let Err(error) = measure(&json, &scenes) {
            println!("{json}: {error}");
        }
    }
}

fn scenes(count: u32) -> Result<Vec<Scene>> {
    let config: ScenesConfig = serde_json::from_value(serde_json::json!({ "count": count }))?;
    let dataset = Scenes::new(config, Context::for_tests(&[]))?;
    let mut scenes = Vec::new();
    for sample in dataset.samples()? {
        let ImageData::Pixels(image) = dataset.image(&sample.id)? else { continue };
        let mut objects: Vec<Mask> = dataset.truth(&sample.id)?.into_iter().flatten().filter_map(|object| object.mask).collect();
        objects.sort_by_key(|object| std::cmp::Reverse(object.area()));
        scenes.push(Scene { image, objects });
    }
    Ok(scenes)
}

fn measure(json: &str, scenes: &[Scene]) -> Result<()> {
    let config: MaskCutConfig = serde_json::from_str(json)?;
    let maskcut = MaskCut::new(config, Context::for_tests(&[]))?;
    let crf = DenseCrf::new(DenseCrfConfig::default(), Context::for_tests(&[]))?;
    let (mut first, mut others, mut refined_found) = (Vec::new(), Vec::new(), Vec::new());
    let (mut masks, mut millis, mut crf_millis) = (0, 0.0, 0.0);
    for scene in scenes {
        let start = std::time::Instant::now();
        let proposals = maskcut.propose(&[SampleImage { id: "scene", image: scene.image.clone() }])?.remove(0);
        millis += start.elapsed().as_secs_f64() * 1e3;
        masks += proposals.len();
        let start = std::time::Instant::now();
        let refined: Vec<Proposal> = crf.refine(&scene.image.clone().into(), &proposals)?.into_iter().filter_map(kept).collect();
        crf_millis += start.elapsed().as_secs_f64() * 1e3;
        for (index, object) in scene.objects.iter().enumerate() {
            (if index == 0 { &mut first } else { &mut others }).push(best_iou(object, &proposals)?);
            refined_found.push(best_iou(object, &refined)?);
        }
    }
    let all: Vec<f64> = first.iter().chain(&others).copied().collect();
    let found = |ious: &[f64]| ious.iter().filter(|iou| **iou >= 0.5).count() as f64 / ious.len().max(1) as f64;
    let scenes = scenes.len() as f64;
    println!(
        "{json}: recall {:.3} (largest {:.3}, others {:.3}), mean best IoU {:.3}, {:.2} masks and {:.0} ms a scene; after the CRF {:.3} in {:.0} ms",
        found(&all),
        found(&first),
        found(&others),
        all.iter().sum::<f64>() / all.len() as f64,
        masks as f64 / scenes,
        millis / scenes,
        found(&refined_found),
        crf_millis / scenes
    );
    Ok(())
}

fn kept(refinement: Refinement) -> Option<Proposal> {
    match refinement {
        Refinement::Keep(proposal) => Some(proposal),
        Refinement::Drop { .. } => None,
    }
}

fn best_iou(object: &Mask, proposals: &[Proposal]) -> Result<f64> {
    let mut best = 0.0f64;
    for proposal in proposals {
        best = best.max(proposal.mask.fit_to(object.width(), object.height())?.iou(object)?);
    }
    Ok(best)
}
