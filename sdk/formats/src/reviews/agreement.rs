//! Shares with their uncertainty, and the agreement of two people.

use serde::Serialize;

/// The quantile of the normal distribution for a two-sided interval of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// A share, and between what it lies with a confidence of 95 % (Wilson 1927, the score interval, which stays within [0, 1] and holds for small counts).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// `right / of`.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How many.
    pub right: u64,
    /// Of how many.
    pub of: u64,
}

impl Interval {
    /// The share of `right` in `of`; `None` of none, or of fewer than there are right ones.
    pub fn wilson(right: u64, of: u64) -> Option<Self> {
        if of == 0 || right > of {
            return None;
        }
        let n = of as f64;
        let share = right as f64 / n;
        let centre = share + Z * Z / (2.0 * n);
        let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        // At the ends the formula gives 0 and 1 but for rounding.
        let low = if right == 0 { 0.0 } else { (centre - half) / scale };
        let high = if right == of { 1.0 } else { (centre + half) / scale };
        Some(Self { value: share, low, high, right, of })
    }
}

/// How two people decided, of images that both have finished: pairs of an image and a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KappaTable {
    /// Both see the class.
    pub both: u64,
    /// The first one alone.
    pub first: u64,
    /// The second one alone.
    pub second: u64,
    /// Neither.
    pub neither: u64,
}

/// Agreement beyond chance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Kappa {
    /// Cohen's κ, at most 1; 0 is what chance would give.
    pub value: f64,
    /// Images that two people or more have finished.
    pub images: u64,
    /// Pairs of an image and a class that were decided on.
    pub labels: u64,
}

impl KappaTable {
    /// Counts a decision.
    pub fn add(&mut self, first: bool, second: bool) {
        *match (first, second) {
            (true, true) => &mut self.both,
            (true, false) => &mut self.first,
            (false, true) => &mut self.second,
            (false, false) => &mut self.neither,
        } += 1;
    }

    /// Cohen's κ (Cohen 1960); `None` without decisions, and where both always say the same one thing, so that chance would agree as well.
    pub fn kappa(&self) -> Option<f64> {
        let [both, first, second, neither] = [self.both, self.first, self.second, self.neither].map(|count| count as f64);
        let n = both + first + second + neither;
        let by_chance = ((both + first) * (both + second) + (neither + first) * (neither + second)) / (n * n);
        let agreed = (both + neither) / n;
        // 0 / 0 without decisions.
        (by_chance < 1.0).then(|| (agreed - by_chance) / (1.0 - by_chance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_statsmodels() {
        // statsmodels 0.15.0, proportion_confint(right, of, alpha=0.05, method="wilson")
        let expected = include_str!("../../tests/data/wilson.txt");
        for line in expected.lines() {
            let numbers: Vec<f64> = line.split_whitespace().map(|number| number.parse().unwrap()).collect();
            let interval = Interval::wilson(numbers[0] as u64, numbers[1] as u64).unwrap();
            assert!((interval.low - numbers[2]).abs() < 1e-12 && (interval.high - numbers[3]).abs() < 1e-12, "{line}: {interval:?}");
        }
        assert_eq!((Interval::wilson(0, 0), Interval::wilson(2, 1)), (None, None));
    }
}
