//! Random numbers that depend on nothing but a seed, a purpose and an index.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What numbers are drawn for: one purpose's draws never shift another's.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// The order of the main classes in a round of scenes.
    ClassOrder = 1,
    /// The other classes of a scene.
    Companions = 2,
    /// The colours, poses and places of a scene's objects.
    Arrangement = 3,
    /// The surface, the light and the camera of a scene.
    Surroundings = 4,
}

/// A stream of random numbers. Its conversions are its own, so that no other library's next version changes the scenes.
#[derive(Clone, Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of a seed, a purpose and an index.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&index.to_le_bytes());
        key[16] = purpose as u8;
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Any number.
    pub fn number(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number in `0..count`; 0 when `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((u64::from(self.number()) * count as u64) >> 32) as usize
    }

    /// A number between two others, evenly spread.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.number() >> 8) as f32 / (1 << 24) as f32)
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.between(0.0, 1.0) < probability
    }

    /// One of a slice, which is not empty.
    pub fn choice<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A direction as (cosine, sine), evenly spread over the circle.
    pub fn direction(&mut self) -> (f32, f32) {
        loop {
            let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let square = x * x + y * y;
            if (0.01..=1.0).contains(&square) {
                let length = square.sqrt();
                return (x / length, y / length);
            }
        }
    }

    /// Puts a slice in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// (cosine, sine) of the angle whose half has this tangent.
pub fn turn(half_tangent: f32) -> (f32, f32) {
    let square = half_tangent * half_tangent;
    ((1.0 - square) / (1.0 + square), 2.0 * half_tangent / (1.0 + square))
}
