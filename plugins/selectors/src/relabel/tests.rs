use std::path::Path;

use convert_formats::tensors::label_map_file;
use convert_sdk::{
    BoundingBox, ClassScore, Context, Image, LabelMap, LazyImage, Mask, Plugin, Probability, Region, Result, Selection, Selector, Subject,
};

use super::*;

const CLASSES: usize = 6;

fn context(profile: &str) -> Context {
    let names: Vec<String> = (0..CLASSES).map(|class| format!("class {class}")).collect();
    let base = Context::for_tests(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut settings = base.settings().clone();
    settings.profile = profile.into();
    Context::new(settings, base.host().clone())
}

/// A map whose left half shows class 1 and whose right half shows class 4; the other classes of a cell are far below.
fn map() -> LabelMap {
    let (mut logits, mut classes) = (Vec::new(), Vec::new());
    for rank in 0..5u32 {
        for cell in 0..225u32 {
            let shown = if cell % 15 < 8 { 1 } else { 4 };
            logits.push(if rank == 0 { 9.0 } else { -3.0 });
            classes.push((shown + rank) % 6);
        }
    }
    LabelMap::new(5, 15, 15, logits, classes).unwrap()
}

/// Regions that cover columns of a 60x30 image.
fn regions(columns: &[(u32, u32)]) -> Vec<Region> {
    let region = |(x, width): &(u32, u32)| Region {
        mask: Mask::from_box(60, 30, BoundingBox { x: *x, y: 0, width: *width, height: 30 }).unwrap(),
        source: "test".into(),
        score: 0.0,
        measures: Vec::new(),
    };
    columns.iter().map(region).collect()
}

/// What is said of an image of class 1 with [`COLUMNS`] as regions.
fn asked(config: RelabelFilterConfig, profile: &str, map: Option<&LabelMap>, predictions: Option<&[Vec<ClassScore>]>) -> Result<Vec<Selection>> {
    let (regions, image) = (regions(&COLUMNS), LazyImage::from(Image::new(60, 30, vec![0; 5400]).unwrap()));
    let subject = Subject { id: "n01/a.JPEG", label: 1, image: &image, regions: &regions, map, predictions };
    RelabelFilter::new(config, context(profile))?.select(&subject)
}

fn select(config: RelabelFilterConfig, profile: &str) -> Result<Vec<Selection>> {
    asked(config, profile, Some(&map()), None)
}

fn kept(selections: &[Selection]) -> Vec<Option<u32>> {
    selections.iter().map(|selection| selection.keep.then_some(selection.label)).collect()
}

const COLUMNS: [(u32, u32); 4] = [(0, 60), (0, 12), (0, 24), (44, 16)];

#[test]
fn best_keeps_one_region_and_threshold_all_that_pass() {
    let best = select(RelabelFilterConfig::default(), "paper").unwrap();
    assert_eq!(kept(&best), [None, Some(1), None, None]); // as sure as the third, and before it
    let threshold = RelabelFilterConfig { keep: Some(Keep::Threshold), ..Default::default() };
    let paper = select(threshold.clone(), "paper").unwrap();
    assert_eq!(kept(&paper), [None, Some(1), Some(1), None]);
    assert!(paper[3].confidence.get() < 0.01);
    let authors = select(threshold.clone(), "authors-code").unwrap();
    assert_eq!(kept(&authors), [None, Some(1), Some(1), Some(4)], "the best class is trained, whatever the label");
    let all = select(RelabelFilterConfig { threshold: 0.0, ..threshold }, "paper").unwrap();
    assert_eq!(kept(&all), [Some(1); 4]);
}

#[test]
fn later_rounds_follow_the_labeler_of_the_round_before() {
    let scores = |list: &[(u32, f32)]| {
        list.iter().map(|(class, p)| ClassScore { class: *class, probability: Probability::new(*p).unwrap() }).collect::<Vec<_>>()
    };
    let predictions = [scores(&[(4, 0.9), (1, 0.1)]), scores(&[(4, 1.0)]), scores(&[(1, 0.6), (4, 0.4)]), scores(&[(4, 0.8), (1, 0.2)])];
    let round = |config, profile| asked(config, profile, None, Some(&predictions)).unwrap();
    assert_eq!(kept(&round(RelabelFilterConfig::default(), "paper")), [None, None, Some(1), None]);
    let threshold = RelabelFilterConfig { keep: Some(Keep::Threshold), threshold: 0.8, ..Default::default() };
    assert_eq!(kept(&round(threshold, "authors-code")), [Some(4), Some(4), None, Some(4)]);
}

#[test]
fn what_is_wanted_of_the_host_follows_maps_and_profile() {
    let needs = |config: RelabelFilterConfig, profile| {
        let needs = RelabelFilter::new(config, context(profile)).unwrap().needs();
        (needs.maps, needs.rounds, needs.merge_by_label)
    };
    assert_eq!(needs(RelabelFilterConfig::default(), "paper"), (true, 3, false));
    let folder = RelabelFilterConfig { maps: Maps::from(std::env::temp_dir()), ..Default::default() };
    assert_eq!(needs(folder, "authors-code"), (false, 1, true));
}

fn from_files(folder: &Path) -> Result<Vec<Selection>> {
    let config = RelabelFilterConfig { maps: Maps::from(folder.to_owned()), ..Default::default() };
    asked(config, "paper", None, None)
}

#[test]
fn a_file_that_we_wrote_selects_as_the_map_itself() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("n01")).unwrap();
    std::fs::write(folder.path().join("n01/a.pt"), label_map_file(&map())).unwrap();
    let threshold = RelabelFilterConfig { keep: Some(Keep::Threshold), ..Default::default() };
    assert_eq!(from_files(folder.path()).unwrap(), select(threshold, "paper").unwrap());
}

#[test]
fn a_map_that_is_none_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("n01")).unwrap();
    let file = folder.path().join("n01/a.pt");
    let refused = |expected: &str| {
        let error = from_files(folder.path()).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("n01/a.pt") && !error.contains('\n'), "{error}");
    };
    refused("No such file");
    let wrong_shape: Vec<u8> = tch_free_file(&[2, 5, 15]);
    std::fs::write(&file, wrong_shape).unwrap();
    refused("its tensor has the shape [2, 5, 15] instead of [2, 5, 15, 15]");
    let foreign = LabelMap::new(1, 1, 1, vec![1.0], vec![999]).unwrap();
    std::fs::write(&file, label_map_file(&foreign)).unwrap();
    refused("it holds the class 999, but the dataset has 6: are these maps of another dataset?");
    let whole = label_map_file(&map());
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    refused("label map");
}

/// A safetensors file with one float tensor of a shape.
fn tch_free_file(shape: &[usize]) -> Vec<u8> {
    let size = shape.iter().product::<usize>() * 4;
    let header = format!(r#"{{"map":{{"dtype":"F32","shape":{shape:?},"data_offsets":[0,{size}]}}}}"#);
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; size]].concat()
}
