//! Puts a scene together: surface, shadows, objects, light and camera.

use convert_sdk::{Image, Result};

use crate::arrangement::{Object, Settings};
use crate::background::Background;
use crate::noise::{hash, layered};
use crate::random::{Purpose, Random};

/// The light and the camera of a scene.
struct Surroundings {
    background: Background,
    /// Where the light comes from, as a unit vector.
    light: (f32, f32),
    /// How much the light falls off across the picture.
    fall_off: f32,
    /// How dark a shadow is.
    shadow: f32,
    /// The most grey levels that the camera's noise adds or takes.
    camera_noise: f32,
    seed: u32,
}

impl Surroundings {
    fn new(settings: &Settings, index: u64) -> Self {
        let mut random = Random::new(settings.seed, Purpose::Surroundings, index);
        Self {
            background: Background::new(&mut random),
            light: random.direction(),
            fall_off: random.between(0.04, 0.16),
            shadow: random.between(0.28, 0.46),
            camera_noise: random.between(3.0, 9.0),
            seed: random.number(),
        }
    }
}

/// The picture of a scene with these objects, the lowest first.
///
/// # Errors
/// None in practice: the size is not 0.
pub fn paint(settings: &Settings, index: u64, objects: &[Object]) -> Result<Image<'static>> {
    let size = settings.size;
    let surroundings = Surroundings::new(settings, index);
    let unit = 1.0 / size as f32;
    let mut picture = surroundings.background.paint(size);
    for object in objects {
        cast_shadow(&mut picture, size, object, &surroundings);
        lay(&mut picture, size, object, &surroundings);
    }
    let mut pixels = Vec::with_capacity(size * size * 3);
    for (at, colour) in picture.iter().enumerate() {
        let (x, y) = (at % size, at / size);
        let (across, down) = ((x as f32 + 0.5) * unit * 2.0 - 1.0, (y as f32 + 0.5) * unit * 2.0 - 1.0);
        let light =
            1.0 + surroundings.fall_off * (across * surroundings.light.0 + down * surroundings.light.1) - 0.05 * (across * across + down * down);
        for (channel, value) in colour.iter().enumerate() {
            // the sum of two even distributions is near enough to a bell
            let random = hash(x as i32, y as i32, surroundings.seed.wrapping_add(channel as u32));
            let noise = ((random & 0xffff) + (random >> 16)) as f32 / 65536.0 - 1.0;
            pixels.push((value * light + noise * surroundings.camera_noise + 0.5).clamp(0.0, 255.0) as u8);
        }
    }
    Image::new(size as u32, size as u32, pixels)
}

/// Puts an object's pixels over what is there, a little lighter on the side of the light, with a grain of its own.
fn lay(picture: &mut [[f32; 3]], size: usize, object: &Object, surroundings: &Surroundings) {
    let stamp = &object.stamp;
    let seed = surroundings.seed ^ (object.class as u32 + 1).wrapping_mul(0x9e37_79b1);
    let fineness = 60.0 / size as f32;
    for (at, [red, green, blue, alpha]) in stamp.pixels.iter().enumerate() {
        if *alpha == 0.0 {
            continue;
        }
        let (x, y) = (at % stamp.width, at / stamp.width);
        let (across, down) = (2.0 * x as f32 / stamp.width as f32 - 1.0, 2.0 * y as f32 / stamp.height as f32 - 1.0);
        let side = 0.09 * (across * surroundings.light.0 + down * surroundings.light.1);
        let texture = 0.07 * layered(x as f32 * fineness, y as f32 * fineness, 2, seed);
        let light = 255.0 * (1.0 + side + texture);
        let under = &mut picture[(object.top + y) * size + object.left + x];
        *under = [under[0] * (1.0 - alpha) + red * light, under[1] * (1.0 - alpha) + green * light, under[2] * (1.0 - alpha) + blue * light];
    }
}

/// How far a shadow reaches beyond its object, as a share of the picture's side.
const SHADOW_SHIFT: f32 = 0.022;
const SHADOW_BLUR: f32 = 0.014;

/// Darkens what lies on the side of an object away from the light.
fn cast_shadow(picture: &mut [[f32; 3]], size: usize, object: &Object, surroundings: &Surroundings) {
    let stamp = &object.stamp;
    let radius = ((SHADOW_BLUR * size as f32).round() as usize).max(1);
    let margin = 2 * radius;
    let (width, height) = (stamp.width + 2 * margin, stamp.height + 2 * margin);
    let mut opacity = vec![0.0; width * height];
    for (y, row) in stamp.pixels.chunks_exact(stamp.width).enumerate() {
        for (x, pixel) in row.iter().enumerate() {
            opacity[(y + margin) * width + x + margin] = pixel[3];
        }
    }
    // two passes of a box in each direction
    for _ in 0..2 {
        opacity = blurred_rows(&opacity, width, radius);
        opacity = blurred_rows(&transposed(&opacity, width), height, radius);
        opacity = transposed(&opacity, height);
    }
    let shift = SHADOW_SHIFT * size as f32;
    let left = object.left as isize - margin as isize - (shift * surroundings.light.0).round() as isize;
    let top = object.top as isize - margin as isize - (shift * surroundings.light.1).round() as isize;
    for (at, opacity) in opacity.iter().enumerate() {
        let (x, y) = (left + (at % width) as isize, top + (at / width) as isize);
        if (0..size as isize).contains(&x) && (0..size as isize).contains(&y) {
            let under = &mut picture[y as usize * size + x as usize];
            *under = under.map(|value| value * (1.0 - surroundings.shadow * opacity));
        }
    }
}

/// Each value the mean of those at most `radius` columns away; zero beyond the ends.
fn blurred_rows(values: &[f32], width: usize, radius: usize) -> Vec<f32> {
    let share = 1.0 / (2 * radius + 1) as f32;
    let mut blurred = Vec::with_capacity(values.len());
    for row in values.chunks_exact(width) {
        for x in 0..width {
            blurred.push(row[x.saturating_sub(radius)..(x + radius + 1).min(width)].iter().sum::<f32>() * share);
        }
    }
    blurred
}

fn transposed(values: &[f32], width: usize) -> Vec<f32> {
    let height = values.len() / width;
    (0..values.len()).map(|at| values[(at % height) * width + at / height]).collect()
}
