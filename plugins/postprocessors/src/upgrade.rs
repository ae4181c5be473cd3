//! How many images must get a missing class so that our labels have the frequencies of the truth (paper E.2, equation 6).

/// Our labels of the calibration images: how many have class a, class b, both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// N_a.
    pub a: u64,
    /// N_b.
    pub b: u64,
    /// N_ab.
    pub together: u64,
}

/// Images labelled with one class of a pair that must get the other one as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgrades {
    /// M_a: of those labelled with a and not b, so many get b.
    pub of_a: u64,
    /// M_b: of those labelled with b and not a, so many get a.
    pub of_b: u64,
}

impl Counts {
    /// The solution of P(b|a) = (N_ab + M_b) / (N_a + M_b) and P(a|b) = (N_ab + M_a) / (N_b + M_a), rounded to whole images, at least none and
    /// at most the images labelled with one class only. Where P is 1 no finite number is enough: all of them.
    pub fn upgrades(self, b_given_a: f64, a_given_b: f64) -> Upgrades {
        Upgrades {
            of_a: missing(a_given_b, self.b, self.together, self.a - self.together),
            of_b: missing(b_given_a, self.a, self.together, self.b - self.together),
        }
    }
}

/// M with `wanted` = (together + M) / (all + M).
fn missing(wanted: f64, all: u64, together: u64, most: u64) -> u64 {
    if wanted >= 1.0 {
        return most;
    }
    let exact = (wanted * all as f64 - together as f64) / (1.0 - wanted);
    exact.round().clamp(0.0, most as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_worked_example() {
        // P(b|a) = 0.4, P(a|b) = 0.5; ours: 100 a, 80 b, 20 both.
        // M_b = (0.4·100 − 20) / 0.6 = 33.3, and (20 + 33.3) / (100 + 33.3) = 0.4;  M_a = (0.5·80 − 20) / 0.5 = 40, and (20 + 40) / (80 + 40) = 0.5.
        assert_eq!(Counts { a: 100, b: 80, together: 20 }.upgrades(0.4, 0.5), Upgrades { of_a: 40, of_b: 33 });
    }

    #[test]
    fn both_equations_hold_to_within_one_image_where_no_cap_does() {
        for (a, b, together) in [(100, 80, 20), (57, 91, 3), (1000, 400, 111), (7, 9, 1)] {
            let counts = Counts { a, b, together };
            for percent in 1..100 {
                let wanted = f64::from(percent) / 100.0;
                let Upgrades { of_a, of_b } = counts.upgrades(wanted, wanted);
                let off = |all: u64, more: u64| (wanted * (all + more) as f64 - (together + more) as f64).abs();
                assert!(of_b == 0 || of_b == b - together || off(a, of_b) <= 1.0, "M_b {of_b} of {counts:?}, P {wanted}");
                assert!(of_a == 0 || of_a == a - together || off(b, of_a) <= 1.0, "M_a {of_a} of {counts:?}, P {wanted}");
            }
        }
    }

    #[test]
    fn the_caps_hold() {
        let counts = Counts { a: 100, b: 30, together: 20 };
        // More than 0.2 of our a have b already: nothing is missing.
        assert_eq!(counts.upgrades(0.1, 0.1), Upgrades { of_a: 0, of_b: 0 });
        // (0.9·100 − 20) / 0.1 = 700 images, but only 10 are labelled b alone; P = 1 asks for all.
        assert_eq!(counts.upgrades(0.9, 1.0), Upgrades { of_a: 80, of_b: 10 });
        assert_eq!(Counts { a: 0, b: 0, together: 0 }.upgrades(0.5, 0.5), Upgrades { of_a: 0, of_b: 0 });
    }
}
