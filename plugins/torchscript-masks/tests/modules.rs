//! Small modules of every form that is taken, and of some that are not (tests/data/make.py), on an image with a red and a green box.

use convert_sdk::{BoundingBox, Context, Image, Mask, Plugin, Proposal, Proposer, Result, SampleImage};
use convert_torchscript_masks::TorchScriptMasks;
use serde_json::{Value, json};

/// 96 x 64 pixels of grey, with a red box and a larger green one.
fn image() -> Image<'static> {
    let pixels = (0..96 * 64).flat_map(|at| match (at % 96, at / 96) {
        (8..40, 8..40) => [250, 10, 10],
        (48..88, 16..56) => [10, 250, 10],
        _ => [100, 100, 100],
    });
    Image::new(96, 64, pixels.collect::<Vec<u8>>()).unwrap()
}

fn boxes() -> [Mask; 2] {
    [(8, 8, 32), (48, 16, 40)].map(|(x, y, side)| Mask::from_box(96, 64, BoundingBox { x, y, width: side, height: side }).unwrap())
}

fn proposer(module: &str, config: &Value) -> Result<TorchScriptMasks> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(format!("{module}.pt"));
    let mut all = json!({ "module": file, "size": 96, "shape": "longer-side", "mean": [0, 0, 0], "std": [1, 1, 1] });
    for (key, value) in config.as_object().unwrap() {
        all[key] = value.clone();
    }
    TorchScriptMasks::new(serde_json::from_value(all)?, Context::for_tests(&[]))
}

fn propose(module: &str, config: Value) -> Result<Vec<Proposal>> {
    Ok(proposer(module, &config)?.propose(&[SampleImage { id: "photo", image: image() }])?.remove(0))
}

fn scores(proposals: &[Proposal]) -> Vec<f32> {
    proposals.iter().map(|proposal| proposal.score).collect()
}

#[test]
fn it_keeps_the_rules_of_its_role() {
    let module = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tuples.pt");
    convert_testing::proposer::<TorchScriptMasks>(&format!(r#"{{"module": {module:?}, "size": 96, "shape": "longer-side"}}"#));
}

#[test]
fn each_form_gives_the_boxes_the_best_scored_first() {
    let [red, green] = boxes();
    for (module, threshold, size) in [("tuples", 0.5, (48, 32)), ("dictionaries", 0.0, (96, 64))] {
        let found = propose(module, json!({ "threshold": threshold })).unwrap();
        assert_eq!(scores(&found), [0.9, 0.5], "{module}: nothing is blue");
        assert_eq!((found[0].mask.width(), found[0].mask.height()), size);
        let [first, second] = [&found[0], &found[1]].map(|proposal| proposal.mask.fit_to(96, 64).unwrap());
        assert_eq!((first, second), (green.clone(), red.clone()), "{module}");
    }
    let found = propose("masks", json!({})).unwrap();
    assert_eq!((scores(&found), &found[0].mask, &found[1].mask), (vec![1.0, 1.0], &red, &green), "masks alone, in the module's order");
}

#[test]
fn limits_leave_masks_out() {
    let green = 40.0 * 40.0 / (96.0 * 64.0);
    let found = |config: Value| scores(&propose("tuples", config).unwrap());
    assert_eq!(found(json!({ "min_score": 0.6 })), [0.9]);
    assert_eq!(found(json!({ "max_masks": 1 })), [0.9]);
    assert_eq!(found(json!({ "min_area": green })), [0.9]);
    assert!(found(json!({ "min_area": green + 0.001 })).is_empty());
    // A square image is no other picture: only the mask's size changes.
    let square = propose("dictionaries", json!({ "threshold": 0, "shape": "square", "size": 192 })).unwrap();
    assert_eq!((square[0].mask.width(), square[0].mask.height()), (192, 192));
    assert!(square[0].mask.fit_to(96, 64).unwrap().iou(&boxes()[1]).unwrap() > 0.95);
}

#[test]
fn masks_alone_are_scored_by_their_numbers_inside() {
    // 1 / (1 + exp(-20 (250 / 255 - 90 / 255 - 0.25))) in both boxes: the module's own formula.
    let found = propose("probabilities", json!({})).unwrap();
    let expected = 1.0 / (1.0 + (-20.0 * (160.0 / 255.0 - 0.25f32)).exp());
    assert!(found.len() == 2 && scores(&found).iter().all(|score| (score - expected).abs() < 1e-4), "{found:?}: {expected}");
    assert_eq!(scores(&propose("masks", json!({ "threshold": 5.0 })).unwrap()), [1.0, 1.0], "boolean masks know no threshold");
}

#[test]
fn answers_of_another_form_refuse_the_recipe_in_one_line() {
    for (module, expected) in [
        ("unfit", "the module gives 3 masks, of shape [3, 96, 96], and scores of shape [2]: it must give a score for each mask"),
        ("flat", "the module's masks have shape [3, 9216] instead of [N, h, w], [N, 1, h, w] or [1, N, h, w]"),
        (
            "words",
            "the module gives neither tensors nor a dictionary: export one that gives a tuple (masks, scores), a dictionary with `masks` and `scores`, or a tensor of masks",
        ),
    ] {
        let text = proposer(module, &json!({})).unwrap_err().to_string();
        assert!(text.ends_with(&format!("{module}.pt cannot be used: {expected}")) && !text.contains('\n'), "{text}");
    }
    let text = proposer("make", &json!({ "module": file!() })).unwrap_err().to_string();
    assert!(text.starts_with("cannot load the module ") && !text.contains('\n'), "{text}");
    let text = proposer("tuples", &json!({ "std": [1, 0, 1] })).unwrap_err().to_string();
    assert_eq!(text, "std 0 is not a positive number");
}

#[test]
fn an_image_that_gives_nan_is_skipped_and_others_are_not() {
    let proposer = proposer("undefined", &json!({ "threshold": 0 })).unwrap();
    let error = proposer.propose(&[SampleImage { id: "photo", image: image() }]).unwrap_err().to_string();
    assert_eq!(error, "the module's mask 1 has pixels that are NaN");
    let grey = Image::new(8, 8, vec![99; 192]).unwrap();
    assert!(proposer.propose(&[SampleImage { id: "grey", image: grey }]).unwrap()[0].is_empty());
}

#[test]
fn threads_change_nothing() {
    let proposer = proposer("tuples", &json!({})).unwrap();
    let run = || proposer.propose(&[SampleImage { id: "photo", image: image() }]).unwrap();
    let alone = run();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        assert!(workers.into_iter().all(|worker| worker.join().unwrap() == alone));
    });
}
