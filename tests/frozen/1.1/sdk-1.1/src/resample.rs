//! Pillow's resampling of 8-bit data, to the bit (`Resample.c` of Pillow 13): a pass across and one down, in fixed point, rounded and clipped to 8 bits after
//! each. Crates that resemble it differ by up to two levels.

use std::borrow::Cow;
use std::f64::consts::PI;

/// Fraction bits of the fixed-point weights.
const PRECISION: u32 = 32 - 8 - 2;
/// Rows that the pass across works on together.
const LANES: usize = 16;

/// A filter by its Pillow name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// `LANCZOS`, three lobes.
    Lanczos,
    /// `BICUBIC`, a = −½.
    Bicubic,
}

impl Filter {
    fn support(self) -> f64 {
        match self {
            Self::Lanczos => 3.0,
            Self::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        match self {
            Self::Lanczos => {
                let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) };
                if (-3.0..3.0).contains(&x) {
                    sinc(x) * sinc(x / 3.0)
                } else {
                    0.0
                }
            }
            Self::Bicubic => {
                const A: f64 = -0.5;
                let x = x.abs();
                if x < 1.0 {
                    ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
                } else if x < 2.0 {
                    (((x - 5.0) * x + 8.0) * x - 4.0) * A
                } else {
                    0.0
                }
            }
        }
    }
}

/// Where an output position takes its value from: the first input position and the weights from there on.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

fn taps(from: usize, to: usize, filter: Filter) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    let one = |at: usize| {
        let centre = (at as f64 + 0.5) * scale;
        let first = ((centre - support + 0.5) as i64).max(0) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let raw: Vec<f64> = (first..end).map(|x| filter.weight((x as f64 - centre + 0.5) * (1.0 / stretch))).collect();
        let sum: f64 = raw.iter().sum();
        let fixed = raw.iter().map(|weight| {
            let normalised = if sum == 0.0 { *weight } else { weight / sum };
            let scaled = normalised * f64::from(1 << PRECISION);
            (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
        });
        Taps { first, weights: fixed.collect() }
    };
    (0..to).map(one).collect()
}

fn rounded(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// What every sum begins with, so that the shift rounds.
const HALF: i32 = 1 << (PRECISION - 1);

/// A part of a row or column: the first place and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub first: usize,
    pub count: usize,
}

/// Which output positions see a part of the input at all, and their taps counted from the part's first place.
fn taps_of(part: Part, from: usize, to: usize, filter: Filter) -> (Part, Vec<Taps>) {
    let end = part.first + part.count;
    let taps = taps(from, to, filter);
    let sees = |taps: &Taps| taps.first < end && taps.first + taps.weights.len() > part.first;
    let first = taps.iter().position(sees).unwrap_or(to);
    let seen = taps.into_iter().skip(first).take_while(sees).map(|taps| {
        let hidden = part.first.saturating_sub(taps.first);
        let weights = taps.weights.into_iter().take(end - taps.first).skip(hidden).collect();
        Taps { first: (taps.first + hidden) - part.first, weights }
    });
    let taps: Vec<Taps> = seen.collect();
    (Part { first, count: taps.len() }, taps)
}

/// Pillow goes down first where the height loses more than twice what the width does (since version 13): the order shows in what is rounded and clipped between.
fn down_first((width, height): (usize, usize), (to_width, to_height): (usize, usize)) -> bool {
    let lost = |from: usize, to: usize| from as i64 - to as i64;
    lost(height, to_height) > 0 && lost(height, to_height) > 2 * lost(width, to_width)
}

/// [`resize`] of a picture of one channel that is 0 outside of a window, of which `pixels` holds the inside: what it becomes, and where it lies. Outside of that it is 0.
pub(crate) fn resize_window(
    pixels: &[u8],
    [columns, rows]: [Part; 2],
    from: (usize, usize),
    to: (usize, usize),
    filter: Filter,
) -> (Vec<u8>, [Part; 2]) {
    let pass_across = |pixels: &[u8]| match from.0 == to.0 {
        true => (pixels.to_vec(), columns),
        false => {
            let (part, taps) = taps_of(columns, from.0, to.0, filter);
            (across::<1>(pixels, columns.count, &taps), part)
        }
    };
    let pass_down = |pixels: &[u8], columns: Part| match from.1 == to.1 {
        true => (pixels.to_vec(), rows),
        false => {
            let (part, taps) = taps_of(rows, from.1, to.1, filter);
            (down(pixels, columns.count, &taps), part)
        }
    };
    if down_first(from, to) {
        let (pixels, rows) = pass_down(pixels, columns);
        let (pixels, columns) = pass_across(&pixels);
        (pixels, [columns, rows])
    } else {
        let (pixels, columns) = pass_across(pixels);
        let (pixels, rows) = pass_down(&pixels, columns);
        (pixels, [columns, rows])
    }
}

