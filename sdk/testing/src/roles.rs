use std::path::Path;

use super::build::{Built, CLASSES, Folder, given, no_panic, steady};
use super::images::images;
use super::input;
use convert_sdk::abi::{Results, export, foreign};
use convert_sdk::*;

const PACKAGE: export::Package = ("convert-testing", "0");

macro_rules! built {
    ($role:ident $plugin:ident $config:ident) => {
        Built::new(export::$role::<$plugin>("tested", PACKAGE, Results::DEFAULT), $config)
    };
}

fn sample<'a>((id, image): &'a (&'static str, Image<'static>)) -> SampleImage<'a> {
    SampleImage { id, image: image.clone() }
}

/// The rules of a proposer.
pub fn proposer<T: Plugin + Proposer>(config: &str) {
    let proposer = given("building", foreign::proposer(built!(proposer T config).build()));
    assert_eq!(given("no image", proposer.propose(&[])), Vec::<Vec<Proposal>>::new(), "no image has no list of proposals");
    let images = images();
    let one = |case: SampleImage<'_>| steady(&format!("the image {}", case.id), || proposer.propose(std::slice::from_ref(&case))).remove(0);
    let singly: Vec<_> = images.iter().map(sample).map(one).collect();
    let batch: Vec<_> = images.iter().map(sample).collect();
    assert_eq!(given("all images in one call", proposer.propose(&batch)), singly, "the proposals of an image depend on the others in its call");
    for case in images.iter().map(sample) {
        let [x, y] = [case.image.width() - 1, case.image.height() / 2];
        steady(&format!("the pixel {x}, {y} of the image {}", case.id), || proposer.propose_at(&case, x, y));
    }
}

/// The rules of a refiner.
pub fn refiner<T: Plugin + Refiner>(config: &str) {
    let refiner = given("building", foreign::refiner(built!(refiner T config).build()));
    for (name, image) in images() {
        // Masks have the proposer's size, not the image's.
        for (width, height) in [(image.width(), image.height()), (24, 24), (1, 1)] {
            let (image, proposals) = (LazyImage::from(image.clone()), input::proposals(width, height));
            let what = format!("masks of {width}x{height} of the image {name}");
            assert_eq!(given(&what, refiner.refine(&image, &[])), [], "{what}: no proposal has no answer");
            for answer in steady(&what, || refiner.refine(&image, &proposals)) {
                match answer {
                    Refinement::Keep(kept) => assert_eq!((kept.mask.width(), kept.mask.height()), (width, height), "{what}: a mask keeps its size"),
                    Refinement::Drop { reason } => assert!(!reason.is_empty() && !reason.contains('\n'), "{what}: a reason is one line: {reason:?}"),
                }
            }
        }
    }
}

/// The rules of a selector.
pub fn selector<T: Plugin + Selector>(config: &str) {
    let selector = given("building", foreign::selector(built!(selector T config).build()));
    let map = input::label_map();
    for (id, image) in images() {
        let (regions, image) = (input::regions(&image), LazyImage::from(image));
        let predictions: Vec<_> = (0..regions.len()).map(input::scores).collect();
        for round in 0..selector.needs().rounds.max(1) {
            let first = (round == 0 && selector.needs().maps).then_some(&map);
            let predictions = (round > 0).then_some(predictions.as_slice());
            let subject = Subject { id, label: 2, image: &image, regions: &regions, map: first, predictions };
            for answer in steady(&format!("the image {id}, round {}", round + 1), || selector.select(&subject)) {
                assert!((answer.label as usize) < CLASSES.len(), "the image {id}: {} is no class", answer.label);
            }
        }
    }
}

/// The rules of a labeler. Its training is deterministic; on a set of no image it fails without a panic, and an interrupted one ends at once.
pub fn labeler<T: Plugin + Labeler>(config: &str) {
    let built = built!(labeler T config);
    let set = input::Colours;
    let folders = [Folder::new(), Folder::new()];
    let models = folders.each_ref().map(|folder| {
        let labeler = given("building", foreign::labeler(built.build()));
        let report = given("training", labeler.train(&set, &folder.0));
        assert!(report.checkpoint.exists(), "training gave the checkpoint {}, which is not there", report.checkpoint.display());
        given("loading the checkpoint", labeler.load(&report.checkpoint))
    });
    let images: Vec<_> = (0..CLASSES.len()).map(|class| input::Colours::image(class, 3)).collect();
    for (class, image) in images.iter().enumerate() {
        for regions in [Vec::new(), input::regions(image)] {
            let what = format!("an image of class {class} with {} regions", regions.len());
            let batch = [PredictionInput { id: CLASSES[class], image: image.clone(), regions: &regions }];
            let [prediction, other] = models.each_ref().map(|model| steady(&what, || model.predict(&batch)).remove(0));
            assert_eq!(prediction, other, "{what}: training again gives another model");
            for probabilities in std::iter::once(&prediction.global).chain(&prediction.masks) {
                assert_eq!(probabilities.len(), CLASSES.len(), "{what}: one probability a class");
                let possible = probabilities.iter().all(|p| (0.0..=1.0).contains(p)) && probabilities.iter().sum::<f32>() < 1.001;
                assert!(possible, "{what}: these are no probabilities: {probabilities:?}");
            }
        }
    }
    assert_eq!(given("no image", models[0].predict(&[])), [], "no image has no prediction");
    let folder = Folder::new();
    assert!(
        no_panic("a checkpoint that is not there", models_of(&built, &folder.0.join("nothing"))).is_none(),
        "a checkpoint that is not there is loaded"
    );
    let interrupted = given("building", foreign::labeler(built.build_interrupted()));
    let begun = std::time::Instant::now();
    if let Err(error) = interrupted.train(&set, &folder.0) {
        assert_eq!(error.kind, ErrorKind::Interrupted, "training that the user stopped ends with an error of kind `interrupted`, not: {error}");
    }
    assert!(begun.elapsed().as_secs() < 10, "training that the user stopped went on for {:?}", begun.elapsed());
}

