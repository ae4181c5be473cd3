//! Random streams that depend on the seed and on what they are for, never on what was drawn before: a resumed training draws the same.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// What a stream is for.
#[derive(Clone, Copy)]
pub enum Purpose {
    /// The first weights.
    Weights,
    /// The order of an epoch (the index) and the inputs dropped in it.
    Epoch,
    /// A view of an image and the patches dropped from its regions (the number of the view and the image in the index).
    View,
}

/// The stream of a purpose and an index below 2^56.
pub fn stream(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    stream.set_stream(((purpose as u64) << 56) | index);
    stream
}
