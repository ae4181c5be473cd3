//! The drawings: a class each, in several colours.

use convert_sdk::{Error, Result};
use resvg::usvg::{Options, Tree};

use crate::stamp::{Pose, Stamp, Tint};

/// How far a drawing is turned.
#[derive(Clone, Copy, Debug)]
pub enum Turn {
    /// A little (12 degrees either way): it has an up and a down.
    Upright,
    /// Leaning (35 degrees either way).
    Leaning,
    /// Any way.
    Free,
}

/// A class: its drawing and the colours it comes in.
struct Drawing {
    name: &'static str,
    svg: &'static str,
    turn: Turn,
    /// Colours of the parts `main` and `accent`. Classes share colours, so that colour alone does not give a class away.
    looks: &'static [(&'static str, &'static str)],
}

macro_rules! drawings {
    ($($name:literal $turn:ident [$($main:literal $accent:literal),+];)+) => {
        [$(Drawing { name: $name, svg: include_str!(concat!("drawings/", $name, ".svg")), turn: Turn::$turn, looks: &[$(($main, $accent)),+] }),+]
    };
}

const DRAWINGS: [Drawing; 16] = drawings! {
    "apple" Leaning ["#cf3a30" "#6da544", "#93b53c" "#5f8f3c", "#e2b53a" "#6da544", "#a32638" "#7fae4a", "#d9703a" "#5f8f3c"];
    "balloon" Upright ["#e0792e" "#f3e2b8", "#cf3a30" "#f2c84b", "#3f78b5" "#f2ead8", "#6a9f45" "#f2c84b", "#8a58a8" "#f0b6c8"];
    "banana" Free ["#eec33c" "#6f8a35", "#b9c04a" "#6f8a35", "#e0a83a" "#7a5a2a", "#b9583f" "#6b4a2b"];
    "butterfly" Free ["#3f7fc4" "#f2b83b", "#e0792e" "#f6e6c4", "#e8c63d" "#cf3a30", "#8a58a8" "#f0b6c8", "#6a9f45" "#f2ead8", "#c63f55" "#f2c84b"];
    "car" Upright ["#c8372d" "#f0e6d2", "#2f6fb0" "#dfe6ea", "#e6b935" "#3c3c40", "#4f8f58" "#f0e6d2", "#e0792e" "#f2ead8", "#6d5aa0" "#e6dff0"];
    "fish" Leaning ["#3c8fa8" "#e8a23a", "#e0792e" "#f6ecd8", "#cf4438" "#f2c84b", "#e6bf3c" "#3f78b5", "#7d5fa8" "#e58fb4", "#5f9a58" "#d8d267"];
    "flower" Free ["#e58fb4" "#e0a526", "#f2ead8" "#e8b52c", "#cf3a30" "#3a2a20", "#8a6ac0" "#f2c84b", "#efc236" "#7a4526", "#4f86c6" "#f6e6a8"];
    "guitar" Free ["#c17a37" "#3a2418", "#a3352b" "#f0e6d2", "#2f6d86" "#2b2420", "#3d6f45" "#e6d7b0", "#e0b04a" "#5a2d1a"];
    "house" Upright ["#e6d2a8" "#a5402f", "#d98f6a" "#5a4a48", "#8fb0c8" "#3f5f86", "#d8c24f" "#7a4a2c", "#c5574a" "#4a4f58", "#9cb87c" "#8a4a34"];
    "leaf" Free ["#5d9440" "#8a5a33", "#d98a2b" "#8a4326", "#c0432e" "#7a2f24", "#d9bb3a" "#94682b", "#8a5f3c" "#5a3a22"];
    "mug" Upright ["#3f6f9f" "#f2e7cf", "#c8473a" "#f6ecd8", "#e0b23a" "#7a4a2a", "#5d9468" "#f2e7cf", "#d9d2c4" "#3f6f9f", "#8a58a8" "#f0c84b"];
    "mushroom" Leaning ["#c53a2c" "#f5eddc", "#9a653a" "#d9b98a", "#e09a3a" "#f6e8c8", "#7d5fa8" "#e6dcf0", "#5f8fa8" "#f2ead8"];
    "owl" Upright ["#8b6243" "#e2cba0", "#6b7480" "#d9dcdc", "#b5713a" "#f0dcb0", "#4f7f8f" "#e6dcb8", "#a5503f" "#f0d0b0"];
    "sailboat" Upright ["#b5382f" "#f1e8d6", "#2f5f96" "#f6efe0", "#e0a52e" "#e8dcc0", "#3d7f58" "#f1e8d6", "#8a4f2c" "#e6a070"];
    "snail" Upright ["#a5603a" "#d8b27a", "#c8505a" "#e2c69a", "#5f8f6a" "#d8c27a", "#d9a03a" "#b98f6a", "#6f6aa8" "#d9c0a0"];
    "umbrella" Leaning ["#c0392f" "#f0e4c9", "#33679f" "#e8c64a", "#e0b52e" "#c0503a", "#4f8f60" "#f0e4c9", "#8a4f98" "#f0b6c8", "#e0792e" "#4a6f8f"];
};

