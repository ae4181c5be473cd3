//! An object's pixels: a drawing rendered in its pose and colours.

use convert_sdk::{Error, Result};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::Tree;

/// The side of a drawing's square.
pub const SIDE: f32 = 100.0;

/// How a drawing is put onto the picture, about its centre.
#[derive(Clone, Copy, Debug)]
pub struct Pose {
    /// Pixels a unit of the drawing.
    pub scale: f32,
    /// Width over height against the drawing's own.
    pub stretch: f32,
    /// How much a unit down moves to the right.
    pub shear: f32,
    /// Mirrored left to right.
    pub flipped: bool,
    /// (cosine, sine) of the turn.
    pub turn: (f32, f32),
}

impl Default for Pose {
    /// The drawing as it is.
    fn default() -> Self {
        Self { scale: 1.0, stretch: 1.0, shear: 0.0, flipped: false, turn: (1.0, 0.0) }
    }
}

impl Pose {
    /// The map from the drawing to pixels, its centre at the origin.
    fn transform(&self) -> Transform {
        let (cos, sin) = self.turn;
        let across = self.scale * self.stretch.sqrt() * if self.flipped { -1.0 } else { 1.0 };
        let down = self.scale / self.stretch.sqrt();
        Transform::from_row(cos, sin, -sin, cos, 0.0, 0.0)
            .pre_concat(Transform::from_row(1.0, 0.0, self.shear, 1.0, 0.0, 0.0))
            .pre_concat(Transform::from_scale(across, down))
            .pre_concat(Transform::from_translate(-SIDE / 2.0, -SIDE / 2.0))
    }
}

/// Small changes of an object's colours.
#[derive(Clone, Copy, Debug)]
pub struct Tint {
    /// (cosine, sine) of the turn of the hue.
    pub hue: (f32, f32),
    /// Factor of the colourfulness.
    pub saturation: f32,
    /// Factor of the brightness.
    pub brightness: f32,
}

impl Default for Tint {
    /// The colours as they are.
    fn default() -> Self {
        Self { hue: (1.0, 0.0), saturation: 1.0, brightness: 1.0 }
    }
}

impl Tint {
    /// The linear map of colours: hue turned at constant luminance (the matrix of SVG's `hueRotate`), then pulled to or from grey.
    fn matrix(&self) -> [[f32; 3]; 3] {
        const LUMINANCE: [f32; 3] = [0.213, 0.715, 0.072];
        let (cos, sin) = self.hue;
        let turned = [
            [0.213 + cos * 0.787 - sin * 0.213, 0.715 - cos * 0.715 - sin * 0.715, 0.072 - cos * 0.072 + sin * 0.928],
            [0.213 - cos * 0.213 + sin * 0.143, 0.715 + cos * 0.285 + sin * 0.140, 0.072 - cos * 0.072 - sin * 0.283],
            [0.213 - cos * 0.213 - sin * 0.787, 0.715 - cos * 0.715 + sin * 0.715, 0.072 + cos * 0.928 + sin * 0.072],
        ];
        turned.map(|row| std::array::from_fn(|at| self.brightness * (LUMINANCE[at] * (1.0 - self.saturation) + row[at] * self.saturation)))
    }
}

/// An object's pixels, cropped to what is not transparent.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamp {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green, blue (multiplied by the opacity) and opacity in [0, 1], row by row.
    pub pixels: Vec<[f32; 4]>,
}

impl Stamp {
    /// Renders a drawing.
    ///
    /// # Errors
    /// A pose so small that nothing is left.
    pub fn render(tree: &Tree, pose: &Pose, tint: &Tint) -> Result<Self> {
        let transform = pose.transform();
        let content = tree.root().abs_layer_bounding_box().to_rect();
        let bounds = content.transform(transform).ok_or_else(|| Error::numeric(format!("a pose has no bounds: {pose:?}")))?;
        // one transparent pixel all around, so that cropping sees every edge
        let (left, top) = (bounds.left().floor() - 1.0, bounds.top().floor() - 1.0);
        let (width, height) = ((bounds.right().ceil() + 1.0 - left) as u32, (bounds.bottom().ceil() + 1.0 - top) as u32);
        let mut pixmap = Pixmap::new(width, height).ok_or_else(|| Error::numeric(format!("no picture of {width}x{height} pixels")))?;
        resvg::render(tree, transform.post_translate(-left, -top), &mut pixmap.as_mut());
        Self::cropped(&pixmap, tint)
    }

    fn cropped(pixmap: &Pixmap, tint: &Tint) -> Result<Self> {
        let columns = pixmap.width() as usize;
        let filled = |at: &usize| pixmap.data()[at * 4 + 3] >= 16;
        let mut bounds: Option<[usize; 4]> = None;
        for at in (0..columns * pixmap.height() as usize).filter(filled) {
            let (x, y) = (at % columns, at / columns);
            let [left, top, right, bottom] = bounds.unwrap_or([x, y, x, y]);
            bounds = Some([left.min(x), top.min(y), right.max(x), bottom.max(y)]);
        }
        let [left, top, right, bottom] = bounds.ok_or_else(|| Error::numeric("a drawing is too small to be seen"))?;
        let matrix = tint.matrix();
        let mut pixels = Vec::with_capacity((right + 1 - left) * (bottom + 1 - top));
        for y in top..=bottom {
            let row = &pixmap.data()[(y * columns + left) * 4..(y * columns + right + 1) * 4];
            pixels.extend(row.chunks_exact(4).map(|pixel| {
                let [red, green, blue, alpha] = [0, 1, 2, 3].map(|at| f32::from(pixel[at]) / 255.0);
                let [r, g, b] = matrix.map(|row| (row[0] * red + row[1] * green + row[2] * blue).clamp(0.0, alpha));
                [r, g, b, alpha]
            }));
        }
        Ok(Self { width: right + 1 - left, height: bottom + 1 - top, pixels })
    }

    /// The places, as (column, row), where the object covers more than half of a pixel.
    pub fn solid(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.pixels.iter().enumerate().filter(|(_, pixel)| pixel[3] > 0.5).map(|(at, _)| (at % self.width, at / self.width))
    }
}
