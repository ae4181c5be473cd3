//! ImageNet-S's annotations (Gao et al. 2022, <https://github.com/LUSSeg/ImageNet-S>): RGB PNG files in ImageNet's folders, `n01440764/n01440764_10026.png`,
//! in which a pixel's id is R + 256·G.

use convert_sdk::{Error, Image, Mask, Result};

/// The id of pixels that belong to no object by which anything should be judged.
pub const IGNORED: u32 = 1000;
/// The classes of the largest of the three sets; ids count from 1.
pub const CLASSES: u32 = 919;

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// Checks that a file is a PNG of ImageNet-S's kind, RGB of eight bits a channel, before it is decoded: decoders turn palettes into colours, which would read as ids.
///
/// # Errors
/// Another kind of file.
pub fn check_png(bytes: &[u8]) -> Result<()> {
    let Some((depth, colours)) = bytes.strip_prefix(&SIGNATURE).and_then(|rest| rest.get(16..18)).map(|kind| (kind[0], kind[1])) else {
        return Err(Error::invalid("no PNG file"));
    };
    let name = match colours {
        0 => "grey",
        2 => "RGB",
        3 => "palette",
        4 => "grey with alpha",
        _ => "RGB with alpha",
    };
    if (depth, colours) == (8, 2) {
        return Ok(());
    }
    Err(Error::invalid(format!("a PNG of {depth} bits a channel, {name}: an annotation of ImageNet-S has 8 bits, RGB")))
}

/// The mask of each id that an annotation has, in the order of the ids; neither of id 0 (other) nor of [`IGNORED`]. All parts of a class are one mask.
///
/// # Errors
/// A pixel that is no id: above [`CLASSES`], or with blue in it.
pub fn class_masks(annotation: &Image<'_>) -> Result<Vec<(u32, Mask)>> {
    let (width, height) = (annotation.width(), annotation.height());
    for (at, colour) in annotation.pixels().chunks_exact(3).enumerate() {
        let id = id_of(colour);
        if (id > CLASSES && id != IGNORED) || colour[2] != 0 {
            let (x, y) = (at % width as usize, at / width as usize);
            return Err(Error::invalid(format!(
                "pixel {x},{y} is {}, {}, {}: an annotation of ImageNet-S has ids R + 256 G of 0 to {CLASSES} or {IGNORED}, and no blue",
                colour[0], colour[1], colour[2]
            )));
        }
    }
    let masks = Mask::of_ids(width, height, |x, y| {
        let id = id_of(&annotation.pixel(x, y));
        (id != 0 && id != IGNORED).then_some(id)
    })?;
    Ok(masks.into_iter().collect())
}

fn id_of(colour: &[u8]) -> u32 {
    u32::from(colour[0]) + 256 * u32::from(colour[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation(ids: &[u32]) -> Image<'static> {
        let pixels: Vec<u8> = ids.iter().flat_map(|id| [(id % 256) as u8, (id / 256) as u8, 0]).collect();
        Image::new(ids.len() as u32, 1, pixels).unwrap()
    }

    #[test]
    fn each_id_is_a_mask_and_neither_other_nor_ignored_pixels_are() {
        let masks = class_masks(&annotation(&[919, 0, 7, 1000, 7, 300])).unwrap();
        let shown: Vec<(u32, Vec<u8>)> = masks.iter().map(|(id, mask)| (*id, mask.to_pixels())).collect();
        assert_eq!(shown, [(7, vec![0, 0, 1, 0, 1, 0]), (300, vec![0, 0, 0, 0, 0, 1]), (919, vec![1, 0, 0, 0, 0, 0])]);
        assert!(class_masks(&annotation(&[0, 1000])).unwrap().is_empty());
    }

    #[test]
    fn a_pixel_that_is_no_id_is_named() {
        let error = class_masks(&annotation(&[0, 920])).unwrap_err().to_string();
        assert!(error.starts_with("pixel 1,0 is 152, 3, 0"), "{error}");
        let blue = Image::new(1, 1, vec![1, 0, 1]).unwrap();
        assert!(class_masks(&blue).is_err());
    }

    #[test]
    fn other_kinds_of_file_are_refused_by_name() {
        let png = |depth, colours| [&SIGNATURE[..], &[0, 0, 0, 13], b"IHDR", &[0; 8], &[depth, colours]].concat();
        assert!(check_png(&png(8, 2)).is_ok());
        for (bytes, expected) in
            [(png(8, 3), "8 bits a channel, palette"), (png(16, 0), "16 bits a channel, grey"), (b"JFIF".to_vec(), "no PNG file")]
        {
            let error = check_png(&bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