/// `width` x `height` pixels of `C` bytes in row order, at another size. No side is zero.
pub fn resize<'a, const C: usize>(
    pixels: &'a [u8],
    (width, height): (usize, usize),
    (to_width, to_height): (usize, usize),
    filter: Filter,
) -> Vec<u8> {
    let pass_across = |pixels: Cow<'a, [u8]>| {
        if to_width == width {
            pixels
        } else {
            Cow::Owned(across::<C>(&pixels, width, &taps(width, to_width, filter)))
        }
    };
    let pass_down = |pixels: Cow<'a, [u8]>, width: usize| {
        if to_height == height {
            pixels
        } else {
            Cow::Owned(down(&pixels, width * C, &taps(height, to_height, filter)))
        }
    };
    let resized = if down_first((width, height), (to_width, to_height)) {
        pass_across(pass_down(pixels.into(), width))
    } else {
        pass_down(pass_across(pixels.into()), to_width)
    };
    resized.into_owned()
}

/// Sums of values side by side, with their weights in two parts of 16 bits: there is an instruction for such products on every machine, and the parts put
/// together are the sums of the whole weights.
struct Sums {
    high: [i32; LANES],
    low: [i32; LANES],
}

impl Sums {
    const START: Self = Self { high: [0; LANES], low: [HALF; LANES] };
    const LOW_BITS: u32 = 15;

    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "zipped iterators over three arrays keep the compiler from using vectors, at half the speed")]
    fn add(&mut self, weight: i32, values: &[u8; LANES]) {
        let (high, low) = ((weight >> Self::LOW_BITS) as i16, (weight & ((1 << Self::LOW_BITS) - 1)) as i16);
        for lane in 0..LANES {
            // Pillow's sums stay within 32 bits as well; wrapping lets the loop be one of vectors.
            let value = i32::from(values[lane]);
            self.high[lane] = self.high[lane].wrapping_add(i32::from(high) * value);
            self.low[lane] = self.low[lane].wrapping_add(i32::from(low) * value);
        }
    }

    #[inline(always)]
    fn rounded(&self) -> [u8; LANES] {
        std::array::from_fn(|lane| rounded((self.high[lane] << Self::LOW_BITS).wrapping_add(self.low[lane])))
    }
}

/// Rows are taken in groups, turned so that neighbours in memory share their weights.
fn across<const C: usize>(pixels: &[u8], width: usize, taps: &[Taps]) -> Vec<u8> {
    let to = taps.len();
    let rows = pixels.len() / (width * C);
    let mut result = vec![0; rows * to * C];
    let mut turned = vec![[[0u8; LANES]; C]; width];
    for (group, target) in pixels.chunks(width * C * LANES).zip(result.chunks_mut(to * C * LANES)) {
        for (lane, row) in group.chunks_exact(width * C).enumerate() {
            for (place, pixel) in turned.iter_mut().zip(row.as_chunks::<C>().0) {
                (0..C).for_each(|channel| place[channel][lane] = pixel[channel]);
            }
        }
        for (at, taps) in taps.iter().enumerate() {
            let mut sums = [Sums::START; C];
            for (weight, place) in taps.weights.iter().zip(&turned[taps.first..]) {
                sums.iter_mut().zip(place).for_each(|(sums, values)| sums.add(*weight, values));
            }
            let values = sums.map(|sums| sums.rounded());
            for (lane, row) in target.chunks_exact_mut(to * C).enumerate() {
                (0..C).for_each(|channel| row[at * C + channel] = values[channel][lane]);
            }
        }
    }
    result
}

fn down(pixels: &[u8], stride: usize, taps: &[Taps]) -> Vec<u8> {
    let mut result = Vec::with_capacity(taps.len() * stride);
    let mut sums = vec![0i32; stride];
    for taps in taps {
        sums.fill(HALF);
        for (weight, row) in taps.weights.iter().zip(pixels[taps.first * stride..].chunks_exact(stride)) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(*value))));
        }
        result.extend(sums.iter().map(|sum| rounded(*sum)));
    }
    result
}
