//! Label Studio's code of a brush's mask: the bytes of a picture in RGBA, row by row, as packed runs (`rle-pack` of thi.ng/umbrella).
//!
//! 32 bits say how many bytes there are, 5 the size of a value less one, four times 4 the sizes of lengths less one. Then come runs: a bit, 1 for equal values; two bits, which size the length has; the
//! length less one; and the value, or as many values as the length says.

use convert_sdk::{Error, Mask, Result};

/// Bits of a length: those that Label Studio uses itself.
const SIZES: [u32; 4] = [3, 4, 8, 16];
/// A pixel's bytes.
const CHANNELS: u32 = 4;

/// The code of a mask: 255 in all channels where it is, 0 elsewhere.
pub(super) fn encode(mask: &Mask) -> Vec<u8> {
    let pixels = mask.to_pixels();
    let mut bits = Bits::default();
    bits.write(pixels.len() as u32 * CHANNELS, 32);
    bits.write(8 - 1, 5);
    SIZES.iter().for_each(|size| bits.write(size - 1, 4));
    for run in pixels.chunk_by(|a, b| a == b) {
        let mut left = run.len() as u64 * u64::from(CHANNELS);
        while left > 0 {
            let length = left.min(1 << 16) as u32;
            left -= u64::from(length);
            let size = SIZES.iter().position(|size| length <= 1 << size).unwrap_or(SIZES.len() - 1);
            bits.write(1, 1);
            bits.write(size as u32, 2);
            bits.write(length - 1, SIZES[size]);
            bits.write(if run[0] == 0 { 0 } else { 255 }, 8);
        }
    }
    if bits.used == 0 {
        // Label Studio always fills up to the next byte.
        bits.bytes.push(0);
    }
    bits.bytes
}

/// The mask of an image of this size from its code: the pixels that are not transparent.
///
/// # Errors
/// A code that is broken, or of another number of pixels.
pub(super) fn decode(width: u32, height: u32, rle: &[u8]) -> Result<Mask> {
    let broken = |what: String| Error::invalid(format!("a brush's mask is broken: {what}"));
    let expected = u64::from(width) * u64::from(height) * u64::from(CHANNELS);
    let mut bits = Reader { bytes: rle, at: 0 };
    let mut read = |count: u32| bits.read(count).ok_or_else(|| broken("it ends too early".to_owned()));
    let total = u64::from(read(32)?);
    if total != expected {
        return Err(broken(format!("it has {total} bytes, an image of {width}x{height} pixels {expected}")));
    }
    let word = read(5)? + 1;
    let mut sizes = [0; 4];
    for size in &mut sizes {
        *size = read(4)? + 1;
    }
    let mut pixels = vec![0; width as usize * height as usize];
    let mut at = 0;
    while at < total {
        let same = read(1)? == 1;
        let size = sizes[read(2)? as usize];
        let end = at + u64::from(read(size)?) + 1;
        if end > total {
            return Err(broken("a run goes beyond the picture".to_owned()));
        }
        let mut value = 0;
        for byte in at..end {
            if !same || byte == at {
                value = read(word)?;
            }
            // The last channel is the opacity.
            if byte % u64::from(CHANNELS) == u64::from(CHANNELS) - 1 {
                pixels[(byte / u64::from(CHANNELS)) as usize] = u8::from(value != 0);
            }
        }
        at = end;
    }
    Mask::from_pixels(width, height, &pixels)
}

/// Bits, the highest of a byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn write(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << (7 - self.used % 8);
            }
            self.used = (self.used + 1) % 8;
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn read(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let bit = self.bytes.get(self.at / 8)? >> (7 - self.at % 8) & 1;
            value = value << 1 | u32::from(bit);
            self.at += 1;
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(width: u32, height: u32, inside: impl Fn(u32, u32) -> bool) -> Mask {
        let pixels: Vec<u8> = (0..width * height).map(|at| u8::from(inside(at % width, at / width))).collect();
        Mask::from_pixels(width, height, &pixels).unwrap()
    }

    #[test]
    fn codes_are_those_of_label_studio() {
        // label-studio-sdk 2.1.2, label_studio_sdk.converter.brush: mask2rle of a 5x4 image's block of 3x2 pixels at column 1, row 1.
        let block = mask(5, 4, |x, y| (1..4).contains(&x) && (1..3).contains(&y));
        let code = include!("../../tests/data/brush.txt");
        assert_eq!(encode(&block), code);
        assert_eq!(decode(5, 4, &code).unwrap(), block);
    }

    #[test]
    fn every_mask_comes_back() {
        for (width, height, step) in [(1, 1, 1), (7, 3, 2), (300, 200, 5), (700, 301, 70_000), (16, 1, 16)] {
            let mask = mask(width, height, |x, y| (y * width + x) / step % 2 == 1);
            assert_eq!(decode(width, height, &encode(&mask)).unwrap(), mask, "{width}x{height}");
        }
    }

    #[test]
    fn broken_codes_are_refused() {
        let code = encode(&mask(7, 3, |x, _| x > 2));
        for cut in 0..code.len() - 1 {
            assert!(decode(7, 3, &code[..cut]).is_err(), "{cut}");
        }
        let error = decode(8, 3, &code).unwrap_err().to_string();
        assert_eq!(error, "a brush's mask is broken: it has 84 bytes, an image of 8x3 pixels 96");
        // One run of 2^16 bytes.
        let mut bits = Bits::default();
        [(84, 32), (7, 5), (2, 4), (3, 4), (7, 4), (15, 4), (1, 1), (3, 2), (65_535, 16), (255, 8)].iter().for_each(|(v, n)| bits.write(*v, *n));
        assert!(decode(7, 3, &bits.bytes).unwrap_err().to_string().contains("beyond the picture"));
    }
}
