//! Textures as functions of a place. They run millions of times a scene: hence `#[inline]`, which crosses modules in incremental builds too.

/// A number that looks random, from two whole numbers and a seed.
#[inline]
pub fn hash(x: i32, y: i32, seed: u32) -> u32 {
    let mut value = (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d);
    value = (value ^ (value >> 15)).wrapping_mul(0x2c1b_3c6d);
    value = (value ^ (value >> 12)).wrapping_mul(0x297a_2d39);
    value ^ (value >> 15)
}

/// The same at half the cost and of less quality: good enough between which to interpolate.
#[inline]
fn lattice(x: i32, y: i32, seed: u32) -> f32 {
    let value = (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77) ^ seed;
    let value = (value ^ (value >> 15)).wrapping_mul(0x2c1b_3c6d);
    (value >> 8) as f32 / (1 << 23) as f32 - 1.0
}

/// A number in [-1, 1) that looks random, from two whole numbers and a seed.
#[inline]
pub fn grain(x: i32, y: i32, seed: u32) -> f32 {
    (hash(x, y, seed) >> 8) as f32 / (1 << 23) as f32 - 1.0
}

/// Value noise in [-1, 1): random at whole numbers, smooth between them.
#[inline]
pub fn smooth(x: f32, y: f32, seed: u32) -> f32 {
    let (column, row) = (floor(x), floor(y));
    let (across, down) = (ease(x - column as f32), ease(y - row as f32));
    let upper = mix(lattice(column, row, seed), lattice(column.wrapping_add(1), row, seed), across);
    let lower = mix(lattice(column, row.wrapping_add(1), seed), lattice(column.wrapping_add(1), row.wrapping_add(1), seed), across);
    mix(upper, lower, down)
}

/// Octaves of value noise, each twice as fine and half as strong; about [-1, 1].
#[inline]
pub fn layered(x: f32, y: f32, octaves: u32, seed: u32) -> f32 {
    let (mut sum, mut strength, mut scale, mut seed) = (0.0, 0.55, 1.0, seed);
    for _ in 0..octaves {
        seed = seed.wrapping_mul(0x85eb_ca6b).wrapping_add(0x27d4_eb2f);
        sum += strength * smooth(x * scale, y * scale, seed);
        strength *= 0.5;
        scale *= 2.0;
    }
    sum
}

/// Distance to the nearest of points strewn one a cell, and that cell's hash.
#[inline]
pub fn cells(x: f32, y: f32, seed: u32) -> (f32, u32) {
    let (column, row) = (floor(x), floor(y));
    let mut nearest = (f32::MAX, 0);
    for (i, j) in (-1..=1).flat_map(|j| (-1..=1).map(move |i| (i, j))) {
        let id = hash(column + i, row + j, seed);
        let point_x = (column + i) as f32 + (id & 0xffff) as f32 / 65536.0;
        let point_y = (row + j) as f32 + (id >> 16) as f32 / 65536.0;
        let square = (point_x - x) * (point_x - x) + (point_y - y) * (point_y - y);
        if square < nearest.0 {
            nearest = (square, id);
        }
    }
    (nearest.0.sqrt(), nearest.1)
}

/// A wave of period 1 in [0, 1], linear up and down.
#[inline]
pub fn triangle(x: f32) -> f32 {
    let part = x - floor(x) as f32;
    1.0 - (2.0 * part - 1.0).abs()
}

/// The next whole number below; `f32::floor` is a library call on the oldest x86-64 machines, which builds are for.
#[inline]
pub fn floor(x: f32) -> i32 {
    let truncated = x as i32;
    truncated.wrapping_sub(i32::from(x < truncated as f32))
}

/// From 0 at `low` to 1 at `high`, smoothly.
#[inline]
pub fn step(low: f32, high: f32, x: f32) -> f32 {
    ease(((x - low) / (high - low)).clamp(0.0, 1.0))
}

/// Between two numbers.
#[inline]
pub fn mix(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

#[inline]
fn ease(x: f32) -> f32 {
    x * x * (3.0 - 2.0 * x)
}
