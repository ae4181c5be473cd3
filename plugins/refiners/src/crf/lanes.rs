//! Numbers of several points at once, in a shape that the compiler takes for one vector register. Of loops over longer arrays it makes scalar code, three times as slow.

use std::ops::{Add, Mul, Sub};

/// Points at once: a register of every x86-64 and ARM64 processor.
pub(super) const LANES: usize = 4;

/// A number of each of [`LANES`] points.
#[derive(Clone, Copy)]
pub(super) struct Lanes(pub [f32; LANES]);

impl Lanes {
    #[inline(always)]
    pub fn all(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    pub fn max(self, other: Self) -> Self {
        self.zip_with(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    pub fn min(self, other: Self) -> Self {
        self.zip_with(other, |a, b| if a < b { a } else { b })
    }

    /// 1 where it is below the other, else 0.
    #[inline(always)]
    pub fn is_below(self, other: Self) -> Self {
        self.zip_with(other, |a, b| if a < b { 1.0 } else { 0.0 })
    }

    /// To the nearest integers, ties to even, for magnitudes below 2^22; two instructions on every machine.
    #[inline(always)]
    pub fn round(self) -> Self {
        self + Self::all(SHIFT) - Self::all(SHIFT)
    }

    /// Whole numbers of magnitudes below 2^22 as integers: the lowest bits of the sums.
    #[inline(always)]
    pub fn integers(self) -> [i32; LANES] {
        (self + Self::all(SHIFT)).0.map(|sum| sum.to_bits().wrapping_sub(SHIFT.to_bits()) as i32)
    }

    #[inline(always)]
    fn zip_with(self, other: Self, combine: impl Fn(f32, f32) -> f32) -> Self {
        let (Self([a, b, c, d]), Self([e, f, g, h])) = (self, other);
        Self([combine(a, e), combine(b, f), combine(c, g), combine(d, h)])
    }
}

/// 1.5 * 2^23: a sum with it has no bits left for a fraction.
const SHIFT: f32 = 12_582_912.0;

impl Add for Lanes {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip_with(other, |a, b| a + b)
    }
}

impl Sub for Lanes {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip_with(other, |a, b| a - b)
    }
}

impl Mul for Lanes {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip_with(other, |a, b| a * b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_become_integers() {
        assert_eq!(Lanes([-300.0, -1.0, 0.0, 4_000_000.0]).integers(), [-300, -1, 0, 4_000_000]);
        assert_eq!(Lanes([2.5, -1.5, 0.49, 7.0]).round().0, [2.0, -2.0, 0.0, 7.0]);
    }
}
