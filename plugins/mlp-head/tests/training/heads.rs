//! Several heads: side by side, for held-out folds, and to choose from.

use std::path::Path;

use convert_mlp_head::{Calibration, HeadChoice, MlpHead, MlpHeadConfig};
use convert_sdk::{Context, ErrorKind, Labeler, Plugin, PredictionInput, Region, Result, TrainingSample, TrainingSet};
use safetensors::SafeTensors;

use super::colours::{CLASSES, COLOURS, Colours, block, config, context, image, train};

/// Several heads: the first is that of a single one, an interrupted training continues to the same bytes, and their probabilities are averaged.
#[test]
fn several_heads_are_trained_one_after_the_other_and_answer_together() {
    let heads = |heads| MlpHeadConfig { heads, views: 1, ..config() };
    let (one, three) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let single = train(heads(1), context(&CLASSES, |_| {}, 10_000), &COLOURS, one.path()).unwrap();
    let report = train(heads(3), context(&CLASSES, |_| {}, 10_000), &COLOURS, three.path()).unwrap();
    assert_eq!(report.curve.len(), 12);
    let mean = |at: usize| report.curve[at].loss;
    assert!(mean(0) != single.curve[0].loss && (mean(0) - single.curve[0].loss).abs() < 1.0, "the curve is the mean of three");

    let again = tempfile::tempdir().unwrap();
    for patience in [35, 20] {
        // The vectors of the images take 30 reports, then comes one an epoch: in the first head, and in the second.
        let error = train(heads(3), context(&CLASSES, |_| {}, patience), &COLOURS, again.path()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Interrupted, "{error}");
    }
    let resumed = train(heads(3), context(&CLASSES, |_| {}, 10_000), &COLOURS, again.path()).unwrap();
    assert_eq!(resumed.curve, report.curve);
    let read = |file: &Path| std::fs::read(file).unwrap();
    assert!(read(&resumed.checkpoint) == read(&report.checkpoint));

    let tensors = |file: &Path| {
        let bytes = read(file);
        let file = SafeTensors::deserialize(&bytes).unwrap();
        file.iter().map(|(name, view)| (name.to_owned(), view.data().to_vec())).collect::<std::collections::BTreeMap<_, _>>()
    };
    let (first, all) = (tensors(&single.checkpoint), tensors(&report.checkpoint));
    assert_eq!(all.len(), 3 * first.len());
    assert!(first.iter().all(|(name, bytes)| all[name] == *bytes && all[&format!("heads.1.{name}")] != *bytes), "the first head is the single one");
    let labeler = MlpHead::new(heads(3), Context::for_tests(&CLASSES)).unwrap();
    let answer =
        |file: &Path| labeler.load(file).unwrap().predict(&[PredictionInput { id: "a", image: image(1, 9), regions: &[] }]).unwrap().remove(0).global;
    let (together, alone) = (answer(&report.checkpoint), answer(&single.checkpoint));
    assert!((together.iter().sum::<f32>() - 1.0).abs() < 1e-5 && together != alone, "{together:?} {alone:?}");
}

/// The probability of its own class that an image's block has: by the whole model, and by the one that was trained without the image.
fn own_class(labeler: &MlpHead, checkpoint: &Path, index: usize) -> (f32, f32) {
    let model = labeler.load(checkpoint).unwrap();
    let (label, id) = (index as u32 % 3, format!("image-{index}"));
    let regions = [Region { mask: block(), source: "test".into(), score: 1.0, measures: Vec::new() }];
    let input = || [PredictionInput { id: &id, image: image(label, index as u32), regions: &regions }];
    let of = |predictions: Vec<convert_sdk::Prediction>| predictions[0].masks[0][label as usize];
    (of(model.predict(&input()).unwrap()), of(model.predict_held_out(&input()).unwrap()))
}

/// Colours, of which image 4 has the label of another class.
struct Mislabelled;

impl TrainingSet for Mislabelled {
    fn len(&self) -> usize {
        30
    }
    fn get(&self, index: usize) -> Result<TrainingSample<'_>> {
        let mut sample = COLOURS.get(index)?;
        if index == 4 {
            sample.label = 0;
            sample.regions[0].label = 0;
        }
        Ok(sample)
    }
}

