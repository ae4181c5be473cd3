//! Pillow's colour operations on RGB pixels.

/// One of RandAugment's colour operations.
#[derive(Clone, Copy, Debug)]
pub enum Colour {
    /// 1 changes nothing, 0 is black.
    Brightness(f64),
    /// 1 changes nothing, 0 is grey.
    Saturation(f64),
    /// 1 changes nothing, 0 is the mean grey.
    Contrast(f64),
    /// 1 changes nothing, 0 is smoothed.
    Sharpness(f64),
    /// Bits kept.
    Posterize(u32),
    /// From this level on values are inverted.
    Solarize(f64),
    /// Each channel stretched to 0 to 255.
    AutoContrast,
    /// Each channel's histogram made flat.
    Equalize,
}

impl Colour {
    /// The changed pixels of a grid with rows of `size`.
    pub fn apply(self, pixels: Vec<u8>, size: u32) -> Vec<u8> {
        match self {
            Self::Brightness(factor) => blended(&vec![0; pixels.len()], &pixels, factor),
            Self::Saturation(factor) => {
                let grey: Vec<u8> = pixels.as_chunks::<3>().0.iter().flat_map(|pixel| [luma(*pixel); 3]).collect();
                blended(&grey, &pixels, factor)
            }
            Self::Contrast(factor) => {
                let greys = pixels.as_chunks::<3>().0;
                let sum: u64 = greys.iter().map(|pixel| u64::from(luma(*pixel))).sum();
                let mean = (sum as f64 / greys.len().max(1) as f64 + 0.5) as u8;
                blended(&vec![mean; pixels.len()], &pixels, factor)
            }
            Self::Sharpness(factor) => blended(&smoothed(&pixels, size as usize), &pixels, factor),
            Self::Posterize(bits) => mapped(pixels, |value| value & !(0xffu8.checked_shr(bits).unwrap_or(0))),
            Self::Solarize(level) => mapped(pixels, |value| if f64::from(value) < level { value } else { 255 - value }),
            Self::AutoContrast => by_channel(pixels, stretched),
            Self::Equalize => by_channel(pixels, equalized),
        }
    }
}

/// Pillow's conversion to grey.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    ((u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471 + 0x8000) >> 16) as u8
}

/// Between two images, or beyond the second, cut off at 0 and 255 and to whole levels as Pillow's `blend` does.
fn blended(from: &[u8], to: &[u8], factor: f64) -> Vec<u8> {
    let value = |(from, to): (&u8, &u8)| (f64::from(*from) + factor * (f64::from(*to) - f64::from(*from))).clamp(0.0, 255.0) as u8;
    from.iter().zip(to).map(value).collect()
}

/// Pillow's `SMOOTH`: the neighbours count 1, the pixel 5; the border stays.
fn smoothed(pixels: &[u8], size: usize) -> Vec<u8> {
    let mut smooth = pixels.to_vec();
    for y in 1..size.saturating_sub(1) {
        for x in 1..size - 1 {
            for channel in 0..3 {
                let at = |x: usize, y: usize| u32::from(pixels[(y * size + x) * 3 + channel]);
                let around: u32 = (y - 1..=y + 1).flat_map(|y| (x - 1..=x + 1).map(move |x| (x, y))).map(|(x, y)| at(x, y)).sum();
                smooth[(y * size + x) * 3 + channel] = (f64::from(around + 4 * at(x, y)) / 13.0 + 0.5) as u8;
            }
        }
    }
    smooth
}

fn mapped(mut pixels: Vec<u8>, map: impl Fn(u8) -> u8) -> Vec<u8> {
    pixels.iter_mut().for_each(|value| *value = map(*value));
    pixels
}

/// Each channel through a table made from its own histogram; `None` leaves it.
fn by_channel(mut pixels: Vec<u8>, table: impl Fn(&[u32; 256]) -> Option<[u8; 256]>) -> Vec<u8> {
    for channel in 0..3 {
        let mut histogram = [0u32; 256];
        pixels.iter().skip(channel).step_by(3).for_each(|value| histogram[usize::from(*value)] += 1);
        if let Some(table) = table(&histogram) {
            pixels.iter_mut().skip(channel).step_by(3).for_each(|value| *value = table[usize::from(*value)]);
        }
    }
    pixels
}

fn stretched(histogram: &[u32; 256]) -> Option<[u8; 256]> {
    let lowest = histogram.iter().position(|count| *count > 0)?;
    let highest = histogram.iter().rposition(|count| *count > 0)?;
    if highest <= lowest {
        return None;
    }
    let scale = 255.0 / (highest - lowest) as f64;
    Some(std::array::from_fn(|value| (value as f64 * scale - lowest as f64 * scale).clamp(0.0, 255.0) as u8))
}

fn equalized(histogram: &[u32; 256]) -> Option<[u8; 256]> {
    let last = *histogram.iter().rfind(|count| **count > 0)?;
    let step = (histogram.iter().sum::<u32>() - last) / 255;
    if histogram.iter().filter(|count| **count > 0).count() <= 1 || step == 0 {
        return None;
    }
    let mut sum = step / 2;
    Some(std::array::from_fn(|value| {
        let level = (sum / step).min(255) as u8;
        sum += histogram[value];
        level
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Pillow 11 makes of nine pixels (ImageEnhance and ImageOps; `tests/data/make_colours.py`).
    #[test]
    fn every_operation_gives_pillows_levels() {
        let stored = include_str!("../../tests/data/colours.txt");
        let mut lines = stored.lines().map(|line| line.split(' ').map(|number| number.parse::<u8>().unwrap()).collect::<Vec<_>>());
        let pixels = lines.next().unwrap();
        let operations = [
            Colour::Brightness(1.27),
            Colour::Brightness(0.73),
            Colour::Saturation(1.27),
            Colour::Saturation(0.73),
            Colour::Contrast(1.27),
            Colour::Contrast(0.73),
            Colour::Sharpness(1.27),
            Colour::Sharpness(0.73),
            Colour::Posterize(7),
            Colour::Solarize(178.5),
            Colour::AutoContrast,
            Colour::Equalize,
        ];
        for operation in operations {
            let (got, expected) = (operation.apply(pixels.clone(), 24), lines.next().unwrap());
            let most = got.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(most <= 1, "{operation:?} is {most} levels away");
        }
        assert!(lines.next().is_none());
    }
}
