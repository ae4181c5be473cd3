//! Regions that are grouped: their sizes, places and histograms, and how alike two of them are (Uijlings et al., IJCV 2013, section 3.2).

use crate::config::Strategy;
use crate::graph::Segments;
use crate::picture::{COLOUR_BINS, DERIVATIVE_BINS, DIRECTIONS, Picture};

const COLOURS: usize = 3 * COLOUR_BINS;
const TEXTURES: usize = 3 * DIRECTIONS * DERIVATIVE_BINS;

/// A set of pixels that hangs together.
#[derive(Clone, Debug)]
pub struct Region {
    /// Pixels.
    pub size: u32,
    /// The smallest box around it.
    pub bounds: Bounds,
    /// Shares of the colours, channel by channel; they sum to 1.
    colours: [f32; COLOURS],
    /// Shares of the derivatives, channel by channel and direction by direction; they sum to 1.
    textures: [f32; TEXTURES],
}

/// A box of pixels: its first column and row, and those behind its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Behind the last column.
    pub right: u32,
    /// Behind the last row.
    pub bottom: u32,
}

impl Bounds {
    const NOTHING: Self = Self { left: u32::MAX, top: u32::MAX, right: 0, bottom: 0 };

    /// The smallest box around both.
    pub fn around(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// Whether both have a pixel.
    pub fn meets(self, other: Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    /// Pixels in it.
    pub fn area(self) -> u32 {
        (self.right - self.left) * (self.bottom - self.top)
    }
}

impl Region {
    /// The regions of segments.
    pub fn of_segments(picture: &Picture, segments: &Segments) -> Vec<Self> {
        let nothing = Self { size: 0, bounds: Bounds::NOTHING, colours: [0.0; COLOURS], textures: [0.0; TEXTURES] };
        let mut regions = vec![nothing; segments.count];
        for (at, label) in segments.labels.iter().enumerate() {
            let region = &mut regions[*label as usize];
            let (x, y) = ((at % picture.width) as u32, (at / picture.width) as u32);
            region.size += 1;
            region.bounds = region.bounds.around(Bounds { left: x, top: y, right: x + 1, bottom: y + 1 });
            for (channel, bin) in picture.colours[at].into_iter().enumerate() {
                region.colours[channel * COLOUR_BINS + usize::from(bin)] += 1.0;
            }
            for (place, bin) in picture.derivatives[at].as_flattened().iter().enumerate() {
                region.textures[place * DERIVATIVE_BINS + usize::from(*bin)] += 1.0;
            }
        }
        for region in &mut regions {
            let size = region.size as f32;
            region.colours.iter_mut().for_each(|count| *count /= 3.0 * size);
            region.textures.iter_mut().for_each(|count| *count /= (3 * DIRECTIONS) as f32 * size);
        }
        regions
    }

    /// Two regions as one.
    pub fn merged(&self, other: &Self) -> Self {
        let share = self.size as f32 / (self.size + other.size) as f32;
        let mix = |a: f32, b: f32| share * a + (1.0 - share) * b;
        Self {
            size: self.size + other.size,
            bounds: self.bounds.around(other.bounds),
            colours: std::array::from_fn(|at| mix(self.colours[at], other.colours[at])),
            textures: std::array::from_fn(|at| mix(self.textures[at], other.textures[at])),
        }
    }

    /// How alike two regions of an image of `pixels` pixels are by what a strategy counts: a mean, in [0, 1] but for boxes of regions that overlap.
    pub fn similarity(&self, other: &Self, strategy: Strategy, pixels: u32) -> f32 {
        let size = || 1.0 - (self.size + other.size) as f32 / pixels as f32;
        let fill = || 1.0 - (self.bounds.around(other.bounds).area() as f32 - (self.size + other.size) as f32) / pixels as f32;
        let texture = || common(&self.textures, &other.textures);
        match strategy {
            Strategy::ColourTextureSizeFill => (common(&self.colours, &other.colours) + texture() + size() + fill()) / 4.0,
            Strategy::TextureSizeFill => (texture() + size() + fill()) / 3.0,
            Strategy::Size => size(),
            Strategy::Fill => fill(),
        }
    }
}

/// The intersection of two histograms.
fn common<const N: usize>(a: &[f32; N], b: &[f32; N]) -> f32 {
    // Eight sums, so that they are added side by side.
    let mut sums = [0.0; 8];
    let (a, b) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.0.iter().zip(b.0) {
        for lane in 0..8 {
            sums[lane] += a[lane].min(b[lane]);
        }
    }
    let rest: f32 = a.1.iter().zip(b.1).map(|(a, b)| a.min(*b)).sum();
    sums.iter().sum::<f32>() + rest
}