#[test]
fn the_head_of_a_fold_has_not_seen_its_images() {
    let folder = tempfile::tempdir().unwrap();
    // Long enough to learn the wrong label by heart.
    let config = MlpHeadConfig { folds: 3, epochs: 400, learning_rate: 0.05, ..config() };
    let labeler = MlpHead::new(config.clone(), context(&CLASSES, |_| (), u64::MAX)).unwrap();
    let report = labeler.train(&Mislabelled, folder.path()).unwrap();
    let held_out = report.held_out.unwrap();
    assert_eq!((held_out.folds, held_out.regions), (3, 90));
    assert!((0.85..0.98).contains(&held_out.accuracy), "{held_out:?}");
    assert_eq!(held_out.reliability.bins.iter().map(|bin| bin.count).sum::<u64>(), 90);
    let (with, without) = own_class(&labeler, &report.checkpoint, 4);
    assert!(with < 0.7 && without > 0.95, "image 4 is green: {with} by the head that was told otherwise, {without} by the one that was not");

    // The final head is the same whatever was held out, and an interrupted training ends with the same files.
    let other = tempfile::tempdir().unwrap();
    let alone = train(MlpHeadConfig { folds: 0, ..config.clone() }, context(&CLASSES, |_| (), u64::MAX), &Mislabelled, other.path()).unwrap();
    assert_eq!(alone.held_out, None);
    let tensors = |folder: &Path| {
        let bytes = std::fs::read(folder.join("head.safetensors")).unwrap();
        SafeTensors::deserialize(&bytes).unwrap().tensor("0.weight").unwrap().data().to_vec()
    };
    assert!(tensors(folder.path()) == tensors(other.path()));
    let interrupted = tempfile::tempdir().unwrap();
    let error = train(config.clone(), context(&CLASSES, |_| (), 700), &Mislabelled, interrupted.path()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Interrupted);
    let again = train(config, context(&CLASSES, |_| (), u64::MAX), &Mislabelled, interrupted.path()).unwrap();
    assert_eq!(again.held_out, Some(held_out));
    for name in ["head.safetensors", "folds.safetensors", "head.json"] {
        assert!(std::fs::read(folder.path().join(name)).unwrap() == std::fs::read(interrupted.path().join(name)).unwrap(), "{name}");
    }
}

#[test]
fn a_head_is_chosen_and_its_probabilities_are_brought_to_what_held_out_regions_say() {
    let folder = tempfile::tempdir().unwrap();
    let config = MlpHeadConfig { head: HeadChoice::Auto, calibration: Calibration::Temperature, folds: 3, views: 1, ..config() };
    let labeler = MlpHead::new(config.clone(), context(&CLASSES, |_| (), u64::MAX)).unwrap();
    let report = labeler.train(&Mislabelled, folder.path()).unwrap();
    let outcome: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.path().join("head.json")).unwrap()).unwrap();
    let tried = outcome["tried"].as_array().unwrap();
    let loss = |entry: &serde_json::Value| entry["loss"].as_f64().unwrap();
    assert!(tried.len() == 5 && tried.windows(2).all(|pair| loss(&pair[0]) <= loss(&pair[1])), "{tried:?}");
    assert_eq!(outcome["settings"], tried[0]["settings"]);
    assert_ne!(outcome["temperature"], 1.0);
    // One label in thirty is wrong: nobody can be surer than that on the rest.
    let held_out = report.held_out.unwrap();
    assert!(held_out.accuracy > 0.9 && held_out.reliability.ece < 0.1, "{held_out:?}");
    let (with, _) = own_class(&labeler, &report.checkpoint, 7);
    assert!(with > 0.8, "{with}");
    // Another head than the checkpoint's is refused as ever.
    let plain = MlpHead::new(MlpHeadConfig { folds: 1, ..config }, context(&CLASSES, |_| (), u64::MAX)).unwrap();
    let alone = tempfile::tempdir().unwrap();
    let checkpoint = plain.train(&COLOURS, alone.path()).unwrap().checkpoint;
    let input = [PredictionInput { id: "image-1", image: image(1, 1), regions: &[] }];
    let error = plain.load(&checkpoint).unwrap().predict_held_out(&input).unwrap_err();
    assert!(error.kind == ErrorKind::Unsupported && error.to_string().contains("set `label.config.folds: 5`"), "{error}");
}

#[test]
fn too_few_images_to_hold_some_out_are_warned_of_and_still_make_a_head() {
    let few = Colours { count: 6, ..COLOURS };
    for head in [HeadChoice::Paper, HeadChoice::Auto] {
        let folder = tempfile::tempdir().unwrap();
        let report = train(MlpHeadConfig { head, views: 1, ..config() }, context(&CLASSES, |_| (), u64::MAX), &few, folder.path()).unwrap();
        assert_eq!(report.held_out, None);
        assert!(
            report.warnings.iter().any(|warning| warning.contains("6 images of 3 classes are too few to hold some out")),
            "{:?}",
            report.warnings
        );
    }
}
