//! The samples' images as files, for exporters that hand them on.

use std::io::Cursor;

use convert_sdk::{Error, LabelledSample, Result};

/// A sample's image as a file.
pub struct Picture {
    /// Its bytes: those of the dataset's own file, or a PNG where the dataset has pixels only.
    pub bytes: Vec<u8>,
    /// What the bytes are, as a file's ending.
    pub extension: &'static str,
}

impl Picture {
    /// The image of a sample.
    ///
    /// # Errors
    /// What reading it gave.
    pub fn of(sample: &LabelledSample<'_>) -> Result<Self> {
        if let Some(bytes) = sample.image.encoded()? {
            let extension = extension(&bytes);
            return Ok(Self { bytes, extension });
        }
        let image = sample.image.get()?;
        let mut bytes = Vec::new();
        image::write_buffer_with_format(
            &mut Cursor::new(&mut bytes),
            image.pixels(),
            image.width(),
            image.height(),
            image::ExtendedColorType::Rgb8,
            image::ImageFormat::Png,
        )
        .map_err(|error| Error::invalid(format!("cannot write the image as PNG: {error}")))?;
        Ok(Self { bytes, extension: "png" })
    }
}

/// By what a file begins with; `jpg` where that says nothing.
fn extension(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => "png",
        [b'G', b'I', b'F', b'8', ..] => "gif",
        [b'B', b'M', ..] => "bmp",
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => "tif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "webp",
        _ => "jpg",
    }
}

/// The name of a file in an archive: the sample's number in the order of the ids, from 0. Ids may hold what no archive's reader takes.
pub fn number_name(number: u64) -> String {
    format!("{number:08}")
}
