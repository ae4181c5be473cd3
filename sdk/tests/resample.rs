//! Resizing is Pillow's, to the bit.

use convert_sdk::resample::{resize, Filter};

/// A hash of what Pillow 13 gives for `Image.frombytes(mode, (w, h), bytes((i * i + 7 * i) % 251 …)).resize(…)`: `zlib.crc32` of the bytes, by
/// `sdk/tests/data/make_resample.py`.
#[test]
fn sizes_up_and_down_are_pillows_to_the_bit() {
    let cases = include!("data/resample.in");
    for (name, channels, (width, height), (to_width, to_height), first, crc) in cases {
        let pixels: Vec<u8> = (0..width * height * channels).map(|i| ((i * i + 7 * i) % 251) as u8).collect();
        let filter = if name == "LANCZOS" { Filter::Lanczos } else { Filter::Bicubic };
        let resized = match channels {
            1 => resize::<1>(&pixels, (width, height), (to_width, to_height), filter),
            _ => resize::<3>(&pixels, (width, height), (to_width, to_height), filter),
        };
        let case = format!("{name} {width}x{height} -> {to_width}x{to_height}");
        assert_eq!(&resized[..first.len()], first, "{case}");
        assert_eq!(crc32(&resized), crc, "{case}");
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())))
}
