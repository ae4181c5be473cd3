//! Decoding: JPEG by libjpeg-turbo's code (pixels as Pillow gives them), the other formats by the `image` crate.

use std::cell::Cell;
use std::io::Cursor;

use convert_sdk::{Dataset, Error, Image, ImageData, Result, ResultExt};
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, Limits, RgbImage};

/// Most bytes that decoding an image takes, the result among them: eight for each of the most pixels that an image may have.
const MAX_BYTES: u64 = 8 * Image::MAX_PIXELS;
/// Most scans of a JPEG file; a few bytes make one, and each goes over the whole image (libjpeg-turbo's advice to those who decode strangers' files).
const MAX_SCANS: u64 = 500;
/// Most pixels that all scans of a JPEG file go over together: an image of the largest size may have 32 scans, common encoders write about ten.
const MAX_SCANNED: u64 = 32 * Image::MAX_PIXELS;

/// How images are decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decoding {
    /// Whether the orientation that a camera noted (EXIF) is applied. Pillow's `open` does not, nor does the reference.
    pub exif_orientation: bool,
    /// For a smaller picture whose longer side has so many pixels: a JPEG file that has four times as many or more is decoded at a half, a quarter or an eighth of its size, in a fraction of the time.
    pub longest: Option<u32>,
}

/// The decoded image of a sample.
///
/// # Errors
/// A file that cannot be read, is not an image, is truncated, or is too large.
pub fn load(dataset: &dyn Dataset, id: &str, decoding: Decoding) -> Result<Image<'static>> {
    match dataset.image(id)? {
        ImageData::Pixels(image) => Ok(image),
        ImageData::Encoded(bytes) => decode(&bytes, decoding),
    }
}

/// Decodes a file's bytes to RGB as Pillow's `convert("RGB")` does; transparency is dropped, of an animation the first frame is taken and of a TIFF the first page, and of 16 bits a channel the
/// upper eight (Pillow clips 16-bit grey to 255 instead).
///
/// # Errors
/// As [`load`].
pub fn decode(bytes: &[u8], decoding: Decoding) -> Result<Image<'static>> {
    // Decoders of other people's code meet other people's files: some report errors by unwinding.
    let outer = DECODING.replace(true);
    let decoded = std::panic::catch_unwind(|| decode_any(bytes, decoding)).unwrap_or_else(|_| Err(Error::invalid("broken image file")));
    DECODING.set(outer);
    decoded
}

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is decoding: a panic is then what a decoder says of a broken file, which is reported as such.
pub fn is_decoding() -> bool {
    DECODING.get()
}

fn decode_any(bytes: &[u8], decoding: Decoding) -> Result<Image<'static>> {
    if bytes.is_empty() {
        return Err(Error::invalid("the file is empty"));
    }
    if bytes.starts_with(&[0xff, 0xd8]) {
        let image = decode_jpeg(bytes, decoding.longest)?;
        let exif = if decoding.exif_orientation { jpeg_exif(bytes) } else { None };
        return turned(image, exif.and_then(Orientation::from_exif_chunk));
    }
    let mut reader = image::ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    if [b"II+\0", b"MM\0+"].iter().any(|big_tiff| bytes.starts_with(*big_tiff)) {
        reader.set_format(ImageFormat::Tiff);
    }
    let format = reader.format();
    if format.is_none() {
        return Err(Error::invalid("not an image: neither JPEG, PNG, WebP, TIFF, BMP nor GIF"));
    }
    let broken = || "broken image".to_owned();
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(not_decoded)?;
    let (width, height) = decoder.dimensions();
    Image::check_size(width, height)?;
    let result = u64::from(width) * u64::from(height) * 3;
    let bytes = check_bytes(width, height, decoder.total_bytes().saturating_add(result))?;
    // What is left is the decoder's own.
    limits.max_alloc = Some(MAX_BYTES - bytes);
    decoder.set_limits(limits).context(broken)?;
    // Pillow turns a TIFF in any case.
    let orientation = if decoding.exif_orientation || format == Some(ImageFormat::Tiff) { decoder.orientation().ok() } else { None };
    if matches!(decoder.color_type(), ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err(Error::invalid("its pixels are floating-point numbers, whose range nobody knows here: convert it to 8 or 16 bits"));
    }
    let decoded = DynamicImage::from_decoder(decoder).map_err(not_decoded)?;
    turned(Image::new(width, height, rgb_of(decoded))?, orientation)
}

