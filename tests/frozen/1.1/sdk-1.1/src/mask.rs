//! Binary masks as run lengths.

mod geometry;
mod rle;
mod runs;

pub use geometry::BoundingBox;

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;

use crate::{Error, Image, Result};
use runs::Intervals;

/// A binary mask of an image: column-major run lengths, background first, as COCO counts them.
///
/// Valid by construction: neither side is zero, the runs sum to `width * height`, and no run but the first is empty, so that equal masks are equal values.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Mask {
    width: u32,
    height: u32,
    runs: Vec<u32>,
}

/// A mask in files: COCO's compressed counts.
#[derive(Serialize, Deserialize)]
struct Compressed {
    width: u32,
    height: u32,
    counts: String,
}

/// A mask in messages, where time counts: its runs, as little-endian bytes.
#[derive(Serialize, Deserialize)]
struct Packed {
    width: u32,
    height: u32,
    runs: ByteBuf,
}

impl Serialize for Mask {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { width, height, .. } = *self;
        if serializer.is_human_readable() {
            Compressed { width, height, counts: self.counts() }.serialize(serializer)
        } else {
            Packed { width, height, runs: self.runs.iter().flat_map(|run| run.to_le_bytes()).collect::<Vec<u8>>().into() }.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Mask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mask = if deserializer.is_human_readable() {
            Compressed::deserialize(deserializer).map(|mask| Self::from_counts(mask.width, mask.height, &mask.counts))
        } else {
            Packed::deserialize(deserializer).map(|mask| {
                // Bytes too many are runs that do not add up.
                let runs: Vec<u32> = mask.runs.chunks(4).map(|run| run.try_into().map_or(u32::MAX, u32::from_le_bytes)).collect();
                Self::from_runs(mask.width, mask.height, &runs)
            })
        };
        mask?.map_err(|error| D::Error::custom(error.message))
    }
}

impl Mask {
    /// A mask from COCO's run lengths (column-major, background first). Costs memory by the runs, not by the pixels.
    ///
    /// # Errors
    /// A zero side, more pixels than an image may have ([`Image::MAX_PIXELS`]), or runs that do not sum to `width * height`.
    pub fn from_runs(width: u32, height: u32, runs: &[u32]) -> Result<Self> {
        let area = Self::checked_area(width, height)?;
        let sum: u64 = runs.iter().map(|run| u64::from(*run)).sum();
        if sum != area {
            return Err(Error::invalid(format!("the runs of a {width}x{height} mask sum to {sum} instead of {area}")));
        }
        let mut intervals = Intervals::default();
        runs::foreground(runs).for_each(|(start, end)| intervals.push(start, end));
        Ok(Self::from_intervals(width, height, &intervals))
    }

    /// A mask from COCO's compressed counts string.
    ///
    /// # Errors
    /// As [`Mask::from_runs`], and a string that is no such code.
    pub fn from_counts(width: u32, height: u32, counts: &str) -> Result<Self> {
        Self::checked_area(width, height)?;
        Self::from_runs(width, height, &rle::decode(counts)?)
    }

    /// A mask from one byte a pixel in row order; non-zero is foreground.
    ///
    /// # Errors
    /// A zero side, or a length other than `width * height`.
    pub fn from_pixels(width: u32, height: u32, pixels: &[u8]) -> Result<Self> {
        let area = Self::checked_area(width, height)?;
        if pixels.len() as u64 != area {
            return Err(Error::invalid(format!("a {width}x{height} mask needs {area} bytes, got {}", pixels.len())));
        }
        let mut intervals = Intervals::default();
        for x in 0..width {
            for y in 0..height {
                if pixels[y as usize * width as usize + x as usize] != 0 {
                    let at = x * height + y;
                    intervals.push(at, at + 1);
                }
            }
        }
        Ok(Self::from_intervals(width, height, &intervals))
    }

    /// The mask of each id, of the pixels that have one, by column and row. Costs memory by the runs, however many ids there are.
    ///
    /// # Errors
    /// A zero side, or more pixels than an image may have.
    pub fn of_ids(width: u32, height: u32, id: impl Fn(u32, u32) -> Option<u32>) -> Result<BTreeMap<u32, Self>> {
        Self::checked_area(width, height)?;
        let mut masks = BTreeMap::<u32, Intervals>::new();
        for x in 0..width {
            let mut y = 0;
            while y < height {
                let (start, found) = (y, id(x, y));
                y += 1;
                while y < height && id(x, y) == found {
                    y += 1;
                }
                if let Some(found) = found {
                    masks.entry(found).or_default().push(x * height + start, x * height + y);
                }
            }
        }
        Ok(masks.into_iter().map(|(id, intervals)| (id, Self::from_intervals(width, height, &intervals))).collect())
    }

