//! `relabel-filter` on label maps whose confidences PyTorch and OpenCV computed: small ones of our own (`data/make_maps.py`), and the shared ones where they are.

use std::io::Write;
use std::path::{Path, PathBuf};

use convert_sdk::{Context, Image, LazyImage, Mask, Plugin, Region, Selection, Selector, Subject};
use convert_selectors::{Keep, Maps, RelabelFilter, RelabelFilterConfig};
use serde_json::Value as Json;

/// A mask, the image it belongs to, and what the reference says: of the label, of the best class, and the best class.
struct Case {
    id: String,
    label: u32,
    mask: Mask,
    paper: (f64, f64, u32),
    /// `None` where the shrunk mask is empty.
    authors: Option<(f64, f64, u32)>,
}

const TOLERANCE: f64 = 1e-4;
const THRESHOLD: f64 = 0.75;

fn answer(maps: &Path, classes: usize, profile: &str, case: &Case) -> Selection {
    let names: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
    let base = Context::for_tests(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut settings = base.settings().clone();
    settings.profile = profile.into();
    let config = RelabelFilterConfig { maps: Maps::from(maps.to_owned()), keep: Some(Keep::Threshold), ..Default::default() };
    let selector = RelabelFilter::new(config, Context::new(settings, base.host().clone())).unwrap();
    let regions = [Region { mask: case.mask.clone(), source: "test".into(), score: 0.0, measures: Vec::new() }];
    let image = LazyImage::from(Image::new(1, 1, vec![0; 3]).unwrap());
    let subject = Subject { id: &case.id, label: case.label, image: &image, regions: &regions, map: None, predictions: None };
    selector.select(&subject).unwrap()[0]
}

/// Both profiles against the reference; how many cases were kept under each.
fn check(maps: &Path, classes: usize, cases: &[Case]) -> (usize, usize) {
    let mut kept = (0, 0);
    for case in cases {
        let paper = answer(maps, classes, "paper", case);
        assert!((f64::from(paper.confidence.get()) - case.paper.0).abs() < TOLERANCE, "{}: {paper:?} instead of {:?}", case.id, case.paper);
        assert_eq!((paper.keep, paper.label), (case.paper.0 > THRESHOLD, case.label), "{}", case.id);
        kept.0 += usize::from(paper.keep);
        let authors = answer(maps, classes, "authors-code", case);
        let Some((_, of_best, best)) = case.authors else {
            assert!(!authors.keep && authors.confidence.get() == 0.0, "{}: a mask that shrinks to nothing is skipped", case.id);
            continue;
        };
        assert!((f64::from(authors.confidence.get()) - of_best).abs() < TOLERANCE, "{}: {authors:?} instead of {of_best}", case.id);
        assert_eq!((authors.keep, authors.label), (of_best >= THRESHOLD, best), "{}", case.id);
        kept.1 += usize::from(authors.keep);
    }
    kept
}

fn read(path: PathBuf) -> Json {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn cases(images: &Json, mut case: impl FnMut(&Json, &Json, u32, u32) -> Option<Case>) -> Vec<Case> {
    let size = |image: &Json, side: &str| image[side].as_u64().unwrap() as u32;
    let images = images.as_array().unwrap().iter();
    images
        .flat_map(|image| image["masks"].as_array().unwrap().iter().map(move |mask| (image, mask)))
        .filter_map(|(image, mask)| case(image, mask, size(image, "width"), size(image, "height")))
        .collect()
}

#[test]
fn small_maps_give_pytorchs_and_opencvs_confidences() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let index = read(folder.join("index.json"));
    let support = |json: &Json| Some((json["of_label"].as_f64()?, json["of_best"].as_f64()?, json["best"].as_u64()? as u32));
    let cases = cases(&index["images"], |image, mask, width, height| {
        Some(Case {
            id: image["map"].as_str()?.into(),
            label: image["label"].as_u64()? as u32,
            mask: Mask::from_counts(width, height, mask["counts"].as_str()?).unwrap(),
            paper: support(&mask["paper"])?,
            authors: support(&mask["authors_code"]),
        })
    });
    assert!(cases.len() >= 12 && cases.iter().any(|case| case.authors.is_none()));
    let kept = check(&folder, index["classes"].as_u64().unwrap() as usize, &cases);
    assert!(kept.0 > 0 && kept.1 > 0 && kept.0 < cases.len(), "{kept:?} of {}: both answers occur", cases.len());
}

#[test]
fn the_shared_maps_give_their_stored_confidences_and_decisions() {
    let Some(shared) = std::env::var_os("CONVERT_SHARED") else {
        let _ = writeln!(std::io::stderr(), "skipped: the_shared_maps_give_their_stored_confidences_and_decisions: CONVERT_SHARED is not set");
        return;
    };
    let folder = Path::new(&shared).join("reference/relabel");
    let cases = cases(&read(folder.join("index.json")), |image, mask, width, height| {
        let number = |json: &Json, key: &str| json[key].as_f64();
        let authors = &mask["authors_code"];
        let paper =
            (number(&mask["paper"], "confidence_on_label")?, number(&mask["paper"], "top1_confidence")?, mask["paper"]["top1"].as_u64()? as u32);
        assert_eq!(mask["paper"]["keep"].as_bool(), Some(paper.0 > THRESHOLD), "the stored decision is the rule's");
        Some(Case {
            id: image["map"].as_str()?.into(),
            label: image["label"].as_u64()? as u32,
            mask: Mask::from_counts(width, height, mask["segmentation"]["counts"].as_str()?).unwrap(),
            paper,
            authors: number(authors, "confidence_on_label")
                .map(|of_label| (of_label, number(authors, "top1_confidence").unwrap(), authors["top1"].as_u64().unwrap() as u32)),
        })
    });
    let kept = check(&folder, 1000, &cases);
    let _ = writeln!(std::io::stderr(), "shared label maps: {} masks, {} kept (paper), {} kept (authors-code)", cases.len(), kept.0, kept.1);
    assert!(cases.len() > 30 && kept.0 > 0 && kept.1 > 0);
}
