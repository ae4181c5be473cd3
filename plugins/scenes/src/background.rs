//! The surfaces that objects lie on: many, quiet beside the objects, none without texture.

use crate::noise::{cells, floor, grain, layered, mix, smooth, step, triangle};
use crate::random::Random;

/// A colour, 0 to 255 each of red, green and blue.
pub type Colour = [f32; 3];

/// What a surface is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Material {
    Plaster,
    Wood,
    Cloth,
    Plaid,
    Terrazzo,
    Stripes,
    Tiles,
    Marble,
    Grass,
    Sand,
}

use Material::{Cloth, Grass, Marble, Plaid, Plaster, Sand, Stripes, Terrazzo, Tiles, Wood};

const MATERIALS: [Material; 10] = [Plaster, Wood, Cloth, Plaid, Terrazzo, Stripes, Tiles, Marble, Grass, Sand];

const PAINTS: [Colour; 14] = [
    [201.0, 190.0, 168.0], // sand
    [158.0, 170.0, 178.0], // slate
    [160.0, 174.0, 150.0], // sage
    [134.0, 152.0, 172.0], // dusty blue
    [184.0, 150.0, 132.0], // clay
    [222.0, 214.0, 200.0], // cream
    [84.0, 88.0, 96.0],    // charcoal
    [122.0, 124.0, 100.0], // olive
    [168.0, 150.0, 164.0], // mauve
    [104.0, 132.0, 134.0], // sea
    [196.0, 178.0, 180.0], // rose grey
    [92.0, 104.0, 124.0],  // night
    [210.0, 210.0, 206.0], // white wall
    [140.0, 120.0, 108.0], // cocoa
];

const WOODS: [Colour; 5] = [[178.0, 138.0, 98.0], [124.0, 88.0, 64.0], [206.0, 178.0, 140.0], [150.0, 140.0, 130.0], [92.0, 70.0, 56.0]];

const GRASSES: [Colour; 3] = [[112.0, 128.0, 78.0], [138.0, 140.0, 92.0], [88.0, 112.0, 80.0]];

/// A surface: material, colours and how it is laid.
#[derive(Clone, Debug)]
pub struct Background {
    material: Material,
    base: Colour,
    second: Colour,
    /// (cosine, sine) of the direction it is laid in.
    laid: (f32, f32),
    /// How fine it is; 1 is the usual.
    fineness: f32,
    /// How strong its texture is; 1 is the usual.
    strength: f32,
    seed: u32,
}

impl Background {
    /// A surface at random.
    pub fn new(random: &mut Random) -> Self {
        let material = random.choice(&MATERIALS);
        let base = match material {
            Wood => random.choice(&WOODS),
            Grass => random.choice(&GRASSES),
            _ => random.choice(&PAINTS),
        };
        let warmth = random.between(-7.0, 7.0);
        let light = random.between(0.9, 1.08);
        let base = [(base[0] + warmth) * light, base[1] * light, (base[2] - warmth) * light];
        let contrast = random.between(0.1, 0.2) * if random.chance(0.5) { 1.0 } else { -1.0 };
        let other = random.choice(&PAINTS);
        let second = std::array::from_fn(|at| mix(base[at], other[at], 0.15) * (1.0 + contrast));
        // floors and cloths lie roughly along the picture as often as across it
        let laid = if random.chance(0.6) { random.choice(&[(1.0, 0.0), (0.0, 1.0)]) } else { random.direction() };
        Self { material, base, second, laid, fineness: random.between(0.75, 1.35), strength: random.between(0.7, 1.2), seed: random.number() }
    }

    /// The colours of a square picture, row by row.
    pub fn paint(&self, size: usize) -> Vec<Colour> {
        let (cos, sin) = self.laid;
        let unit = 1.0 / size as f32;
        let wear = Wear::new(size, self.seed);
        let mut picture = Vec::with_capacity(size * size);
        for row in 0..size {
            for column in 0..size {
                let (x, y) = ((column as f32 + 0.5) * unit, (row as f32 + 0.5) * unit);
                let (u, v) = ((x * cos + y * sin) * self.fineness, (y * cos - x * sin) * self.fineness);
                let (tone, share) = self.texture(u, v);
                let light = 1.0 + (tone + wear.at(column, row)) * self.strength;
                picture.push(std::array::from_fn(|at| mix(self.base[at], self.second[at], share) * light));
            }
        }
        picture
    }

