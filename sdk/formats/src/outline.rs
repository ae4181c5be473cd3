//! A mask's borders as polygons.

use convert_sdk::Mask;

type Point = (i32, i32);

/// A mask's closed borders as polygons in half pixels, clockwise around foreground and counter-clockwise around holes; the even-odd rule fills them. They run through the middles of
/// the pixels' edges, and are simplified as far as they stay within `tolerance` half pixels of these: at 1.4 the stairs of a slanted line vanish.
/// Borders of less than three corners are left out.
pub fn outlines(mask: &Mask, tolerance: f64) -> Vec<Vec<(i32, i32)>> {
    let simplified = trace(mask).into_iter().map(|border| simplify(&border, tolerance));
    simplified.filter(|border| border.len() >= 3).collect()
}

/// Polygons as the `d` attribute of an SVG path, in their own coordinates, for `fill-rule="evenodd"`.
pub fn svg_path(borders: &[Vec<(i32, i32)>]) -> String {
    let mut path = String::new();
    for border in borders {
        let mut corners = border.iter();
        let Some(&(mut x, mut y)) = corners.next() else { continue };
        path.push_str(&format!("M{x} {y}"));
        for &(next_x, next_y) in corners {
            path.push_str(&format!("l{} {}", next_x - x, next_y - y));
            (x, y) = (next_x, next_y);
        }
        path.push('z');
    }
    path
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
fn simplify(points: &[Point], tolerance: f64) -> Vec<Point> {
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
        let farthest = farthest.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(distance, _)| *distance > tolerance);
        if let Some((_, index)) = farthest {
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

    fn mask(rows: &[&str]) -> Mask {
        let pixels: Vec<u8> = rows.iter().flat_map(|row| row.bytes().map(|byte| u8::from(byte == b'#'))).collect();
        Mask::from_pixels(rows[0].len() as u32, rows.len() as u32, &pixels).unwrap()
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
    fn a_disc_stays_round() {
        let pixels: Vec<u8> = (0..256 * 256).map(|at| u8::from((at % 256 - 128i32).pow(2) + (at / 256 - 128i32).pow(2) < 96 * 96)).collect();
        let disc = Mask::from_pixels(256, 256, &pixels).unwrap();
        let borders = outlines(&disc, 1.4);
        assert!((area(&borders) / f64::from(disc.area()) - 1.0).abs() < 0.02 && borders[0].len() < 60, "{}", borders[0].len());
        let ring = outlines(&mask(&["#####", "#####", "##.##", "#####", "#####"]), 0.0);
        assert_eq!(ring.len(), 2);
        assert!(area(&ring[..1]) > 0.0 && area(&ring[1..]) < 0.0, "a hole runs the other way round");
    }
}
