//! Images of all formats: broken, boundless, or of kinds that take more than they seem.

use std::io::Cursor;

use image::{ImageFormat, RgbImage};

use super::{HostileFile, damaged};

/// A photo-like image in a format.
fn photo(format: ImageFormat) -> Vec<u8> {
    let image = RgbImage::from_fn(48, 40, |x, y| image::Rgb([(x * 5) as u8, (y * 6) as u8, ((x * y) % 251) as u8]));
    let mut bytes = Vec::new();
    image.write_to(&mut Cursor::new(&mut bytes), format).expect("an image can be encoded");
    bytes
}

/// Files in every format that is read.
pub fn images() -> Vec<HostileFile> {
    let mut files = Vec::new();
    let formats = [
        (ImageFormat::Png, "png"),
        (ImageFormat::Jpeg, "jpg"),
        (ImageFormat::Gif, "gif"),
        (ImageFormat::Bmp, "bmp"),
        (ImageFormat::WebP, "webp"),
        (ImageFormat::Tiff, "tif"),
    ];
    for (format, extension) in formats {
        files.extend(damaged("photo", extension, &photo(format), 10));
    }
    let mut add = |name: &str, bytes: Vec<u8>| files.push((name.to_owned(), bytes));
    add("empty.png", Vec::new());
    add("text.jpg", b"this is not an image".to_vec());
    add("script.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec());
    for (name, width, height, depth, colours, interlaced) in [
        ("png-largest", 0x7fff_ffff, 0x7fff_ffff, 8, 2, 0),
        ("png-60000", 60_000, 60_000, 8, 2, 0),
        ("png-wide", 178_956_970, 1, 8, 6, 0),
        ("png-16-bits", 13_000, 13_000, 16, 6, 0),
        ("png-16-bits-smaller", 9_000, 9_000, 16, 6, 0),
        ("png-interlaced", 13_000, 13_000, 8, 6, 1),
        ("png-palette", 13_000, 13_000, 8, 3, 0),
        ("png-bit", 13_000, 13_000, 1, 0, 0),
        ("png-nothing", 0, 0, 8, 2, 0),
        ("png-no-kind", 10, 10, 3, 9, 0),
    ] {
        add(&format!("{name}.png"), png(width, height, [depth, colours, interlaced]));
    }
    for (width, height) in [(65_535u16, 65_535u16), (13_000, 13_000), (1, 65_535), (0, 0)] {
        add(&format!("gif-{width}x{height}.gif"), gif(width, height));
    }
    for (name, width, height, bits, compression) in [
        ("large", 60_000, 60_000, 24, 0),
        ("rle", 13_000, 13_000, 8, 1),
        ("upside-down", 50_000, i32::MIN, 24, 0),
        ("negative", -5, 5, 24, 0),
        ("bits", 13_000, 13_000, 1, 0),
        ("fields", 9, 9, 32, 3),
    ] {
        add(&format!("bmp-{name}.bmp"), bmp(width, height, bits, compression));
    }
    for kind in [*b"VP8 ", *b"VP8L", *b"VP8X", *b"ALPH"] {
        add(&format!("webp-{}.webp", kind[3]), webp(kind));
    }
    let baseline = photo(ImageFormat::Jpeg);
    for (name, width, height) in [("largest", 65_535, 65_535), ("large", 13_300, 13_300), ("thin", 65_500, 2_700), ("nothing", 0, 0)] {
        add(&format!("jpeg-{name}.jpg"), resized_jpeg(&baseline, width, height));
    }
    for (name, width, height, scans) in [("scans", 48, 40, 2_000), ("large-scans", 13_300, 13_300, 40), ("wide-scans", 3_300, 3_300, 500)] {
        add(&format!("jpeg-{name}.jpg"), repeated_scans(&resized_jpeg(&baseline, width, height), scans));
    }
    add("jpeg-markers.jpg", [vec![0xff, 0xd8], [0xff, 0xd0].repeat(100_000), vec![0xff, 0xd9]].concat());
    add("jpeg-fill.jpg", [vec![0xff, 0xd8], vec![0xff; 1_000_000]].concat());
    add("jpeg-comments.jpg", [vec![0xff, 0xd8], [0xff, 0xfe, 0, 2].repeat(200_000), vec![0xff, 0xd9]].concat());
    files
}

fn png(width: u32, height: u32, kind: [u8; 3]) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([kind[0], kind[1], 0, 0, kind[2]]);
    let palette: Vec<u8> = (0..768).map(|at| at as u8).collect();
    // A deflate stream of one stored block: far too few pixels.
    let pixels = [&[0x78, 0x01, 0x01, 0x10, 0x00, 0xef, 0xff][..], &[0; 16], &[0, 16, 0, 1]].concat();
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [(b"IHDR", header), (b"PLTE", palette), (b"IDAT", pixels), (b"IEND", Vec::new())] {
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(kind);
        bytes.extend(&data);
        bytes.extend(checksum(&[&kind[..], &data].concat()).to_be_bytes());
    }
    bytes
}

/// CRC-32 as PNG has it.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 });
    !bytes.iter().fold(u32::MAX, step)
}

/// A screen of that size with a frame as large, of which hardly any pixel is there.
fn gif(width: u16, height: u16) -> Vec<u8> {
    let sides = [width.to_le_bytes(), height.to_le_bytes()].concat();
    [b"GIF89a".to_vec(), sides.clone(), vec![0x80, 0, 0, 0, 0, 0, 255, 255, 255, 0x2c, 0, 0, 0, 0], sides, vec![0, 2, 2, 0x44, 0x01, 0, 0x3b]]
        .concat()
}

fn bmp(width: i32, height: i32, bits: u16, compression: u32) -> Vec<u8> {
    let mut bytes = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    bytes.extend([width.to_le_bytes(), height.to_le_bytes()].concat());
    bytes.extend([1u16.to_le_bytes(), bits.to_le_bytes()].concat());
    bytes.extend(compression.to_le_bytes());
    bytes.extend([0; 20]);
    bytes.extend([7; 64]);
    bytes
}

fn webp(kind: [u8; 4]) -> Vec<u8> {
    let body: &[u8] = match &kind {
        b"VP8 " => &[0x30, 1, 0, 0x9d, 1, 0x2a, 0xff, 0x3f, 0xff, 0x3f, 0, 0, 0, 0],
        b"VP8L" => &[0x2f, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        _ => &[0x12, 0, 0, 0, 0xff, 0x3f, 0, 0xff, 0x3f, 0, 0, 0, 0, 0],
    };
    [
        b"RIFF".to_vec(),
        ((body.len() + 12) as u32).to_le_bytes().to_vec(),
        b"WEBP".to_vec(),
        kind.to_vec(),
        (body.len() as u32).to_le_bytes().to_vec(),
        body.to_vec(),
    ]
    .concat()
}

/// The same file, whose header says another size.
fn resized_jpeg(bytes: &[u8], width: u16, height: u16) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a baseline frame");
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

/// A progressive file whose scans are so many, and hold nothing.
fn repeated_scans(bytes: &[u8], scans: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a baseline frame");
    bytes[frame + 1] = 0xc2;
    let scan = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).expect("a scan");
    let length = usize::from(u16::from_be_bytes([bytes[scan + 2], bytes[scan + 3]]));
    let mut header = bytes[scan..scan + 2 + length].to_vec();
    // The constant part of all channels, from bit 0.
    let end = header.len();
    header[end - 3..].copy_from_slice(&[0, 0, 0]);
    header.extend([0, 0]);
    [bytes[..scan].to_vec(), header.repeat(scans), vec![0xff, 0xd9]].concat()
}