    /// (how much lighter, share of the second colour) at a place.
    fn texture(&self, u: f32, v: f32) -> (f32, f32) {
        let seed = self.seed;
        match self.material {
            Plaster => (0.10 * layered(u * 18.0, v * 18.0, 3, seed), step(-0.2, 0.6, layered(u * 3.0, v * 3.0, 2, seed ^ 1))),
            Sand => (0.13 * layered(u * 60.0, v * 60.0, 2, seed) + 0.05 * smooth(u * 5.0, v * 14.0, seed ^ 1), 0.0),
            Grass => {
                let blades = layered(u * 70.0, v * 16.0, 2, seed) + layered(u * 16.0 + v * 9.0, v * 60.0, 2, seed ^ 1);
                (0.15 * blades, step(-0.4, 0.6, smooth(u * 6.0, v * 6.0, seed ^ 2)))
            }
            Wood => self.wood(u, v),
            Cloth => (self.weave(u, v) + 0.05 * smooth(u * 9.0, v * 9.0, seed), 0.0),
            Plaid => {
                let bands = step(0.45, 0.55, triangle(u * 5.0)) + step(0.45, 0.55, triangle(v * 5.0)) + step(0.86, 0.9, triangle(u * 5.0 + 0.5));
                (self.weave(u, v), bands / 3.0)
            }
            Stripes => (0.04 * layered(u * 28.0, v * 28.0, 2, seed), step(0.44, 0.56, triangle(u * 9.0))),
            Terrazzo => {
                let (distance, id) = cells(u * 17.0, v * 17.0, seed);
                let chip = step(0.40, 0.30, distance) * (id % 3 != 0) as u32 as f32;
                (0.05 * layered(u * 40.0, v * 40.0, 2, seed) + chip * 0.09 * grain(id as i32, 3, seed), chip * 0.9)
            }
            Tiles => {
                let (column, row) = (floor(u * 6.0), floor(v * 6.0));
                let edge = triangle(u * 6.0).min(triangle(v * 6.0));
                let tone = 0.055 * grain(column, row, seed) + 0.05 * layered(u * 16.0, v * 16.0, 3, seed ^ 1);
                (tone, 1.0 - step(0.05, 0.1, edge))
            }
            Marble => {
                let (shift_u, shift_v) = (layered(u * 3.0, v * 3.0, 2, seed ^ 1), layered(u * 3.0, v * 3.0, 2, seed ^ 2));
                let vein = 1.0 - layered(u * 2.2 + shift_u, v * 2.2 + shift_v, 3, seed).abs() * 3.0;
                (0.05 * layered(u * 9.0, v * 9.0, 2, seed ^ 3), step(0.45, 1.0, vein))
            }
        }
    }

    /// Planks with grain, rings and gaps.
    fn wood(&self, u: f32, v: f32) -> (f32, f32) {
        let plank = floor(v * 4.0);
        let own = grain(plank, 0, self.seed);
        let along = u + own * 9.0;
        let bend = smooth(along * 1.3, v * 3.0, self.seed ^ 1);
        let rings = triangle(v * 9.0 + bend * 1.3 + own * 3.0);
        let fibres = layered(along * 5.0, v * 110.0, 2, self.seed ^ 2);
        let gap = 1.0 - step(0.012, 0.035, triangle(v * 4.0));
        (0.06 * own + 0.10 * fibres + 0.08 * (rings - 0.5) - 0.30 * gap, 0.35 * rings)
    }

    /// Threads over and under each other.
    fn weave(&self, u: f32, v: f32) -> f32 {
        let (across, down) = (u * 44.0, v * 44.0);
        let (column, row) = (floor(across), floor(down));
        let over = (column + row) % 2 == 0;
        let thread = if over { triangle(across) } else { triangle(down) };
        0.14 * (thread - 0.5) + 0.05 * grain(column, row, self.seed)
    }
}

/// Dirt and wear that every surface has: so coarse that it is worked out at every eighth pixel only.
struct Wear {
    columns: usize,
    values: Vec<f32>,
}

impl Wear {
    const PITCH: usize = 8;

    fn new(size: usize, seed: u32) -> Self {
        let columns = size / Self::PITCH + 2;
        let scale = 2.5 * Self::PITCH as f32 / size as f32;
        let value = |at: usize| 0.05 * layered((at % columns) as f32 * scale, (at / columns) as f32 * scale, 3, seed ^ 0x5eed);
        Self { columns, values: (0..columns * columns).map(value).collect() }
    }

    #[inline]
    fn at(&self, column: usize, row: usize) -> f32 {
        let at = row / Self::PITCH * self.columns + column / Self::PITCH;
        let across = (column % Self::PITCH) as f32 / Self::PITCH as f32;
        let down = (row % Self::PITCH) as f32 / Self::PITCH as f32;
        let upper = mix(self.values[at], self.values[at + 1], across);
        mix(upper, mix(self.values[at + self.columns], self.values[at + self.columns + 1], across), down)
    }
}
