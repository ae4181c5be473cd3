//! Decoding: JPEG by libjpeg-turbo's code (pixels as Pillow gives them), the other formats by the `image` crate.

use std::io::Cursor;

use convert_sdk::{Dataset, Error, Image, ImageData, Result, ResultExt};

/// More pixels than this are taken for a decompression bomb (Pillow's limit).
const MAX_PIXELS: u64 = 178_956_970;

/// The decoded image of a sample.
///
/// # Errors
/// A file that cannot be read, is no image, is cut short, or is too large.
pub fn load(dataset: &dyn Dataset, id: &str) -> Result<Image<'static>> {
    match dataset.image(id)? {
        ImageData::Pixels(image) => Ok(image),
        ImageData::Encoded(bytes) => decode(&bytes),
    }
}

/// Decodes a file's bytes to RGB; transparency is dropped, of an animation the first frame is taken.
///
/// # Errors
/// As [`load`].
pub fn decode(bytes: &[u8]) -> Result<Image<'static>> {
    // Decoders of other people's code meet other people's files: some report errors by unwinding.
    std::panic::catch_unwind(|| decode_any(bytes)).unwrap_or_else(|_| Err(Error::invalid("broken image file")))
}

fn decode_any(bytes: &[u8]) -> Result<Image<'static>> {
    if bytes.is_empty() {
        return Err(Error::invalid("the file is empty"));
    }
    if bytes.starts_with(&[0xff, 0xd8]) {
        return decode_jpeg(bytes);
    }
    let reader = image::ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    if reader.format().is_none() {
        return Err(Error::invalid("not an image: neither JPEG, PNG, WebP, BMP nor GIF"));
    }
    let (width, height) = image::ImageReader::new(Cursor::new(bytes)).with_guessed_format()?.into_dimensions().context(|| "broken image".into())?;
    check_size(width, height)?;
    let decoded = reader.decode().context(|| "broken image".into())?.into_rgb8();
    Image::new(decoded.width(), decoded.height(), decoded.into_raw())
}

fn check_size(width: u32, height: u32) -> Result<()> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS {
        return Err(Error::invalid(format!("{width}x{height} pixels are more than the limit of {MAX_PIXELS}: a decompression bomb?")));
    }
    Ok(())
}

fn decode_jpeg(bytes: &[u8]) -> Result<Image<'static>> {
    if cut_short(bytes) {
        return Err(Error::invalid(format!("the JPEG file is cut short after {} bytes", bytes.len())));
    }
    read_jpeg(bytes)
}

fn read_jpeg(bytes: &[u8]) -> Result<Image<'static>> {
    let broken = || "broken JPEG file".to_owned();
    let header = mozjpeg::Decompress::new_mem(bytes).context(broken)?;
    let (width, height) = (header.width() as u32, header.height() as u32);
    check_size(width, height)?;
    if matches!(header.color_space(), mozjpeg::ColorSpace::JCS_CMYK | mozjpeg::ColorSpace::JCS_YCCK) {
        let mut started = header.to_colorspace(mozjpeg::ColorSpace::JCS_CMYK).context(broken)?;
        let inks = started.read_scanlines::<[u8; 4]>().context(broken)?;
        return Image::new(width, height, inks.into_iter().flat_map(rgb_of_adobe_inks).collect::<Vec<u8>>());
    }
    let mut started = header.rgb().context(broken)?;
    let pixels = started.read_scanlines::<[u8; 3]>().context(broken)?;
    Image::new(width, height, pixels.into_flattened())
}

/// Adobe stores inks inverted: 255 is none. As Pillow converts them, without a colour profile.
fn rgb_of_adobe_inks([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let multiplied = |ink: u8| {
        let product = u32::from(ink) * u32::from(k) + 128;
        (((product >> 8) + product) >> 8) as u8
    };
    [multiplied(c), multiplied(m), multiplied(y)]
}

/// Whether the file ends before the image does: its markers are walked from the start. libjpeg would fill the rest with grey. What follows the
/// end marker (phones append films) is nobody's business.
fn cut_short(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        let Some(pair) = bytes.get(at..at + 2) else { return true };
        let (0xff, marker) = (pair[0], pair[1]) else {
            at += 1; // entropy-coded data of a scan
            continue;
        };
        at += match marker {
            0xd9 => return false,
            0xff => 1,                      // fill
            0x00 | 0x01 | 0xd0..=0xd8 => 2, // a stuffed byte, or a marker without a segment
            _ => match bytes.get(at + 2..at + 4) {
                Some(length) => 2 + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2),
                None => return true,
            },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg() -> Vec<u8> {
        let mut started = {
            let mut compress = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
            compress.set_size(16, 8);
            compress.start_compress(Vec::new()).unwrap()
        };
        started.write_scanlines(&[200, 30, 30].repeat(16 * 8)).unwrap();
        started.finish().unwrap()
    }

    #[test]
    fn a_jpeg_decodes_to_its_size_and_colour() {
        let image = decode(&jpeg()).unwrap();
        assert_eq!((image.width(), image.height()), (16, 8));
        assert!(image.pixel(3, 3).iter().zip([200, 30, 30]).all(|(a, b)| a.abs_diff(b) < 6));
    }

    #[test]
    fn what_is_no_whole_image_is_refused_with_a_reason() {
        let whole = jpeg();
        let check = |bytes: &[u8], expected: &str| {
            let error = decode(bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(&[], "empty");
        check(b"hello world", "not an image");
        check(&whole[..whole.len() / 2], "cut short");
        check(&whole[..whole.len() - 2], "cut short");
        let film: Vec<u8> = whole.iter().copied().chain([0xff, 0xda, 0, 0, 1, 2, 3]).collect();
        assert!(decode(&film).is_ok(), "what follows the image does not matter");
        check(b"\x89PNG\r\n\x1a\n....", "broken image");
        let mut bomb = vec![0x42, 0x4d]; // a BMP header of 60000x60000 pixels
        bomb.extend([0u8; 8]);
        bomb.extend([54, 0, 0, 0, 40, 0, 0, 0]);
        bomb.extend(60000i32.to_le_bytes());
        bomb.extend(60000i32.to_le_bytes());
        bomb.extend([1, 0, 24, 0]);
        bomb.extend([0; 24]);
        check(&bomb, "bomb");
    }
}