fn not_decoded(error: ImageError) -> Error {
    let what = match &error {
        ImageError::Unsupported(_) => "a kind of image that is not read here: convert it to RGB of 8 bits",
        _ => "broken image",
    };
    Error::from(error).context(what.to_owned())
}

/// The colours, of 16 bits a channel the upper eight; no second copy of the wide pixels is made.
fn rgb_of(image: DynamicImage) -> Vec<u8> {
    let upper = |value: u16| (value >> 8) as u8;
    match image {
        DynamicImage::ImageLuma16(image) => image.as_raw().iter().flat_map(|grey| [upper(*grey); 3]).collect(),
        DynamicImage::ImageLumaA16(image) => image.as_raw().as_chunks().0.iter().flat_map(|[grey, _]| [upper(*grey); 3]).collect(),
        DynamicImage::ImageRgb16(image) => image.as_raw().iter().map(|value| upper(*value)).collect(),
        DynamicImage::ImageRgba16(image) => {
            image.as_raw().as_chunks().0.iter().flat_map(|[r, g, b, _]| [r, g, b].map(|value| upper(*value))).collect()
        }
        narrow => narrow.into_rgb8().into_raw(),
    }
}

/// The bytes that decoding takes, if they are not too many.
fn check_bytes(width: u32, height: u32, bytes: u64) -> Result<u64> {
    if bytes > MAX_BYTES {
        return Err(Error::invalid(format!("{width}x{height} pixels of its kind take {bytes} bytes to decode, more than the limit of {MAX_BYTES}")));
    }
    Ok(bytes)
}

/// The image as its camera was held.
fn turned(image: Image<'static>, orientation: Option<Orientation>) -> Result<Image<'static>> {
    let Some(orientation) = orientation.filter(|orientation| *orientation != Orientation::NoTransforms) else { return Ok(image) };
    let (width, height) = (image.width(), image.height());
    let buffer = RgbImage::from_raw(width, height, image.into_pixels()).ok_or_else(|| Error::invalid("broken image"))?;
    let mut turned = DynamicImage::ImageRgb8(buffer);
    turned.apply_orientation(orientation);
    let turned = turned.into_rgb8();
    Image::new(turned.width(), turned.height(), turned.into_raw())
}

/// The EXIF data of a JPEG file: its first segment APP1 of that kind.
fn jpeg_exif(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 2;
    loop {
        let [0xff, marker, high, low] = *bytes.get(at..at + 4)?.as_array()? else { return None };
        let segment = bytes.get(at + 4..at + 2 + usize::from(u16::from_be_bytes([high, low])))?;
        match (marker, segment.strip_prefix(b"Exif\0\0")) {
            (0xe1, Some(exif)) => return Some(exif),
            (0xda, _) => return None, // the image begins
            _ => at += 4 + segment.len(),
        }
    }
}

/// Whether a camera noted in a JPEG file that it is to be turned: who shows the file as it is shows it so.
pub fn is_turned(file: &[u8]) -> bool {
    let exif = if file.starts_with(&[0xff, 0xd8]) { jpeg_exif(file) } else { None };
    exif.and_then(Orientation::from_exif_chunk).is_some_and(|orientation| orientation != Orientation::NoTransforms)
}

fn decode_jpeg(bytes: &[u8], longest: Option<u32>) -> Result<Image<'static>> {
    let scans = scans(bytes).ok_or_else(|| Error::invalid(format!("the JPEG file is truncated after {} bytes", bytes.len())))?;
    read_jpeg(bytes, scans, longest)
}

