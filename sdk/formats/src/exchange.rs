//! Images with labels and masks, as they go to annotation tools and come back: Label Studio's JSON, and Datumaro's, which CVAT reads and writes.

mod brush;
mod datumaro;
mod label_studio;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use crate::coco::Segmentation;
use crate::files;
use convert_sdk::{BoundingBox, Error, Mask, Result, ResultExt};

/// What the names of the run's own regions begin with.
pub const REGION: &str = "region-";

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeFormat {
    /// Label Studio's list of tasks.
    LabelStudio,
    /// Datumaro's JSON.
    Datumaro,
}

/// An image as another tool is given it.
#[derive(Clone, Debug)]
pub struct SharedImage<'a> {
    /// The sample's id.
    pub id: &'a str,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The class that it was given.
    pub given: &'a str,
    /// The classes that it shows, as far as is known.
    pub classes: Vec<&'a str>,
    /// What shows them.
    pub regions: Vec<SharedRegion<'a>>,
    /// Whether somebody has finished it.
    pub complete: bool,
    /// How it came up.
    pub queue: Option<&'a str>,
}

/// A region as another tool is given it.
#[derive(Clone, Debug)]
pub struct SharedRegion<'a> {
    /// What it is called in the file: `region-N` is the run's, by its place.
    pub name: String,
    /// What it shows.
    pub class: &'a str,
    /// Where, in the image's size.
    pub mask: &'a Mask,
}

/// What somebody made of an image in another tool, which is all that it shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotation {
    /// The image, as the file names it.
    pub sample: String,
    /// Who, where the file says so.
    pub who: Option<String>,
    /// How the image came up, where the file says so.
    pub queue: Option<String>,
    /// The classes that were chosen for the whole image; `None` where that was not asked, or nothing chosen.
    pub classes: Option<BTreeSet<String>>,
    /// What was drawn, or left standing.
    pub regions: Vec<AnnotatedRegion>,
    /// The names of the regions that the image came with, where the file says so.
    pub shown: Option<Vec<String>>,
    /// Annotations of kinds that mean nothing here.
    pub ignored: u64,
}

/// A region from another tool.
#[derive(Clone, Debug, PartialEq)]
pub struct AnnotatedRegion {
    /// What it is called in the file.
    pub name: Option<String>,
    /// What it shows.
    pub class: String,
    /// Where.
    pub shape: Shape,
}

/// A region as a tool writes it, not yet looked at.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Label Studio's runs of the bytes of a picture in RGBA.
    Brush {
        /// Pixels in a row and rows of the picture.
        size: (u32, u32),
        /// The packed runs.
        rle: Vec<u8>,
    },
    /// COCO's forms, in pixels.
    Coco(Segmentation),
    /// x and y of corners in turn, in shares of the image's sides.
    Polygon(Vec<f64>),
    /// x, y, width and height in shares of the image's sides.
    Rectangle([f64; 4]),
    /// x, y, width and height in pixels.
    Box([f64; 4]),
}

impl Shape {
    /// The mask on an image of this size.
    ///
    /// # Errors
    /// A shape that is broken, or of an image of another size.
    pub fn mask(&self, width: u32, height: u32) -> Result<Mask> {
        let (w, h) = (f64::from(width), f64::from(height));
        match self {
            Self::Brush { size, rle } => {
                check_size(*size, (width, height))?;
                brush::decode(width, height, rle)
            }
            Self::Coco(segmentation) => {
                segmentation.size().map_or(Ok(()), |size| check_size(size, (width, height)))?;
                segmentation.mask((width, height))
            }
            Self::Polygon(shares) => {
                let corners = shares.chunks(2).flat_map(|corner| match corner {
                    [x, y] => vec![x * w, y * h],
                    odd => odd.to_vec(),
                });
                Segmentation::Polygons(vec![corners.collect()]).mask((width, height))
            }
            Self::Rectangle([x, y, box_width, box_height]) => Self::Box([x * w, y * h, box_width * w, box_height * h]).mask(width, height),
            Self::Box([x, y, box_width, box_height]) => {
                // Not a number is 0, what lies outside is cut off.
                let side = |value: f64, most: u32| value.round().clamp(0.0, f64::from(most)) as u32;
                let (left, top, right, bottom) = (side(*x, width), side(*y, height), side(x + box_width, width), side(y + box_height, height));
                if left >= right || top >= bottom {
                    return Mask::empty(width, height);
                }
                Mask::from_box(width, height, BoundingBox { x: left, y: top, width: right - left, height: bottom - top })
            }
        }
    }
}