/// A drawing that is ready to be rendered, in one colour and with or without its extra marks.
pub struct Look {
    plain: Tree,
    marked: Tree,
}

impl Look {
    /// The drawing with its extra marks (spots, stripes) or without.
    pub fn tree(&self, marked: bool) -> &Tree {
        if marked { &self.marked } else { &self.plain }
    }
}

/// A class whose drawing was read.
pub struct Class {
    /// How far it is turned.
    pub turn: Turn,
    /// How much of its square the drawing covers, in units of the drawing.
    pub area: f32,
    /// The colours it comes in, at least one.
    pub looks: Vec<Look>,
}

/// How many classes there are.
pub const CLASSES: usize = DRAWINGS.len();

/// The names of the classes, by index.
pub fn names() -> Vec<String> {
    DRAWINGS.iter().map(|drawing| drawing.name.to_string()).collect()
}

/// Reads all drawings in all looks: tens of milliseconds.
///
/// # Errors
/// A drawing that is no SVG, which a test rules out.
pub fn load() -> Result<Vec<Class>> {
    DRAWINGS
        .iter()
        .map(|drawing| {
            let read_look = |(main, accent): &(&str, &str)| {
                let plain = read(drawing, main, accent, ".extra{display:none}")?;
                Ok(Look { plain, marked: read(drawing, main, accent, "")? })
            };
            let looks = drawing.looks.iter().map(read_look).collect::<Result<Vec<Look>>>()?;
            let area = match looks.first() {
                Some(look) => Stamp::render(look.tree(true), &Pose::default(), &Tint::default())?.solid().count() as f32,
                None => return Err(Error::invalid(format!("the drawing {} has no colours", drawing.name))),
            };
            Ok(Class { turn: drawing.turn, area, looks })
        })
        .collect()
}

fn read(drawing: &Drawing, main: &str, accent: &str, more: &str) -> Result<Tree> {
    // a style sheet overrides the colours that a drawing's parts have as attributes
    let style_sheet = format!(".main{{fill:{main}}}.accent{{fill:{accent}}}.main-line{{stroke:{main}}}.accent-line{{stroke:{accent}}}{more}");
    let options = Options { style_sheet: Some(style_sheet), ..Options::default() };
    Tree::from_str(drawing.svg, &options).map_err(|error| Error::invalid(format!("the drawing {} cannot be read: {error}", drawing.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::SIDE;

    #[test]
    fn every_drawing_reads_and_fits_its_square() {
        let classes = load().unwrap();
        assert!(classes.len() >= 12 && classes.len() == CLASSES);
        assert!(names().is_sorted(), "labels are easier to read in order");
        for (class, name) in classes.iter().zip(names()) {
            assert!(class.looks.len() >= 4, "{name}");
            let size = class.looks[0].plain.size();
            assert_eq!((size.width(), size.height()), (SIDE, SIDE), "{name}");
            let content = class.looks[0].plain.root().abs_stroke_bounding_box();
            let inside = content.left() >= -1.0 && content.top() >= -1.0 && content.right() <= 101.0 && content.bottom() <= 101.0;
            assert!(inside && content.width().max(content.height()) > 85.0, "{name} is at {content:?}");
        }
    }
}