fn read_jpeg(bytes: &[u8], scans: u64, longest: Option<u32>) -> Result<Image<'static>> {
    let broken = || "broken JPEG file".to_owned();
    let mut header = mozjpeg::Decompress::new_mem(bytes).context(broken)?;
    let (width, height) = (header.width() as u32, header.height() as u32);
    Image::check_size(width, height)?;
    let pixels = u64::from(width) * u64::from(height);
    if scans > MAX_SCANS || scans * pixels > MAX_SCANNED {
        let most = MAX_SCANS.min(MAX_SCANNED / pixels.max(1));
        return Err(Error::invalid(format!(
            "a JPEG file of {scans} scans, where an image of {width}x{height} may have {most}: a decompression bomb?"
        )));
    }
    let channels = header.components().len() as u64;
    // The result, the inks that it is made of, and, of a file in several scans, each channel's coefficients of two bytes.
    let a_pixel = 3 + if channels > 3 { channels } else { 0 } + if scans > 1 { 2 * channels } else { 0 };
    check_bytes(width, height, a_pixel * pixels)?;
    // Eighths: what is left is still twice as large as wanted, for a resampling that is smooth.
    if let Some(eighths) = longest.and_then(|longest| [1, 2, 4].into_iter().find(|eighths| width.max(height) / 8 * eighths >= 2 * longest)) {
        header.scale(eighths as u8);
    }
    if matches!(header.color_space(), mozjpeg::ColorSpace::JCS_CMYK | mozjpeg::ColorSpace::JCS_YCCK) {
        let mut started = header.to_colorspace(mozjpeg::ColorSpace::JCS_CMYK).context(broken)?;
        let (width, height) = (started.width() as u32, started.height() as u32);
        let inks = started.read_scanlines::<[u8; 4]>().context(broken)?;
        return Image::new(width, height, inks.into_iter().flat_map(rgb_of_adobe_inks).collect::<Vec<u8>>());
    }
    let mut started = header.rgb().context(broken)?;
    let (width, height) = (started.width() as u32, started.height() as u32);
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

