//! The masks of a folder of photos as a COCO file, for `convert evaluate proposals`: MaskCut and refiners, without a labeler.
//!
//! `cargo run --release -p convert-maskcut --example propose -- PHOTOS OUTPUT.json 'STEPS' …`, where STEPS is a JSON list of one object for the proposer
//! and any number for refiners, such as `[{"maskcut": {"tau": 0.4}}, {"dense-crf": {}}]`. Several STEPS are an ensemble: `{"nms": {…}}` as an argument of
//! its own works on all of their masks. `--profile authors-code` and `--device cuda` may come first.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use convert_maskcut::{MaskCut, MaskCutConfig};
use convert_refiners::{DenseCrf, DropSmall, FillHoles, Nms};
use convert_sdk::{Context, Error, Image, LazyImage, Plugin, Proposal, Proposer, Refinement, Refiner, Result, SampleImage, Settings};
use serde_json::{Value, json};

type Refine = Box<dyn Fn(&LazyImage<'_>, &[Proposal]) -> Result<Vec<Refinement>> + Send + Sync>;

/// A proposer and its refiners.
struct Chain {
    proposer: MaskCut,
    refiners: Vec<Refine>,
}

fn main() {
    if let Err(error) = run() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let (profile, device) = (option(&mut arguments, "--profile"), option(&mut arguments, "--device"));
    let [photos, output, steps @ ..] = arguments.as_slice() else { return Err(Error::config("PHOTOS OUTPUT.json 'STEPS' … are needed")) };
    let context = context(profile.as_deref().unwrap_or("paper"), device.as_deref().unwrap_or("cpu"));
    let (mut chains, mut last) = (Vec::new(), Vec::new());
    for text in steps {
        match serde_json::from_str(text)? {
            Value::Array(steps) => chains.push(chain(steps, &context)?),
            step => last.push(refiner(&step, &context)?),
        }
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(photos)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "jpg" || ending == "jpeg"));
    files.sort();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(vec![Value::Null; files.len()]));
    let work = || -> Result<()> {
        while let Some((at, file)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, files.get(at)?))) {
            let masks = masks(file, &chains, &last)?;
            found.lock().map_err(|_| Error::invalid("another thread failed"))?[at] = masks;
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(Error::invalid("a worker panicked"))))
    })?;
    let found = found.into_inner().map_err(|_| Error::invalid("another thread failed"))?;
    std::fs::write(output, serde_json::to_vec(&coco(&files, &found))?)?;
    Ok(())
}

/// Takes an option and its value out of the arguments.
fn option(arguments: &mut Vec<String>, name: &str) -> Option<String> {
    let at = arguments.iter().position(|argument| argument == name).filter(|at| at + 1 < arguments.len())?;
    arguments.drain(at..at + 2).next_back()
}

fn context(profile: &str, device: &str) -> Context {
    let plain = Context::for_tests(&[]);
    Context::new(Settings { profile: profile.into(), device: device.into(), ..plain.settings().clone() }, plain.host().clone())
}

fn chain(steps: Vec<Value>, context: &Context) -> Result<Chain> {
    let mut steps = steps.into_iter();
    let config = steps.next().and_then(|mut first| first.get_mut("maskcut").map(Value::take));
    let config: MaskCutConfig = serde_json::from_value(config.ok_or_else(|| Error::config("the first step is {\"maskcut\": CONFIG}"))?)?;
    let proposer = MaskCut::new(config, context.clone())?;
    Ok(Chain { proposer, refiners: steps.map(|step| refiner(&step, context)).collect::<Result<_>>()? })
}

fn refiner(step: &Value, context: &Context) -> Result<Refine> {
    fn boxed<R: Plugin + Refiner>(config: &Value, context: &Context) -> Result<Refine> {
        let refiner = R::new(serde_json::from_value(config.clone())?, context.clone())?;
        Ok(Box::new(move |image, proposals| refiner.refine(image, proposals)))
    }
    let (name, config) = step.as_object().and_then(|step| step.iter().next()).ok_or_else(|| Error::config(format!("{step} is no step")))?;
    match name.as_str() {
        "dense-crf" => boxed::<DenseCrf>(config, context),
        "fill-holes" => boxed::<FillHoles>(config, context),
        "drop-small" => boxed::<DropSmall>(config, context),
        "nms" => boxed::<Nms>(config, context),
        _ => Err(Error::config(format!("no refiner is named {name}"))),
    }
}

/// A photo's masks, fitted to it: `[width, height, [counts, score] …]`.
fn masks(file: &Path, chains: &[Chain], last: &[Refine]) -> Result<Value> {
    let mut decoder = mozjpeg::Decompress::new_path(file)?.rgb()?;
    let (width, height) = (decoder.width() as u32, decoder.height() as u32);
    let pixels: Vec<u8> = decoder.read_scanlines()?;
    let image = Image::new(width, height, pixels)?;
    let lazy = LazyImage::from(image.clone());
    let mut all = Vec::new();
    for chain in chains {
        let mut proposals = chain.proposer.propose(&[SampleImage { id: "photo", image: image.clone() }])?.remove(0);
        for refine in &chain.refiners {
            proposals = kept(refine(&lazy, &proposals)?);
        }
        all.extend(proposals);
    }
    for refine in last {
        all = kept(refine(&lazy, &all)?);
    }
    let mut masks = vec![json!(width), json!(height)];
    for proposal in all {
        let mask = proposal.mask.fit_to(width, height)?;
        if let Some(bounds) = mask.bounding_box() {
            masks.push(json!([mask.counts(), proposal.score, [bounds.x, bounds.y, bounds.width, bounds.height]]));
        }
    }
    Ok(Value::Array(masks))
}

fn kept(refined: Vec<Refinement>) -> Vec<Proposal> {
    let keep = |refinement| match refinement {
        Refinement::Keep(proposal) => Some(proposal),
        Refinement::Drop { .. } => None,
    };
    refined.into_iter().filter_map(keep).collect()
}

fn coco(files: &[PathBuf], found: &[Value]) -> Value {
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    for (id, (file, masks)) in (1..).zip(files.iter().zip(found)) {
        let (width, height) = (&masks[0], &masks[1]);
        images.push(json!({ "id": id, "file_name": file.file_name().map(|name| name.to_string_lossy()), "width": width, "height": height }));
        for mask in masks.as_array().into_iter().flatten().skip(2) {
            annotations.push(json!({
                "id": annotations.len() + 1, "image_id": id, "category_id": 1, "iscrowd": 0, "score": mask[1], "bbox": mask[2],
                "segmentation": { "size": [height, width], "counts": mask[0] },
            }));
        }
    }
    json!({ "images": images, "annotations": annotations, "categories": [{ "id": 1, "name": "fg" }] })
}
