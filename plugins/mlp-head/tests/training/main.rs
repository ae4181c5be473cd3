//! The labeler through its trait, on tiny images of one colour each.

mod colours;
mod heads;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use convert_mlp_head::{CropPart, MlpHead, MlpHeadConfig, Mode, Regions};
use convert_sdk::{
    BoundingBox, Context, Error, ErrorKind, Labeler, LazyImage, Mask, Plugin, PredictionInput, Region, Result, TrainingRegion, TrainingSample,
    TrainingSet,
};
use safetensors::SafeTensors;

use colours::{CLASSES, COLOURS, Colours, SIDE, WholeImages, block, config, context, image, train};

#[test]
fn separable_colours_are_learned_and_the_object_beats_the_ground() {
    let folder = tempfile::tempdir().unwrap();
    let labeler = MlpHead::new(config(), Context::for_tests(&CLASSES)).unwrap();
    let report = labeler.train(&COLOURS, folder.path()).unwrap();
    assert_eq!(report.curve.len(), 12);
    assert_eq!((report.curve[11].epoch, report.curve[11].accuracy), (12, 1.0));
    assert!(report.curve[11].loss < 0.2 * report.curve[0].loss, "{:?}", report.curve);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    let model = labeler.load(&report.checkpoint).unwrap();
    for class in 0..3 {
        let regions =
            [block(), Mask::full(SIDE, SIDE).unwrap()].map(|mask| Region { mask, source: "block".into(), score: 1.0, measures: Vec::new() });
        let prediction = model.predict(&[PredictionInput { id: "block", image: image(class, 77), regions: &regions }]).unwrap().remove(0);
        assert!(prediction.masks[0][class as usize] > 0.9, "{prediction:?}");
        assert_eq!(prediction.masks[1], prediction.global);
        for numbers in prediction.masks.iter().chain([&prediction.global]) {
            assert!((numbers.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }
}

/// The object's crop, the same crop in random views, and both vectors: each learns the colours, and its checkpoint fits no other.
#[test]
fn crops_are_learned_from_and_a_head_on_whole_images_still_makes_maps() {
    let crops = |regions| MlpHeadConfig { regions, crop_size: 24, views: 2, ..config() };
    for regions in [Regions::Crop, Regions::Both] {
        let folder = tempfile::tempdir().unwrap();
        let labeler = MlpHead::new(crops(regions), Context::for_tests(&CLASSES)).unwrap();
        let report = labeler.train(&COLOURS, folder.path()).unwrap();
        assert_eq!(report.curve[11].accuracy, 1.0, "{regions:?}");
        let model = labeler.load(&report.checkpoint).unwrap();
        for class in 0..3 {
            let regions = [Region { mask: block(), source: "block".into(), score: 1.0, measures: Vec::new() }];
            let prediction = model.predict(&[PredictionInput { id: "block", image: image(class, 77), regions: &regions }]).unwrap().remove(0);
            assert!(prediction.masks[0][class as usize] > 0.9, "{prediction:?}");
        }
        let refused =
            |config: MlpHeadConfig| MlpHead::new(config, Context::for_tests(&CLASSES)).unwrap().load(&report.checkpoint).err().unwrap().to_string();
        let message = refused(MlpHeadConfig { crop_size: 32, ..crops(regions) });
        assert!(message.contains("it was trained on crops of 24 pixels, but the config's crop_size is 32"), "{message}");
        let message = refused(MlpHeadConfig { crop_pooling: Some(vec![CropPart::MaskStd, CropPart::MaskMean]), ..crops(regions) });
        assert!(
            message.contains(r#"it was trained on crop_pooling: ["mask-mean","mask-std"], but the config asks for ["mask-std","mask-mean"]"#),
            "{message}"
        );
        let message = refused(config());
        assert!(message.contains(r#"but the config asks for "mask""#), "{message}");
        let message = model.maps(&[image(0, 1)]).unwrap_err().to_string();
        assert!(message.contains("a head that was trained on crops makes no label maps"), "{message}");

        // On whole images alone, as for label maps, it is the head that `regions: mask` trains.
        let whole = |config: MlpHeadConfig| {
            let folder = tempfile::tempdir().unwrap();
            let labeler = MlpHead::new(config, Context::for_tests(&CLASSES)).unwrap();
            let report = labeler.train(&WholeImages, folder.path()).unwrap();
            labeler.load(&report.checkpoint).unwrap().maps(&[image(0, 1)]).unwrap()
        };
        assert_eq!(whole(crops(regions)), whole(crops(Regions::Mask)));
    }
    let parts = |parts| {
        MlpHead::new(MlpHeadConfig { crop_pooling: Some(parts), ..crops(Regions::Crop) }, Context::for_tests(&CLASSES)).err().unwrap().to_string()
    };
    assert!(parts(vec![CropPart::ClassToken]).contains("this backbone has none"));
    assert!(parts(Vec::new()).contains("crop_pooling is empty"));
}

#[test]
fn the_checkpoint_has_the_names_and_shapes_of_a_pytorch_sequential() {
    let folder = tempfile::tempdir().unwrap();
    let context = context(&CLASSES, |settings| settings.profile = "authors-code".into(), 1_000);
    let report = train(MlpHeadConfig { epochs: 1, ..config() }, context, &COLOURS, folder.path()).unwrap();
    let bytes = std::fs::read(report.checkpoint).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut names: Vec<(String, Vec<usize>)> = file.iter().map(|(name, view)| (name.to_owned(), view.shape().to_vec())).collect();
    names.sort();
    let dimension = names[1].1[1];
    let expected = [
        ("0.bias", vec![16]),
        ("0.weight", vec![16, dimension]),
        ("2.bias", vec![16]),
        ("2.weight", vec![16, 16]),
        ("4.bias", vec![3]),
        ("4.weight", vec![3, 16]),
    ];
    assert_eq!(names, expected.map(|(name, shape)| (name.to_owned(), shape)));
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    assert!(header.metadata().as_ref().unwrap()["convert"].contains(r#""classes":["red","green","blue"]"#));
}

#[test]
fn threads_do_not_change_a_byte() {
    let bytes = [1, 2, 3].map(|threads| {
        let folder = tempfile::tempdir().unwrap();
        let context = context(&CLASSES, |settings| settings.threads = threads, 1_000);
        std::fs::read(train(config(), context, &COLOURS, folder.path()).unwrap().checkpoint).unwrap()
    });
    assert_eq!(bytes[0], bytes[1]);
    assert_eq!(bytes[0], bytes[2]);
}

#[test]
fn an_interrupted_training_continues_to_the_same_bytes_and_another_seed_begins_anew() {
    let whole = tempfile::tempdir().unwrap();
    let config = || MlpHeadConfig { dropout: Some(0.2), ..config() };
    let expected = train(config(), context(&CLASSES, |_| {}, 1_000), &COLOURS, whole.path()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // 30 reports of the extraction, which continues as well, and one an epoch.
    for patience in [10, 20 + 3, 5] {
        let error = train(config(), context(&CLASSES, |_| {}, patience), &COLOURS, folder.path()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Interrupted, "{error}");
    }
    let report = train(config(), context(&CLASSES, |_| {}, 1_000), &COLOURS, folder.path()).unwrap();
    assert_eq!((&report.curve, &report.warnings), (&expected.curve, &expected.warnings));
    let read = |folder: &Path, name: &str| std::fs::read(folder.join(name)).unwrap();
    for name in ["head.safetensors", "last.safetensors"] {
        assert!(read(folder.path(), name) == read(whole.path(), name), "{name} differs");
    }
    let other = train(config(), context(&CLASSES, |settings| settings.seed = 5, 1_000), &COLOURS, folder.path()).unwrap();
    assert_ne!(other.curve, expected.curve);
}

#[test]
fn an_augmented_training_interrupted_between_and_within_epochs_continues_to_the_same_bytes() {
    let config = || MlpHeadConfig { mode: Mode::Augmented, epochs: 4, checkpoint_every: 1, dropout: Some(0.2), ..config() };
    let context = |threads, patience| context(&CLASSES, |settings| settings.threads = threads, patience);
    let whole = tempfile::tempdir().unwrap();
    let expected = train(config(), context(1, 1_000), &COLOURS, whole.path()).unwrap();
    assert_eq!(expected.curve.len(), 4);
    let folder = tempfile::tempdir().unwrap();
    // 30 reports of the extraction, once; then four steps an epoch, and the epoch.
    for (patience, reached) in [(30 + 5, "after epoch 1"), (7, "in epoch 3"), (5, "after epoch 3")] {
        let error = train(config(), context(2, patience), &COLOURS, folder.path()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Interrupted, "{error}");
        assert!(error.message.contains(reached), "{error}");
    }
    let report = train(config(), context(2, 1_000), &COLOURS, folder.path()).unwrap();
    assert_eq!((&report.curve, &report.warnings), (&expected.curve, &expected.warnings));
    for name in ["head.safetensors", "best.safetensors", "last.safetensors"] {
        let read = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
        assert!(read(folder.path()) == read(whole.path()), "{name} differs");
    }
}

#[test]
fn a_checkpoint_of_another_class_count_or_of_other_features_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let report = train(MlpHeadConfig { epochs: 1, ..config() }, Context::for_tests(&CLASSES), &COLOURS, folder.path()).unwrap();
    let refused = |config: MlpHeadConfig, classes: &[&str]| {
        let labeler = MlpHead::new(config, Context::for_tests(classes)).unwrap();
        labeler.load(&report.checkpoint).err().unwrap().to_string()
    };
    let message = refused(config(), &["red", "green"]);
    assert!(message.contains("it knows 3 classes, but the dataset has 2"), "{message}");
    let message = refused(MlpHeadConfig { feature: convert_backbones::FeatureKind::K, ..config() }, &CLASSES);
    assert!(message.contains("trained on the features patch of patch-stats, last layer, but the config asks for k of patch-stats"), "{message}");
}

#[test]
fn broken_images_and_classes_without_regions_are_warned_of_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let set = Colours { count: 8, classes: 2, broken: Some(5) };
    let strict = train(MlpHeadConfig { epochs: 1, views: 1, ..config() }, Context::for_tests(&CLASSES), &set, folder.path()).unwrap_err().to_string();
    assert_eq!(
        strict,
        "1 of 8 training images cannot be used, the first of them sample image-5: the file is truncated: mend them, leave them out of the dataset, or raise max_lost"
    );
    let config_of_few = MlpHeadConfig { epochs: 1, views: 1, max_lost: 0.2, ..config() };
    let report = train(config_of_few, Context::for_tests(&CLASSES), &set, folder.path()).unwrap();
    assert_eq!(report.lost, ["sample image-5: the file is truncated"]);
    let [broken, missing] = report.warnings.as_slice() else { panic!("{:?}", report.warnings) };
    assert_eq!(broken, "not trained on: sample image-5: the file is truncated");
    assert_eq!(missing, "1 of 3 classes have no region to train on and will hardly be predicted: blue");
    let none = Colours { count: 0, classes: 1, broken: None };
    assert!(train(config(), Context::for_tests(&CLASSES), &none, folder.path()).unwrap_err().to_string().contains("no region to train on"));
    let all_broken = Colours { count: 1, classes: 1, broken: Some(0) };
    let error = train(config(), Context::for_tests(&CLASSES), &all_broken, folder.path()).unwrap_err().to_string();
    assert!(error.contains("none of the training images can be used") && error.contains("image-0: the file is truncated"), "{error}");
}

#[test]
fn a_diverging_training_stops_with_step_and_learning_rate() {
    let folder = tempfile::tempdir().unwrap();
    let config = MlpHeadConfig { learning_rate: 1e30, warmup_epochs: 0, ..config() };
    let error = train(config, Context::for_tests(&CLASSES), &COLOURS, folder.path()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Numeric);
    assert!(error.message.contains("in step") && error.message.contains("learning rate"), "{error}");
}

/// The colours with three regions an image, one of them in a corner; counts how often an image is decoded, and cannot decode while the disk is away.
struct Counted {
    decoded: AtomicUsize,
    /// From this image on decoding fails, as many times.
    away: (usize, AtomicUsize),
}

impl Counted {
    fn new(from: usize, times: usize) -> Self {
        Self { decoded: AtomicUsize::new(0), away: (from, AtomicUsize::new(times)) }
    }
}

impl TrainingSet for Counted {
    fn len(&self) -> usize {
        30
    }
    fn get(&self, index: usize) -> Result<TrainingSample<'_>> {
        let sample = COLOURS.get(index)?;
        let corner = Mask::from_box(SIDE, SIDE, BoundingBox { x: 0, y: 0, width: 6, height: 6 })?;
        let label = sample.label;
        let regions = [Some(block()), Some(corner), None].map(|mask| TrainingRegion { mask, label }).to_vec();
        let load = move || {
            let away = |left: usize| left.checked_sub(1).filter(|_| index >= self.away.0);
            if self.away.1.try_update(Ordering::SeqCst, Ordering::SeqCst, away).is_ok() {
                return Err(Error::new(ErrorKind::Io, "the disk is away"));
            }
            self.decoded.fetch_add(1, Ordering::SeqCst);
            Ok(image(label, index as u32))
        };
        Ok(TrainingSample { image: LazyImage::new(load), regions, ..sample })
    }
}

#[test]
fn an_image_is_decoded_once_for_all_its_regions_and_views() {
    let count = |config: MlpHeadConfig, threads| {
        let (set, folder) = (Counted::new(0, 0), tempfile::tempdir().unwrap());
        let context = context(&CLASSES, |settings| settings.threads = threads, 1_000);
        let report = train(config, context, &set, folder.path()).unwrap();
        let lost = report.warnings.iter().any(|warning| warning.contains("masks had left") || warning.contains("mask had left"));
        assert!(lost, "some view must lose the corner: {:?}", report.warnings);
        (set.decoded.into_inner(), std::fs::read(report.checkpoint).unwrap())
    };
    let pooled = |threads| count(MlpHeadConfig { views: 5, epochs: 2, ..config() }, threads);
    let augmented = |threads| count(MlpHeadConfig { mode: Mode::Augmented, epochs: 4, ..config() }, threads);
    let (pooled, augmented) = ([pooled(1), pooled(3)], [augmented(1), augmented(3)]);
    assert_eq!((pooled[0].0, augmented[0].0), (30, 30 + 4 * 30));
    assert!(pooled[0] == pooled[1] && augmented[0] == augmented[1], "threads changed a byte");
}

#[test]
fn a_disk_that_goes_away_stops_the_training_and_costs_no_image() {
    let folder = tempfile::tempdir().unwrap();
    let config = || MlpHeadConfig { views: 2, epochs: 3, ..config() };
    let set = Counted::new(12, 1);
    let error = train(config(), context(&CLASSES, |_| {}, 1_000), &set, folder.path()).unwrap_err();
    assert_eq!((error.kind, error.to_string().as_str()), (ErrorKind::Io, "sample image-12: the disk is away"));
    let before = set.decoded.load(Ordering::SeqCst);
    let report = train(config(), context(&CLASSES, |_| {}, 1_000), &set, folder.path()).unwrap();
    assert_eq!(set.decoded.load(Ordering::SeqCst) - before, 30 - 12, "the images before it are not read again");
    let whole = tempfile::tempdir().unwrap();
    let expected = train(config(), context(&CLASSES, |_| {}, 1_000), &Counted::new(0, 0), whole.path()).unwrap();
    assert_eq!((&report.curve, &report.warnings), (&expected.curve, &expected.warnings));
    let left = |folder: &Path| std::fs::read_dir(folder).unwrap().flatten().any(|file| file.file_name().to_string_lossy().starts_with("vectors."));
    assert!(!left(folder.path()), "the vectors go when the training has ended");
}
