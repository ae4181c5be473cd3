//! Where each sample's bytes lie, found by its id.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Places by id. An id is kept as a 64-bit hash: of a million ids two share one with a probability of 3 in 100 million.
#[derive(Debug)]
pub struct Places<T>(Vec<(u64, T)>);

impl<T: Copy> Places<T> {
    /// The places of ids, no two of which are the same.
    pub fn new<'a>(places: impl Iterator<Item = (&'a str, T)>) -> Self {
        Self::of_hashes(places.map(|(id, place)| (hash(id), place)).collect())
    }

    /// The places of ids by their [hashes](hash).
    pub fn of_hashes(mut places: Vec<(u64, T)>) -> Self {
        places.shrink_to_fit();
        places.sort_unstable_by_key(|(hash, _)| *hash);
        Self(places)
    }

    /// Where a sample lies.
    pub fn find(&self, id: &str) -> Option<T> {
        let wanted = hash(id);
        self.0.binary_search_by_key(&wanted, |(hash, _)| *hash).ok().map(|at| self.0[at].1)
    }
}

/// An id's hash.
pub fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