    /// A mask without foreground.
    ///
    /// # Errors
    /// A zero side.
    pub fn empty(width: u32, height: u32) -> Result<Self> {
        Self::checked_area(width, height)?;
        Ok(Self::from_intervals(width, height, &Intervals::default()))
    }

    /// A mask that covers everything.
    ///
    /// # Errors
    /// A zero side.
    pub fn full(width: u32, height: u32) -> Result<Self> {
        let area = Self::checked_area(width, height)?;
        Self::from_runs(width, height, &[0, area as u32])
    }

    fn checked_area(width: u32, height: u32) -> Result<u64> {
        let area = u64::from(width) * u64::from(height);
        if area == 0 {
            return Err(Error::invalid(format!("a mask of {width}x{height} pixels is empty")));
        }
        if area > Image::MAX_PIXELS {
            return Err(Error::invalid(format!("a mask of {width}x{height} pixels is larger than any image may be, {} pixels", Image::MAX_PIXELS)));
        }
        Ok(area)
    }

    fn from_intervals(width: u32, height: u32, intervals: &Intervals) -> Self {
        Self { width, height, runs: intervals.to_runs(width * height) }
    }

    /// The foreground as half-open intervals of column-major positions, in order.
    fn intervals(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        runs::foreground(&self.runs)
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// COCO's uncompressed counts: column-major, background first.
    pub fn runs(&self) -> &[u32] {
        &self.runs
    }

    /// COCO's compressed counts string.
    pub fn counts(&self) -> String {
        rle::encode(&self.runs)
    }

    /// One byte a pixel in row order: 1 foreground, 0 background.
    pub fn to_pixels(&self) -> Vec<u8> {
        let (width, height) = (self.width as usize, self.height as usize);
        let mut pixels = vec![0; width * height];
        for (start, end) in self.intervals() {
            let (mut at, end) = (start as usize, end as usize);
            while at < end {
                let (column, row) = (at / height, at % height);
                let rows = (height - row).min(end - at);
                pixels[row * width + column..].iter_mut().step_by(width).take(rows).for_each(|pixel| *pixel = 1);
                at += rows;
            }
        }
        pixels
    }

    /// Foreground pixels.
    pub fn area(&self) -> u32 {
        self.runs.iter().skip(1).step_by(2).sum()
    }

    /// Whether there is no foreground.
    pub fn is_empty(&self) -> bool {
        self.runs.len() == 1
    }

    fn check_size_of(&self, other: &Mask) -> Result<()> {
        if (self.width, self.height) == (other.width, other.height) {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "masks of {}x{} and {}x{} cannot be combined: resize one of them first",
            self.width, self.height, other.width, other.height
        )))
    }

    fn combine(&self, other: &Mask, keep: impl Fn(bool, bool) -> bool) -> Result<Mask> {
        self.check_size_of(other)?;
        Ok(Self::from_intervals(self.width, self.height, &runs::combine(&self.runs, &other.runs, keep)))
    }

    /// What either mask covers. An error when their sizes differ, as in all the two-mask operations.
    pub fn union(&self, other: &Mask) -> Result<Mask> {
        self.combine(other, |a, b| a || b)
    }

    /// What both masks cover.
    pub fn intersection(&self, other: &Mask) -> Result<Mask> {
        self.combine(other, |a, b| a && b)
    }

    /// What this mask covers and the other does not.
    pub fn difference(&self, other: &Mask) -> Result<Mask> {
        self.combine(other, |a, b| a && !b)
    }

    /// Intersection over union, in [0, 1]; 0 for two empty masks.
    pub fn iou(&self, other: &Mask) -> Result<f64> {
        self.check_size_of(other)?;
        let intersection = runs::common(&self.runs, &other.runs);
        let union = self.area() - intersection + other.area();
        Ok(if union == 0 { 0.0 } else { f64::from(intersection) / f64::from(union) })
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({}x{}, area {})", self.width, self.height, self.area())
    }
}
