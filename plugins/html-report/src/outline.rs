//! A mask as an SVG path: crisp at any size, and a few hundred bytes.

use convert_sdk::{Mask, Result};

/// Longest side in pixels at which a mask is traced.
const TRACE_SIZE: u32 = 256;

/// How far, in half pixels of the traced size, a simplified outline may leave the middles of the pixels' edges: the stairs of a slanted line
/// are up to one half pixel away from it.
const TOLERANCE: f64 = 1.4;

type Point = (i32, i32);

/// A path with its own coordinate system.
pub struct Outline {
    /// Width of the coordinate system.
    pub width: u32,
    /// Height of the coordinate system.
    pub height: u32,
    /// The `d` attribute, for `fill-rule="evenodd"`; empty where the mask vanishes at this size.
    pub path: String,
}

/// The size at which a mask of an image is traced.
fn traced_size(width: u32, height: u32) -> (u32, u32) {
    let longest = width.max(height);
    if longest <= TRACE_SIZE {
        return (width, height);
    }
    let scale = |side: u32| (u64::from(side) * u64::from(TRACE_SIZE) / u64::from(longest)).max(1) as u32;
    (scale(width), scale(height))
}

/// The outline of a mask, in half pixels of the traced size.
pub fn outline(mask: &Mask) -> Result<Outline> {
    let (width, height) = traced_size(mask.width(), mask.height());
    let mut path = String::new();
    for border in trace(&mask.resize_nearest(width, height)?) {
        let simplified = simplify(&border);
        if simplified.len() < 3 {
            continue;
        }
        let (mut x, mut y) = simplified[0];
        path.push_str(&format!("M{x} {y}"));
        for &(next_x, next_y) in &simplified[1..] {
            path.push_str(&format!("l{} {}", next_x - x, next_y - y));
            (x, y) = (next_x, next_y);
        }
        path.push('z');
    }
    Ok(Outline { width: 2 * width, height: 2 * height, path })
}

/// The closed borders of a mask, as the middles of the pixels' edges in half pixels, the foreground on the right hand.
/// Middles instead of corners, since they lie on one line where a border is slanted.
fn trace(mask: &Mask) -> Vec<Vec<Point>> {
    let (width, height) = (mask.width() as i32, mask.height() as i32);
    let pixels = mask.to_pixels();
    let inside = |x: i32, y: i32| x >= 0 && y >= 0 && x < width && y < height && pixels[(y * width + x) as usize] != 0;
    // every border, an outer one or a hole's, runs to the right along the upper edge of some pixel
    let upper_edge = |x: i32, y: i32| inside(x, y) && !inside(x, y - 1);
    let mut seen = vec![false; pixels.len()];
    let mut borders = Vec::new();
    for start_y in 0..height {
        for start_x in 0..width {
            if !upper_edge(start_x, start_y) || seen[(start_y * width + start_x) as usize] {
                continue;
            }
            let mut border = Vec::new();
            let (mut at, mut step) = ((start_x, start_y), (1, 0));
            loop {
                if step == (1, 0) {
                    let edge = &mut seen[(at.1 * width + at.0) as usize];
                    if *edge {
                        break;
                    }
                    *edge = true;
                }
                border.push((2 * at.0 + step.0, 2 * at.1 + step.1));
                at = (at.0 + step.0, at.1 + step.1);
                step = turn(at, step, &inside);
            }
            borders.push(border);
        }
    }
    borders
}

/// The next step of a border from a corner: pixels that touch at a corner only are apart.
fn turn((x, y): Point, step: Point, inside: &impl Fn(i32, i32) -> bool) -> Point {
    let ahead_left = |(dx, dy): Point| match (dx, dy) {
        (1, 0) => (x, y - 1),
        (0, 1) => (x, y),
        (-1, 0) => (x - 1, y),
        _ => (x - 1, y - 1),
    };
    let right = (-step.1, step.0);
    // the pixel ahead on the right hand is the one ahead on the left hand after a turn to the right
    let (a, b) = ahead_left(right);
    if !inside(a, b) {
        return right;
    }
    let (a, b) = ahead_left(step);
    if inside(a, b) { (step.1, -step.0) } else { step }
}