/// How many scans the file has: its markers are walked from the start. Nothing where the file ends before the image does, which libjpeg would fill with grey.
/// What follows the end marker (phones append films) is nobody's business.
fn scans(bytes: &[u8]) -> Option<u64> {
    let (mut at, mut scans) = (2, 0);
    loop {
        let pair = bytes.get(at..at + 2)?;
        let (0xff, marker) = (pair[0], pair[1]) else {
            // Entropy-coded data of a scan, most of the file.
            at += bytes[at..].iter().position(|byte| *byte == 0xff).unwrap_or(bytes.len() - at);
            continue;
        };
        scans += u64::from(marker == 0xda);
        at += match marker {
            0xd9 => return Some(scans),
            0xff => 1,                      // fill
            0x00 | 0x01 | 0xd0..=0xd8 => 2, // a stuffed byte, or a marker without a segment
            _ => {
                let length = bytes.get(at + 2..at + 4)?;
                2 + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2)
            }
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
        let image = decode(&jpeg(), Decoding::default()).unwrap();
        assert_eq!((image.width(), image.height()), (16, 8));
        assert!(image.pixel(3, 3).iter().zip([200, 30, 30]).all(|(a, b)| a.abs_diff(b) < 6));
    }

    #[test]
    fn for_a_small_picture_a_jpeg_is_decoded_smaller_and_shows_the_same() {
        let (width, height) = (805u32, 403u32);
        let pixels: Vec<u8> = (0..width * height).flat_map(|at| [(at % width / 4) as u8, (at / width / 2) as u8, (at % 97) as u8]).collect();
        let mut compress = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
        compress.set_size(width as usize, height as usize);
        let mut started = compress.start_compress(Vec::new()).unwrap();
        started.write_scanlines(&pixels).unwrap();
        let file = started.finish().unwrap();
        let decoded = |longest| decode(&file, Decoding { longest, ..Decoding::default() }).unwrap();
        let sizes = [1000, 300, 200, 100, 50, 20].map(|longest| decoded(Some(longest)).width());
        assert_eq!(sizes, [805, 805, 403, 202, 101, 101]);
        let small = |image: Image<'_>| image.resize_lanczos(100, 50).unwrap().into_pixels();
        let (one, other) = (small(decoded(None)), small(decoded(Some(100))));
        let difference = one.iter().zip(&other).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / one.len() as f64;
        assert!(difference < 2.0, "{difference}");
    }

    #[test]
    fn what_is_no_whole_image_is_refused_with_a_reason() {
        let whole = jpeg();
        let check = |bytes: &[u8], expected: &str| {
            let error = decode(bytes, Decoding::default()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(&[], "empty");
        check(b"hello world", "not an image");
        check(&whole[..whole.len() / 2], "truncated");
        check(&whole[..whole.len() - 2], "truncated");
        let film: Vec<u8> = whole.iter().copied().chain([0xff, 0xda, 0, 0, 1, 2, 3]).collect();
        assert!(decode(&film, Decoding::default()).is_ok(), "what follows the image does not matter");
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

    #[test]
    fn many_scans_and_wide_pixels_are_refused_before_they_cost() {
        let whole = jpeg();
        let scan = whole.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
        let one = super::scans(&whole).unwrap();
        let times = MAX_SCANS / one + 1;
        let mut scans = whole[..scan].to_vec();
        (0..times).for_each(|_| scans.extend(&whole[scan..whole.len() - 2]));
        scans.extend([0xff, 0xd9]);
        let error = decode(&scans, Decoding::default()).unwrap_err().to_string();
        assert!(error.contains(&format!("{} scans, where an image of 16x8 may have 500", one * times)), "{error}");
        assert!(check_bytes(10_000, 10_000, 11 * 100_000_000).is_ok());
        let error = check_bytes(13_000, 13_000, 11 * 169_000_000).unwrap_err().to_string();
        assert!(error.contains("13000x13000 pixels of its kind take 1859000000 bytes"), "{error}");
    }

    fn png(form: image::ExtendedColorType, bytes: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        image::ImageEncoder::write_image(image::codecs::png::PngEncoder::new(&mut file), bytes, 2, 1, form).unwrap();
        file
    }

    #[test]
    fn of_sixteen_bits_the_upper_eight_count() {
        let values: Vec<u8> = [0x12ffu16, 0x80ff].iter().flat_map(|value| value.to_ne_bytes()).collect();
        let grey = decode(&png(image::ExtendedColorType::L16, &values), Decoding::default()).unwrap();
        assert_eq!(grey.pixels(), [0x12, 0x12, 0x12, 0x80, 0x80, 0x80]);
    }

    #[test]
    fn a_cameras_orientation_counts_when_asked_for() {
        // A little-endian TIFF with one entry: tag 0x112 (orientation), a short, 6 (turned right).
        let exif: &[u8] = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let plain = jpeg();
        let mut noted = vec![0xff, 0xd8, 0xff, 0xe1];
        noted.extend((exif.len() as u16 + 2).to_be_bytes());
        noted.extend(exif);
        noted.extend(&plain[2..]);
        let size = |bytes: &[u8], exif_orientation: bool| {
            let image = decode(bytes, Decoding { exif_orientation, longest: None }).unwrap();
            (image.width(), image.height())
        };
        assert_eq!([size(&noted, false), size(&noted, true), size(&plain, true)], [(16, 8), (8, 16), (16, 8)]);
    }

    #[test]
    fn of_a_tiff_the_first_page_is_read_as_its_orientation_says() {
        // 3x2 pixels and a second page of others, LZW, turned right, in Pillow 12.3: `save(compression="tiff_lzw", tiffinfo={274: 6}, append_images=…)`.
        let image = decode(include_bytes!("images/pages.tif"), Decoding::default()).unwrap();
        assert_eq!((image.width(), image.height()), (2, 3));
        assert_eq!(image.pixels(), [0, 60, 3, 0, 0, 0, 40, 60, 4, 40, 0, 1, 80, 60, 5, 80, 0, 2]);
        let values: Vec<u8> = [0.5f32, 200.0].iter().flat_map(|value| [*value; 3]).flat_map(f32::to_ne_bytes).collect();
        let mut file = Cursor::new(Vec::new());
        image::ImageEncoder::write_image(image::codecs::tiff::TiffEncoder::new(&mut file), &values, 2, 1, image::ExtendedColorType::Rgb32F).unwrap();
        let error = decode(file.get_ref(), Decoding::default()).unwrap_err().to_string();
        assert!(error.contains("floating-point numbers"), "{error}");
    }
}
