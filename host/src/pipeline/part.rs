//! The part of a run's shards that a process works on, where several share a run.

use std::collections::BTreeSet;

/// A part of a run's shards. Processes with a part share the run's place; each has a ledger and notes of its own there, called after the part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    name: String,
    shards: Shards,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shards {
    /// Every `count`-th, from `index` on.
    Every {
        index: usize,
        count: usize,
    },
    Listed(BTreeSet<usize>),
}

impl Part {
    /// Every `count`-th shard, from the `index`-th on.
    pub fn every(index: usize, count: usize) -> Self {
        Self { name: format!("{index}-of-{count}"), shards: Shards::Every { index, count } }
    }

    /// All shards, worked on beside the run: the files are called after `name`.
    pub fn beside(name: &str) -> Self {
        Self { name: name.to_owned(), shards: Shards::Every { index: 0, count: 1 } }
    }

    /// These shards.
    pub fn listed(shards: BTreeSet<usize>) -> Self {
        let list: Vec<String> = shards.iter().map(usize::to_string).collect();
        let list = list.join("-");
        // The same command finds its notes again; a file's name has an end.
        let name = if list.len() <= 64 { format!("shards-{list}") } else { format!("shards-{}", &blake3::hash(list.as_bytes()).to_hex()[..16]) };
        Self { name, shards: Shards::Listed(shards) }
    }

    /// The shards that a worker of this name is given one by one.
    pub fn worker(name: &str) -> Self {
        Self { name: name.to_owned(), shards: Shards::Listed(BTreeSet::new()) }
    }

    /// What the part's files are called after.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is all of them.
    pub fn is_whole(&self) -> bool {
        matches!(self.shards, Shards::Every { count: 1, .. })
    }

    /// Its shards, of so many.
    pub fn of(&self, count: usize) -> Vec<usize> {
        match &self.shards {
            Shards::Every { index, count: parts } => (*index..count).step_by(*parts).collect(),
            Shards::Listed(shards) => shards.range(..count).copied().collect(),
        }
    }

    /// The first shard that it lists and that a run of so many does not have.
    pub fn beyond(&self, count: usize) -> Option<usize> {
        match &self.shards {
            Shards::Every { .. } => None,
            Shards::Listed(shards) => shards.range(count..).next().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_every_nth_shard_or_those_that_are_listed() {
        assert_eq!((Part::every(1, 3).of(8), Part::every(1, 3).name()), (vec![1, 4, 7], "1-of-3"));
        let listed = Part::listed([17, 3, 42].into());
        assert_eq!((listed.of(20), listed.name(), listed.beyond(20), listed.beyond(43)), (vec![3, 17], "shards-3-17-42", Some(42), None));
        assert!(Part::listed((0..1000).collect()).name().len() < 30);
        assert!(Part::every(0, 1).is_whole() && !Part::every(0, 2).is_whole() && Part::worker("worker-a-0").of(9).is_empty());
    }
}
