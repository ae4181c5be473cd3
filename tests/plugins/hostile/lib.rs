//! Plugins that misbehave, for the tests; and one that does nothing, for the benchmark.

use convert_sdk::*;

mod roles;

use roles::*;

struct Hostile(Misbehaviour);

impl Plugin for Hostile {
    type Config = Misbehaviour;

    fn new(config: Misbehaviour, _: Context) -> Result<Self> {
        Ok(Self(config.built()))
    }
}

impl Proposer for Hostile {
    fn batch_size(&self) -> usize {
        3
    }

    fn propose(&self, images: &[SampleImage]) -> Result<Vec<Vec<Proposal>>> {
        let spoiled = images.iter().map(|image| self.0.befalls(image.id)).collect::<Result<Vec<_>>>()?.contains(&true);
        let proposal = || Proposal::new(Mask::full(2, 2)?, 1.0);
        match self.0.how {
            How::TooFew if spoiled => Ok(Vec::new()),
            How::Nan if spoiled => images.iter().map(|_| Ok(vec![Proposal { score: f32::NAN, ..proposal()? }])).collect(),
            _ => images.iter().map(|_| Ok(vec![proposal()?])).collect(),
        }
    }
}

/// Proposes nothing, after the resize that every proposer needs: what is left is the engine's own time.
#[config]
struct Nothing {
    /// The side of the square to resize to, in pixels.
    input_size: u32,
}

impl Plugin for Nothing {
    type Config = Self;

    fn new(config: Self, _: Context) -> Result<Self> {
        Ok(config)
    }
}

impl Proposer for Nothing {
    fn propose(&self, images: &[SampleImage]) -> Result<Vec<Vec<Proposal>>> {
        images.iter().map(|image| image.image.resize_lanczos(self.input_size, self.input_size).map(|_| Vec::new())).collect()
    }
}

/// A device that works on sixteen images at once: its memory may be small, and while a file exists it fails from some sample on, for good.
#[config]
struct Device {
    /// How many images its memory holds.
    holds: usize,
    /// Part of the id from which on it fails.
    #[serde(default)]
    fails_from: Option<String>,
    /// It fails only while this file exists.
    #[serde(default)]
    fault: Option<String>,
    /// What it declares to hold, in bytes.
    #[serde(default)]
    weights: u64,
}

struct FaultyDevice {
    config: Device,
    failed: std::sync::atomic::AtomicBool,
}

impl Plugin for FaultyDevice {
    type Config = Device;

    fn new(config: Device, _: Context) -> Result<Self> {
        Ok(Self { config, failed: Default::default() })
    }
}

impl Proposer for FaultyDevice {
    fn batch_size(&self) -> usize {
        16
    }

    fn work(&self) -> Work {
        Work { memory: self.config.weights, ..Work::default() }
    }

    fn propose(&self, images: &[SampleImage]) -> Result<Vec<Vec<Proposal>>> {
        use std::sync::atomic::Ordering;
        let faulty = self.config.fault.as_ref().is_some_and(|file| std::path::Path::new(file).exists());
        let reached = self.config.fails_from.as_ref().is_some_and(|from| images.iter().any(|image| image.id.contains(from)));
        if faulty && reached {
            self.failed.store(true, Ordering::SeqCst);
        }
        if self.failed.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Device, "an illegal memory access was encountered"));
        }
        if images.len() > self.config.holds {
            return Err(Error::new(ErrorKind::OutOfMemory, format!("{} images do not fit", images.len())));
        }
        let mask = |image: &SampleImage| {
            let (width, height) = (image.image.width(), image.image.height());
            let [red, green, blue] = image.image.pixel(width / 2, height / 2).map(u32::from);
            let (x, y) = (red % (width / 2), (green + blue) % (height / 2));
            Mask::from_box(width, height, BoundingBox { x, y, width: width / 2, height: height / 2 })
        };
        images.iter().map(|image| Ok(vec![Proposal::new(mask(image)?, 1.0)?])).collect()
    }
}

/// Keeps every region, but fails on three samples as long as a file is there.
struct Picky(PickyConfig);

#[config]
struct PickyConfig {
    /// The file.
    fault: String,
}

impl Plugin for Picky {
    type Config = PickyConfig;

    fn new(config: PickyConfig, _: Context) -> Result<Self> {
        Ok(Self(config))
    }
}

impl Selector for Picky {
    fn select(&self, subject: &Subject) -> Result<Vec<Selection>> {
        if ["scene-00002", "scene-00011", "scene-00012"].contains(&subject.id) && std::path::Path::new(&self.0.fault).exists() {
            return Err(Error::invalid("this sample is not to its taste"));
        }
        Ok(subject.regions.iter().map(|_| Selection { confidence: Probability::ONE, keep: true, label: subject.label }).collect())
    }
}

export_plugins! {
    proposer "hostile" => Hostile,
    dataset "hostile" => HostileDataset,
    refiner "hostile" => HostileRefiner,
    selector "hostile" => HostileSelector,
    labeler "hostile" => HostileLabeler,
    postprocessor "hostile" => HostilePostprocessor,
    exporter "hostile" => HostileExporter,
    extractor "patch-features" => HostileExtractor,
    proposer "nothing" => Nothing,
    selector "picky" => Picky,
    proposer "faulty-device" => FaultyDevice { results_version: 1, seeded: false, device: true },
}