fn models_of(built: &Built, checkpoint: &Path) -> Result<Box<dyn LabelModel>> {
    foreign::labeler(built.build())?.load(checkpoint)
}

/// The rules of a postprocessor.
pub fn postprocessor<T: Plugin + Postprocessor>(config: &str) {
    let postprocessor = given("building", foreign::postprocessor(built!(postprocessor T config).build()));
    let regions = input::labelled_regions(&images()[6].1);
    for (labels, regions) in [(LabelVector::default(), [].as_slice()), (input::labels(), [].as_slice()), (input::labels(), &regions)] {
        for label in 0..CLASSES.len() as u32 {
            let adjusted = steady(&format!("label {label}, labels {labels:?}"), || postprocessor.adjust(label, &labels, regions));
            let unknown = adjusted.entries().iter().find(|entry| entry.class as usize >= CLASSES.len());
            assert!(unknown.is_none(), "it gives the class {unknown:?} of {}", CLASSES.len());
        }
    }
}

/// The rules of an exporter.
pub fn exporter<T: Plugin + Exporter>(config: &str) {
    let exporter = given("building", foreign::exporter(built!(exporter T config).build()));
    let folder = Folder::new();
    let samples = input::labelled_samples();
    for sample in &samples {
        given("an id with a space in it", exporter.accepts(&sample.id));
    }
    let write = |name: &str, samples: &[LabelledSample<'_>]| {
        let output = folder.0.join(name);
        let mut writer = exporter.begin(export_run(samples.len() as u64), &output)?;
        samples.iter().try_for_each(|sample| writer.write(sample))?;
        writer.finish()?;
        Ok(std::fs::read(&output)?)
    };
    given("a run without images", write("none", &[]));
    let once = given("seven images", write("once", &samples));
    assert!(given("seven images", write("again", &samples)) == once, "the same run gives another file the second time");
    let nowhere = exporter.begin(export_run(0), &folder.0.join("no such folder/file")).and_then(|mut writer| writer.finish());
    assert!(no_panic("a folder that is not there", nowhere).is_none(), "a file in a folder that is not there is written without an error");
}

fn export_run(samples: u64) -> ExportRun {
    ExportRun {
        name: "a test".into(),
        recipe: "version: 1\n".into(),
        version: "0".into(),
        plugins: Vec::new(),
        class_numbers: Vec::new(),
        stages: Vec::new(),
        samples,
        statistics: Statistics { threshold: 0.5, images: samples, by_count: [0, samples, 0, 0, 0], average: 1.0, skipped: 0 },
        curve: Vec::new(),
        held_out: None,
        evaluation: None,
        skipped: Vec::new(),
        calibration: None,
    }
}

/// The rules of a dataset; `config` names one with at least one sample.
pub fn dataset<T: Plugin + Dataset>(config: &str) {
    let built = built!(dataset T config);
    let dataset = given("opening", foreign::dataset(built.build()));
    let classes = dataset.classes();
    let mut samples = given("its samples", dataset.samples());
    assert!(!samples.is_empty() && !classes.is_empty(), "the check needs a dataset with samples: {} of {} classes", samples.len(), classes.len());
    samples.sort();
    for pair in samples.windows(2) {
        assert_ne!(pair[0].id, pair[1].id, "two samples have one id");
    }
    for sample in &samples {
        assert!(
            (sample.label as usize) < classes.len(),
            "the sample {} has the label {}, and there are {} classes",
            sample.id,
            sample.label,
            classes.len()
        );
    }
    let again = given("opening again", foreign::dataset(built.build()));
    let mut others = given("its samples", again.samples());
    others.sort();
    assert!(again.classes() == classes && others == samples, "opened again, it has other samples or classes");
    for sample in samples.iter().take(3) {
        let image = steady(&format!("the image {}", sample.id), || dataset.image(&sample.id));
        assert!(!matches!(&image, ImageData::Encoded(bytes) if bytes.is_empty()), "the image {} has no bytes", sample.id);
        given("its number", dataset.sample_number(&sample.id));
        let truth = given("its true objects", dataset.truth(&sample.id));
        for object in truth.iter().flatten() {
            assert!((object.class as usize) < classes.len(), "a true object of {} is of the class {}", sample.id, object.class);
        }
    }
    assert!(no_panic("an id that it does not have", dataset.image("no/such/sample")).is_none(), "it has an image of an id that is not its own");
}

/// The rules of an extractor.
pub fn extractor<T: Plugin + Extractor>(config: &str) {
    let extractor = given("building", foreign::extractor(built!(extractor T config).build()));
    given("its diagnosis", extractor.diagnosis());
    assert_eq!(given("no image", extractor.extract(&[])), [], "no image has no features");
    let mut dimensions = Vec::new();
    for (name, image) in images() {
        let what = format!("the image {name}");
        let extract = || extractor.extract(std::slice::from_ref(&image));
        let finite = given(&what, extract()).iter().flat_map(FeatureMap::values).all(|value| value.is_finite());
        assert!(finite, "{what}: a feature is not finite");
        dimensions.push(steady(&what, extract)[0].dimension());
        assert_eq!(dimensions.last(), dimensions.first(), "{what} has features of another dimension");
    }
}
