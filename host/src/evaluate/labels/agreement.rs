//! How two label sets of an image relate (paper 4 and D.1).

use serde::Serialize;

/// Images by the relation of the predicted to the true labels; all but `disjoint` sum to the images compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// No true label.
    pub truth_empty: u64,
    /// The same labels.
    pub exact: u64,
    /// All true labels and more.
    pub ours_superset: u64,
    /// Some of the true labels, or none at all, and no other.
    pub truth_superset: u64,
    /// Each has labels that the other lacks.
    pub partial: u64,
    /// Those of `partial` that share no label.
    pub disjoint: u64,
}

impl Agreement {
    /// Counts an image; both label sets are sorted, each class once.
    pub fn add(&mut self, ours: &[u32], truth: &[u32]) {
        let shared = ours.iter().filter(|class| truth.binary_search(class).is_ok()).count();
        match (shared == ours.len(), shared == truth.len()) {
            _ if truth.is_empty() => self.truth_empty += 1,
            (true, true) => self.exact += 1,
            (false, true) => self.ours_superset += 1,
            (true, false) => self.truth_superset += 1,
            (false, false) => {
                self.partial += 1;
                self.disjoint += u64::from(shared == 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_relation_has_its_group() {
        let check = |ours: &[u32], truth: &[u32], expected: [u64; 6]| {
            let mut groups = Agreement::default();
            groups.add(ours, truth);
            let Agreement { truth_empty, exact, ours_superset, truth_superset, partial, disjoint } = groups;
            assert_eq!([truth_empty, exact, ours_superset, truth_superset, partial, disjoint], expected, "{ours:?} {truth:?}");
        };
        check(&[1], &[], [1, 0, 0, 0, 0, 0]);
        check(&[], &[], [1, 0, 0, 0, 0, 0]);
        check(&[1, 5], &[1, 5], [0, 1, 0, 0, 0, 0]);
        check(&[1, 5], &[5], [0, 0, 1, 0, 0, 0]);
        check(&[5], &[1, 5], [0, 0, 0, 1, 0, 0]);
        check(&[], &[1], [0, 0, 0, 1, 0, 0]);
        check(&[1, 2], &[2, 3], [0, 0, 0, 0, 1, 0]);
        check(&[1], &[2], [0, 0, 0, 0, 1, 1]);
    }
}
