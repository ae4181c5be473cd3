//! Whole reports from made-up runs, through the exporter's own interface.

use convert_sdk::{
    BoundingBox, ClassScore, Context, EpochRecord, Evaluation, ExportRun, Exporter, Image, LabelVector, LabelledRegion, LabelledSample, LazyImage,
    Mask, Plugin, PluginInfo, Probability, ScoreRow, SkippedSample, StageInfo, Statistics, TruthObject,
};

use crate::{HtmlReport, HtmlReportConfig};

fn score(class: u32, probability: f32) -> ClassScore {
    ClassScore { class, probability: Probability::new(probability).unwrap() }
}

fn run(name: &str, images: u64) -> ExportRun {
    ExportRun {
        name: name.into(),
        recipe: format!("# {name}\nversion: 1\n"),
        version: "0.0.0".into(),
        plugins: vec![PluginInfo { role: "exporter".into(), name: name.into(), version: "1".into() }],
        class_numbers: Vec::new(),
        stages: vec![StageInfo { name: name.into(), seconds: 1.5, images, cached: 0 }],
        samples: images,
        statistics: Statistics { threshold: 0.5, images, by_count: [0, images, 0, 0, 0], average: 1.0, skipped: 0 },
        curve: Vec::new(),
        held_out: None,
        skipped: Vec::new(),
        calibration: None,
        evaluation: None,
    }
}

/// A noisy image (which no JPEG makes small) with two masks and two labels.
fn sample(id: &str, side: u32, truth: bool) -> LabelledSample<'static> {
    let mut state = 7u32;
    let pixels: Vec<u8> = (0..side * side * 3)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    let region = |x: u32, class: u32| LabelledRegion {
        mask: Mask::from_box(side, side, BoundingBox { x, y: 1, width: side / 3, height: side / 2 }).unwrap(),
        source: id.into(),
        score: 1.0,
        selected: class == 0,
        top: vec![score(class, 0.9), score(1 - class, 0.1)],
    };
    LabelledSample {
        id: id.into(),
        number: None,
        label: 0,
        width: side,
        height: side,
        labels: LabelVector::from(vec![score(0, 1.0), score(1, 0.9)]),
        regions: vec![region(1, 0), region(side / 2, 1)],
        truth: truth.then(|| vec![TruthObject { class: 0, mask: None }]),
        image: Image::new(side, side, pixels).unwrap().into(),
    }
}

fn report(config: HtmlReportConfig, run: ExportRun, classes: &[&str], samples: impl Iterator<Item = LabelledSample<'static>>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let mut exporter = HtmlReport::new(config, Context::for_tests(classes)).unwrap().begin(run, &path).unwrap();
    for sample in samples {
        exporter.write(&sample).unwrap();
    }
    exporter.finish().unwrap();
    std::fs::read_to_string(&path).unwrap()
}

/// The gallery's data, as the page's script reads it.
fn data(page: &str) -> serde_json::Value {
    let start = page.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let length = page[start..].find("</script>").unwrap();
    serde_json::from_str(&page[start..start + length]).unwrap()
}

#[test]
fn hostile_names_stay_text() {
    let name = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u{2028}";
    let page = report(HtmlReportConfig::default(), run(name, 1), &[name, "b"], std::iter::once(sample(name, 16, true)));
    assert!(!page.contains("<script>alert") && !page.contains("<img src=x"));
    assert_eq!(page.matches("</script>").count(), 2, "one for the data, one for the code");
    assert_eq!(data(&page)["images"][0]["id"], name);
    assert_eq!(data(&page)["classes"]["0"], name);
}

#[test]
fn the_page_needs_nothing_else() {
    let page = report(HtmlReportConfig::default(), run("demo", 2), &["a", "b"], ["x", "y"].into_iter().map(|id| sample(id, 16, true)));
    for reference in ["http://", "https://", "src=", "@import", "url(", "<link"] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn any_number_of_images_with_and_without_truth_makes_a_page() {
    for (images, truth) in [(0, false), (1, false), (1, true), (3, true)] {
        let mut run = run("demo", images);
        if truth {
            let row = |name: &str, recall| ScoreRow {
                name: name.into(),
                precision: 1.0,
                recall,
                f1: 0.5,
                per_image_ap: f64::NAN,
                per_image_ap_multi: None,
                added_precision: None,
                added_recall: None,
            };
            run.evaluation = Some(Evaluation {
                images,
                threshold: 0.5,
                rows: vec![row("single label", 0.5), row("convert", 0.75)],
                region_recall: None,
                added: None,
            });
            run.curve = vec![EpochRecord { epoch: 1, loss: f64::INFINITY, accuracy: f64::NAN }];
        }
        let page = report(HtmlReportConfig::default(), run, &["a", "b"], (0..images).map(|image| sample(&format!("{image}"), 16, truth)));
        assert_eq!(data(&page)["images"].as_array().unwrap().len() as u64, images);
        assert_eq!(page.contains("Against the truth"), truth);
        assert!(!page.contains("NaN") && !page.contains(">inf"), "{images} images");
        assert!(page.ends_with("</html>\n"));
    }
}

#[test]
fn skipped_images_are_listed_and_the_slider_has_every_added_label() {
    let mut run = run("demo", 3);
    run.statistics.skipped = 2;
    run.skipped = vec![SkippedSample { id: "<b>.png".into(), stage: "proposals-vit".into(), reason: "the file is empty".into() }];
    let page = report(HtmlReportConfig::default(), run, &["a", "b", "c"], (0..3).map(|image| sample(&format!("{image}"), 16, true)));
    assert!(page.contains("The first 1 of 2 skipped images") && page.contains("&lt;b&gt;.png") && page.contains("the file is empty"));
    // Each image has class 1 besides its own, which it does not show, at the 32-bit number just below 0.9.
    let data = data(&page);
    assert_eq!((&data["probabilities"][89], &data["probabilities"][90], &data["count"]), (&3.into(), &0.into(), &3.into()));
    assert_eq!(data["classes"], serde_json::json!({ "0": "a", "1": "b" }), "the filter has the classes that some image has");
    assert!(
        page.contains("<th scope=\"row\">b</th><td>0</td><td>0</td><td>3</td><td>0.00</td><td>–</td><td>0</td>"),
        "precision and recall by class"
    );
}

#[test]
fn an_unreadable_image_is_left_out_and_the_rest_is_shown() {
    let broken = LabelledSample { image: LazyImage::new(|| Err(convert_sdk::Error::invalid("gone"))), ..sample("broken", 16, false) };
    let page = report(HtmlReportConfig::default(), run("demo", 2), &["a", "b"], [broken, sample("fine", 16, false)].into_iter());
    assert_eq!(data(&page)["images"].as_array().unwrap().len(), 1);
}

#[test]
fn the_page_stays_below_20_mb_and_is_the_same_again() {
    let config = HtmlReportConfig { images: 40, thumbnail: 600, quality: 100 };
    let page = || report(config.clone(), run("demo", 40), &["a", "b"], (0..40).map(|image| sample(&format!("{image}"), 600, false)));
    let first = page();
    assert!(first.len() > 10_000_000 && first.len() <= 20_000_000, "{} bytes", first.len());
    assert!(first == page(), "the same run gave another page");
}

#[test]
fn numbers_out_of_range_are_refused_before_any_work() {
    let error = HtmlReport::new(HtmlReportConfig { thumbnail: 10, ..Default::default() }, Context::for_tests(&[])).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "thumbnail is 10: give a number from 64 to 1600");
}