/// Douglas and Peucker's simplification of a closed line.
fn simplify(points: &[Point]) -> Vec<Point> {
    let Some(&first) = points.first() else {
        return Vec::new();
    };
    let distance = |point: &Point| (i64::from(point.0 - first.0)).pow(2) + (i64::from(point.1 - first.1)).pow(2);
    let far = (0..points.len()).max_by_key(|&index| distance(&points[index])).unwrap_or(0);
    let mut closed = points.to_vec();
    closed.push(first);
    let mut keep = vec![false; closed.len()];
    keep[0] = true;
    keep[far] = true;
    // a stack instead of recursion: a border may have as many corners as an image has pixels
    let mut open = vec![(0, far), (far, closed.len() - 1)];
    while let Some((from, to)) = open.pop() {
        let farthest = (from + 1..to).map(|index| (distance_to_segment(closed[index], closed[from], closed[to]), index));
        if let Some((distance, index)) = farthest.max_by(|a, b| a.0.total_cmp(&b.0))
            && distance > TOLERANCE
        {
            keep[index] = true;
            open.push((from, index));
            open.push((index, to));
        }
    }
    closed.iter().zip(&keep).take(points.len()).filter(|(_, keep)| **keep).map(|(point, _)| *point).collect()
}

fn distance_to_segment(point: Point, from: Point, to: Point) -> f64 {
    let difference = |a: Point, b: Point| (f64::from(a.0 - b.0), f64::from(a.1 - b.1));
    let (along, offset) = (difference(to, from), difference(point, from));
    let length = along.0 * along.0 + along.1 * along.1;
    let share = if length == 0.0 { 0.0 } else { ((offset.0 * along.0 + offset.1 * along.1) / length).clamp(0.0, 1.0) };
    (offset.0 - share * along.0).hypot(offset.1 - share * along.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use convert_sdk::BoundingBox;

    fn mask(rows: &[&str]) -> Mask {
        let pixels: Vec<u8> = rows.iter().flat_map(|row| row.bytes().map(|byte| u8::from(byte == b'#'))).collect();
        Mask::from_pixels(rows[0].len() as u32, rows.len() as u32, &pixels).unwrap()
    }

    #[test]
    fn a_box_keeps_its_sides_to_half_a_pixel() {
        let boxed = outline(&Mask::from_box(60, 40, BoundingBox { x: 10, y: 5, width: 30, height: 20 }).unwrap()).unwrap();
        assert_eq!((boxed.width, boxed.height), (120, 80));
        assert_eq!(boxed.path, "M21 10l58 0l1 39l-59 1z");
    }

    #[test]
    fn a_hole_and_a_second_part_have_borders_of_their_own() {
        assert_eq!(trace(&mask(&["###.#", "#.#.#", "###.#"])).len(), 3);
        assert_eq!(trace(&mask(&["#.", ".#"])).len(), 2);
        assert_eq!(trace(&mask(&["...", "..."])).len(), 0);
    }

    /// The area inside borders in pixels by the shoelace formula, holes counted negative.
    fn area(borders: &[Vec<Point>]) -> f64 {
        let twice = |border: &Vec<Point>| -> i32 {
            (0..border.len()).map(|i| (border[i], border[(i + 1) % border.len()])).map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum()
        };
        f64::from(borders.iter().map(twice).sum::<i32>()) / 8.0
    }

    #[test]
    fn a_disc_stays_round_and_small() {
        let pixels: Vec<u8> = (0..800 * 800).map(|at| u8::from((at % 800 - 400i32).pow(2) + (at / 800 - 400i32).pow(2) < 300 * 300)).collect();
        let disc = Mask::from_pixels(800, 800, &pixels).unwrap();
        let small = disc.resize_nearest(256, 256).unwrap();
        let simplified: Vec<Vec<Point>> = trace(&small).iter().map(|border| simplify(border)).collect();
        assert!((area(&simplified) / f64::from(small.area()) - 1.0).abs() < 0.02);
        let bytes = outline(&disc).unwrap().path.len();
        assert!(bytes < 800, "{bytes} bytes");
    }
}
