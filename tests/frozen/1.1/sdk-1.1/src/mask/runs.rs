//! Arithmetic on run lengths.

/// Foreground as half-open intervals of column-major positions: sorted, disjoint, not touching.
#[derive(Default)]
pub(super) struct Intervals(Vec<(u32, u32)>);

impl Intervals {
    /// Appends an interval that begins at or after the end of the last; empty ones vanish, touching ones join.
    pub fn push(&mut self, start: u32, end: u32) {
        if start == end {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ => self.0.push((start, end)),
        }
    }

    pub fn to_runs(&self, area: u32) -> Vec<u32> {
        let mut runs = Vec::with_capacity(self.0.len() * 2 + 1);
        let mut at = 0;
        for &(start, end) in &self.0 {
            runs.push(start - at);
            runs.push(end - start);
            at = end;
        }
        if at < area || runs.is_empty() {
            runs.push(area - at);
        }
        runs
    }
}

/// The foreground of runs as half-open intervals, in order; none is empty where no run but the first is.
pub(super) fn foreground(runs: &[u32]) -> impl Iterator<Item = (u32, u32)> + '_ {
    let mut at = 0;
    runs.chunks_exact(2).map(move |pair| {
        let start = at + pair[0];
        at = start + pair[1];
        (start, at)
    })
}

/// How many positions are foreground of both.
pub(super) fn common(a: &[u32], b: &[u32]) -> u32 {
    let (mut left, mut right) = (foreground(a).peekable(), foreground(b).peekable());
    let mut sum = 0;
    while let (Some(x), Some(y)) = (left.peek(), right.peek()) {
        sum += x.1.min(y.1).saturating_sub(x.0.max(y.0));
        if x.1 <= y.1 {
            left.next();
        } else {
            right.next();
        }
    }
    sum
}

/// The positions where `keep(in a, in b)`; both run lists sum to the same area.
pub(super) fn combine(a: &[u32], b: &[u32], keep: impl Fn(bool, bool) -> bool) -> Intervals {
    let mut result = Intervals::default();
    let (mut left, mut right) = (Cursor::new(a), Cursor::new(b));
    let mut at = 0;
    while let (Some(x), Some(y)) = (left.remaining(), right.remaining()) {
        let step = x.min(y);
        if keep(left.foreground(), right.foreground()) {
            result.push(at, at + step);
        }
        at += step;
        left.advance(step);
        right.advance(step);
    }
    result
}

struct Cursor<'a> {
    runs: &'a [u32],
    index: usize,
    used: u32,
}

impl<'a> Cursor<'a> {
    fn new(runs: &'a [u32]) -> Self {
        let mut cursor = Self { runs, index: 0, used: 0 };
        cursor.advance(0);
        cursor
    }

    fn remaining(&self) -> Option<u32> {
        self.runs.get(self.index).map(|run| run - self.used)
    }

    fn foreground(&self) -> bool {
        self.index % 2 == 1
    }

    fn advance(&mut self, step: u32) {
        self.used += step;
        while self.runs.get(self.index).is_some_and(|run| *run == self.used) {
            self.index += 1;
            self.used = 0;
        }
    }
}
