//! Boxes and sizes.

use super::runs::Intervals;
use super::Mask;
use crate::resample::{resize_window, Filter, Part};
use crate::{Error, Result};

/// The smallest box around a mask, in pixels: the first column and row, and how many of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundingBox {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl BoundingBox {
    /// Whether the box has an area and lies in an image of `width` x `height` pixels.
    ///
    /// # Errors
    /// A box that does not.
    pub fn check_within(&self, width: u32, height: u32) -> Result<()> {
        let fits = |start: u32, length: u32, side: u32| length > 0 && start.checked_add(length).is_some_and(|end| end <= side);
        if fits(self.x, self.width, width) && fits(self.y, self.height, height) {
            return Ok(());
        }
        let Self { x, y, width: w, height: h } = self;
        Err(Error::invalid(format!("a box of {w}x{h} pixels at ({x}, {y}) does not lie in an image of {width}x{height}")))
    }
}

impl Mask {
    /// A mask that covers a box; the part outside the image is cut off.
    ///
    /// # Errors
    /// A zero side of the image.
    pub fn from_box(width: u32, height: u32, region: BoundingBox) -> Result<Mask> {
        Self::checked_area(width, height)?;
        let (right, bottom) = (region.x.saturating_add(region.width).min(width), region.y.saturating_add(region.height).min(height));
        let mut intervals = Intervals::default();
        for x in region.x..right {
            intervals.push(x * height + region.y.min(bottom), x * height + bottom);
        }
        Ok(Self::from_intervals(width, height, &intervals))
    }

    /// The smallest box around the foreground; `None` for an empty mask.
    pub fn bounding_box(&self) -> Option<BoundingBox> {
        let mut bounds: Option<(u32, u32, u32, u32)> = None;
        for (start, end) in self.intervals() {
            let (left, right) = (start / self.height, (end - 1) / self.height);
            let (top, bottom) = if left == right { (start % self.height, (end - 1) % self.height) } else { (0, self.height - 1) };
            let (l, t, r, b) = bounds.unwrap_or((left, top, right, bottom));
            bounds = Some((l.min(left), t.min(top), r.max(right), b.max(bottom)));
        }
        bounds.map(|(l, t, r, b)| BoundingBox { x: l, y: t, width: r - l + 1, height: b - t + 1 })
    }

    /// The part of the mask in a box.
    ///
    /// # Errors
    /// A box without area, or one that reaches beyond the mask.
    pub fn crop(&self, region: BoundingBox) -> Result<Mask> {
        region.check_within(self.width, self.height)?;
        let (top, bottom) = (region.y, region.y + region.height);
        let mut intervals = Intervals::default();
        for (start, end) in self.intervals() {
            let (first, last) = (start / self.height, (end - 1) / self.height);
            for x in first.max(region.x)..(last + 1).min(region.x + region.width) {
                let from = if x == first { start % self.height } else { 0 }.clamp(top, bottom);
                let to = if x == last { (end - 1) % self.height + 1 } else { self.height }.clamp(from, bottom);
                let column = (x - region.x) * region.height;
                intervals.push(column + from - top, column + to - top);
            }
        }
        Ok(Self::from_intervals(region.width, region.height, &intervals))
    }

    /// The mask at another size, each pixel taken from the nearest (PyTorch's `nearest`: the floor of the scaled index).
    ///
    /// # Errors
    /// A zero side.
    pub fn resize_nearest(&self, width: u32, height: u32) -> Result<Mask> {
        Self::checked_area(width, height)?;
        // Row y shows a run of rows from `start` on where y * self.height / height, rounded down, is one of them.
        let first_row = |start: u32| (u64::from(start) * u64::from(height)).div_ceil(u64::from(self.height)) as u32;
        let mut source = self.intervals().peekable();
        let mut resized = Intervals::default();
        // What one column shows, and which column of this mask it is: enlarged, several show the same.
        let (mut column, mut shown) = (u64::MAX, Vec::new());
        for x in 0..width {
            let wanted = u64::from(x) * u64::from(self.width) / u64::from(width);
            if wanted != column {
                column = wanted;
                shown.clear();
                let (top, bottom) = (wanted as u32 * self.height, (wanted as u32 + 1) * self.height);
                while let Some(&(start, end)) = source.peek().filter(|(start, _)| *start < bottom) {
                    if end > top {
                        shown.push((first_row(start.max(top) - top), first_row(end.min(bottom) - top)));
                    }
                    if end > bottom {
                        break; // it goes on in the next column
                    }
                    source.next();
                }
            }
            shown.iter().for_each(|(start, end)| resized.push(x * height + start, x * height + end));
        }
        Ok(Self::from_intervals(width, height, &resized))
    }