fn check_size(found: (u32, u32), image: (u32, u32)) -> Result<()> {
    if found == image {
        return Ok(());
    }
    Err(Error::invalid(format!("a mask of {}x{} pixels is not of its image, which has {}x{}", found.0, found.1, image.0, image.1)))
}

/// A file that is being written.
pub trait ExchangeWriter {
    /// Adds an image.
    ///
    /// # Errors
    /// A file that cannot be written.
    fn write(&mut self, image: &SharedImage<'_>) -> Result<()>;

    /// Ends the file.
    ///
    /// # Errors
    /// A file that cannot be written.
    fn finish(&mut self) -> Result<()>;
}

impl ExchangeFormat {
    /// Begins a file; `classes` are all of the run, by index, and `model` says whose opinion the labels are.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn writer<'w>(self, file: impl Write + 'w, classes: &[String], model: &str) -> Result<Box<dyn ExchangeWriter + 'w>> {
        Ok(match self {
            Self::LabelStudio => Box::new(label_studio::Writer::begin(file, model)?),
            Self::Datumaro => Box::new(datumaro::Writer::begin(file, classes)?),
        })
    }

    /// The form of a file: Label Studio's is a list.
    ///
    /// # Errors
    /// A file that cannot be read or begins otherwise.
    pub fn of(path: &Path) -> Result<Self> {
        use std::io::Read;
        let (mut start, cannot) = (Vec::new(), || format!("cannot read {}", path.display()));
        files::open_regular(path, files::MAX_STREAM).context(cannot)?.take(64).read_to_end(&mut start).context(cannot)?;
        match start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => Ok(Self::LabelStudio),
            Some(b'{') => Ok(Self::Datumaro),
            _ => Err(Error::invalid(format!("{} is neither Label Studio's JSON nor Datumaro's", path.display()))),
        }
    }

    /// What a file holds of finished images.
    ///
    /// # Errors
    /// A file that cannot be read or is of another form.
    pub fn read(self, path: &Path) -> Result<Vec<Annotation>> {
        match self {
            Self::LabelStudio => label_studio::read(path),
            Self::Datumaro => datumaro::read(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_to_the_pixel() {
        let names = ["ant", "black & white", "cup"].map(str::to_owned);
        let mask = Mask::from_pixels(5, 3, &[0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1]).unwrap();
        let region = |name: &str, class| SharedRegion { name: name.to_owned(), class, mask: &mask };
        let image = |id, complete| SharedImage {
            id,
            width: 5,
            height: 3,
            given: "ant",
            classes: vec!["ant", "cup"],
            regions: vec![region("region-4", "ant"), region("drawn-1", "cup")],
            complete,
            queue: Some("random"),
        };
        for format in [ExchangeFormat::LabelStudio, ExchangeFormat::Datumaro] {
            let file = tempfile::NamedTempFile::new().unwrap();
            let mut writer = format.writer(file.as_file(), &names, "convert").unwrap();
            for (id, complete) in [("n1/a b.JPEG", true), ("n1/c.JPEG", false)] {
                writer.write(&image(id, complete)).unwrap();
            }
            writer.finish().unwrap();
            assert_eq!(ExchangeFormat::of(file.path()).unwrap(), format);
            let read = format.read(file.path()).unwrap();
            let [annotation] = &read[..] else { panic!("what nobody has finished is no review: {read:?}") };
            assert_eq!((annotation.sample.as_str(), annotation.queue.as_deref()), ("n1/a b.JPEG", Some("random")));
            assert_eq!(annotation.classes, Some(["ant", "cup"].map(str::to_owned).into()));
            assert_eq!(annotation.shown, Some(vec!["region-4".to_owned()]), "what was drawn is no region of the run");
            let regions: Vec<_> = annotation.regions.iter().map(|region| (region.class.as_str(), region.shape.mask(5, 3).unwrap())).collect();
            assert_eq!(regions, [("ant", mask.clone()), ("cup", mask.clone())], "{format:?}");
            let error = annotation.regions[0].shape.mask(6, 3).unwrap_err().to_string();
            assert_eq!(error, "a mask of 5x3 pixels is not of its image, which has 6x3");
        }
    }

    #[test]
    fn shapes_are_cut_to_the_image() {
        let area = |shape: Shape| shape.mask(10, 10).unwrap().area();
        assert_eq!(area(Shape::Rectangle([0.1, 0.2, 0.3, 0.4])), 12);
        assert_eq!(area(Shape::Box([8.0, -3.0, 100.0, 5.0])), 4);
        assert_eq!(area(Shape::Box([f64::NAN, 0.0, f64::INFINITY, 1.0])), 0);
        assert_eq!(area(Shape::Polygon(vec![0.0, 0.0, 0.5, 0.0, 0.5, 0.5, 0.0, 0.5])), 25);
    }
}
