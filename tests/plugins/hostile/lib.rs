//! Plugins that misbehave, for the tests; and one that does nothing, for the benchmark.

use convert_sdk::*;

/// Panics, fails or lies for the samples whose id contains a text.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, crate = "convert_sdk::serde")]
#[schemars(crate = "convert_sdk::schemars")]
struct Misbehaviour {
    /// Part of the ids.
    on: String,
    /// What happens.
    how: How,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", crate = "convert_sdk::serde")]
#[schemars(crate = "convert_sdk::schemars")]
enum How {
    /// A panic.
    Panic,
    /// A panic when the plugin is built.
    PanicAtOnce,
    /// An error.
    Fail,
    /// One list of proposals too few.
    TooFew,
    /// The process is killed, as by the kernel when memory runs out.
    Abort,
}

struct Hostile(Misbehaviour);

impl Proposer for Hostile {
    type Config = Misbehaviour;

    fn new(config: Misbehaviour, _: Context) -> Result<Self> {
        if matches!(config.how, How::PanicAtOnce) {
            panic!("this plugin cannot be built");
        }
        Ok(Self(config))
    }

    fn batch_size(&self) -> usize {
        3
    }

    fn propose(&self, images: &[SampleImage]) -> Result<Vec<Vec<Proposal>>> {
        let bad = images.iter().any(|image| image.id.contains(&self.0.on));
        let all = || images.iter().map(|_| Ok(vec![Proposal::new(Mask::full(2, 2)?, 1.0)?])).collect();
        match self.0.how {
            How::Panic if bad => panic!("cannot stand this image"),
            How::Fail if bad => Err(Error::invalid("cannot read this image")),
            How::TooFew if bad => Ok(Vec::new()),
            How::Abort if bad => std::process::abort(),
            _ => all(),
        }
    }
}

/// Proposes nothing, after the resize that every proposer needs: what is left is the engine's own time.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, crate = "convert_sdk::serde")]
#[schemars(crate = "convert_sdk::schemars")]
struct Nothing {
    /// The side of the square to resize to, in pixels.
    input_size: u32,
}

impl Proposer for Nothing {
    type Config = Self;
    fn new(config: Self, _: Context) -> Result<Self> {
        Ok(config)
    }
    fn propose(&self, images: &[SampleImage]) -> Result<Vec<Vec<Proposal>>> {
        images.iter().map(|image| image.image.resize_lanczos(self.input_size, self.input_size).map(|_| Vec::new())).collect()
    }
}

export_plugins! {
    proposer "hostile" => Hostile,
    proposer "nothing" => Nothing,
}