    /// The mask fitted to an image: Pillow's bicubic filter on 0/255, kept where it is over half of the maximum (CutLER's last step, method 1.10).
    ///
    /// # Errors
    /// A zero side.
    pub fn fit_to(&self, width: u32, height: u32) -> Result<Mask> {
        if (width, height) == (self.width, self.height) {
            return Ok(self.clone());
        }
        let empty = Mask::empty(width, height)?;
        let Some(bounds) = self.bounding_box() else { return Ok(empty) };
        let window =
            [(bounds.x, bounds.width), (bounds.y, bounds.height)].map(|(first, count)| Part { first: first as usize, count: count as usize });
        let size = |width: u32, height: u32| (width as usize, height as usize);
        let pixels = self.window(bounds, 255);
        let (resized, [columns, rows]) = resize_window(&pixels, window, size(self.width, self.height), size(width, height), Filter::Bicubic);
        let half = f32::from(resized.iter().copied().max().unwrap_or(0)) / 2.0;
        let mut kept = Intervals::default();
        for column in 0..columns.count {
            let top = (columns.first + column) as u32 * height + rows.first as u32;
            let mut row = 0;
            while row < rows.count {
                let inside = |row: usize| f32::from(resized[row * columns.count + column]) > half;
                let start = row;
                while row < rows.count && inside(row) {
                    row += 1;
                }
                kept.push(top + start as u32, top + row as u32);
                row += 1;
            }
        }
        Ok(Self::from_intervals(width, height, &kept))
    }

    /// The pixels of a box in row order: `inside` where the mask covers them, else 0.
    fn window(&self, bounds: BoundingBox, inside: u8) -> Vec<u8> {
        let (width, height) = (bounds.width as usize, bounds.height as usize);
        let mut pixels = vec![0; width * height];
        for (column, top, bottom) in self.columns() {
            let (column, top, bottom) = ((column - bounds.x) as usize, (top - bounds.y) as usize, (bottom - bounds.y) as usize);
            pixels[top * width..bottom * width].iter_mut().skip(column).step_by(width).for_each(|pixel| *pixel = inside);
        }
        pixels
    }

    /// The foreground column by column: the column, the first row and the row after the last.
    fn columns(&self) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
        let height = self.height;
        self.intervals().flat_map(move |(start, end)| {
            (start / height..=(end - 1) / height)
                .map(move |column| (column, start.max(column * height) - column * height, end.min((column + 1) * height) - column * height))
        })
    }

    /// How much of each cell of a `columns` x `rows` grid the mask covers, in [0, 1], in row order: exact area averaging.
    pub fn coverage(&self, columns: u32, rows: u32) -> Vec<f32> {
        let across = Parts { length: f64::from(self.width), cells: f64::from(columns) };
        let down = Parts { length: f64::from(self.height), cells: f64::from(rows) };
        let mut cells = vec![0.0f64; columns as usize * rows as usize];
        for (column, top, bottom) in self.columns() {
            for (x, wide) in across.shares(column, column + 1) {
                for (y, high) in down.shares(top, bottom) {
                    cells[y * columns as usize + x] += wide * high;
                }
            }
        }
        cells.into_iter().map(|share| share as f32).collect()
    }
}

/// Pixels in a row, in equal parts.
#[derive(Clone, Copy)]
struct Parts {
    length: f64,
    cells: f64,
}

impl Parts {
    /// The parts that pixels from `start` to before `end` lie in, and the share of each that they cover.
    fn shares(self, start: u32, end: u32) -> impl Iterator<Item = (usize, f64)> {
        let size = self.length / self.cells;
        let (start, end) = (f64::from(start), f64::from(end));
        let first = (start / size).floor() as usize;
        let last = ((end / size).ceil() as usize).min(self.cells as usize);
        (first..last).map(move |cell| {
            let (from, to) = (cell as f64 * size, (cell + 1) as f64 * size);
            (cell, (end.min(to) - start.max(from)).max(0.0) / size)
        })
    }
}
