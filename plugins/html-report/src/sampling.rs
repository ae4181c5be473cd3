//! Which images the gallery shows: no more than a fixed number is held at any moment, and the choice depends on ids and seed alone.

use std::sync::Arc;

/// Keeps the values of the highest keys seen so far.
struct Highest<K, V> {
    capacity: usize,
    /// By descending key.
    entries: Vec<(K, V)>,
}

impl<K: Ord, V> Highest<K, V> {
    fn new(capacity: usize) -> Self {
        Self { capacity, entries: Vec::new() }
    }

    fn wants(&self, key: &K) -> bool {
        self.capacity > 0 && (self.entries.len() < self.capacity || self.entries.last().is_some_and(|(lowest, _)| key > lowest))
    }

    fn insert(&mut self, key: K, value: V) {
        if !self.wants(&key) {
            return;
        }
        let at = self.entries.partition_point(|(other, _)| *other > key);
        self.entries.insert(at, (key, value));
        self.entries.truncate(self.capacity);
    }
}

/// How an image competes for a place in the gallery.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Label mass that the run added: the sum of the probabilities of all classes but the original label.
    added: f32,
    /// A hash of seed and id.
    lot: [u8; 32],
    id: String,
}

impl Claim {
    /// The claim of an image.
    pub fn new(seed: u64, id: &str, added: f32) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(id.as_bytes());
        Self { added: added.max(0.0), lot: *hasher.finalize().as_bytes(), id: id.into() }
    }

    /// Bits of a number that is not negative are in its own order; the hash decides between equal ones.
    fn by_change(&self) -> (u32, [u8; 32]) {
        (self.added.to_bits(), self.lot)
    }
}

/// The gallery's choice: half of the places go to the most changed images, the rest to images drawn by lot.
pub struct Gallery<V> {
    places: usize,
    changed: Highest<(u32, [u8; 32]), (String, Arc<V>)>,
    drawn: Highest<[u8; 32], (String, Arc<V>)>,
}

impl<V> Gallery<V> {
    /// An empty gallery with so many places.
    pub fn new(places: usize) -> Self {
        // as many are drawn as there are places, since any of them may turn out to be one of the most changed
        Self { places, changed: Highest::new(places / 2), drawn: Highest::new(places) }
    }

    /// Whether the image has a place so far, so that its picture is worth making.
    pub fn wants(&self, claim: &Claim) -> bool {
        self.drawn.wants(&claim.lot) || (claim.added > 0.0 && self.changed.wants(&claim.by_change()))
    }

    /// Gives an image its place.
    pub fn insert(&mut self, claim: Claim, value: V) {
        let value = Arc::new(value);
        if claim.added > 0.0 {
            self.changed.insert(claim.by_change(), (claim.id.clone(), Arc::clone(&value)));
        }
        self.drawn.insert(claim.lot, (claim.id, value));
    }

    /// The chosen images: the most changed first, then those drawn by lot.
    pub fn chosen(&self) -> Vec<Arc<V>> {
        let changed = self.changed.entries.iter().map(|(_, entry)| entry);
        let is_changed = |id: &String| self.changed.entries.iter().any(|(_, (other, _))| other == id);
        let drawn = self.drawn.entries.iter().map(|(_, entry)| entry).filter(|(id, _)| !is_changed(id));
        changed.chain(drawn).take(self.places).map(|(_, value)| Arc::clone(value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(places: usize, seed: u64, images: u32) -> Vec<u32> {
        let mut gallery = Gallery::new(places);
        for image in 0..images {
            let claim = Claim::new(seed, &format!("image {image}"), (image % 100) as f32 / 50.0);
            if gallery.wants(&claim) {
                gallery.insert(claim, image);
            }
        }
        gallery.chosen().iter().map(|value| **value).collect()
    }

    #[test]
    fn half_are_the_most_changed_and_nothing_is_shown_twice() {
        let chosen = choose(20, 3, 1000);
        assert_eq!(chosen.len(), 20);
        assert!(chosen[..10].iter().all(|image| image % 100 == 99), "{chosen:?}");
        let mut unique = chosen.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), 20);
    }

    #[test]
    fn the_choice_follows_the_seed_alone() {
        assert_eq!(choose(20, 3, 1000), choose(20, 3, 1000));
        assert_ne!(choose(20, 3, 1000), choose(20, 4, 1000));
    }

    #[test]
    fn fewer_images_than_places_are_all_shown() {
        for (places, images) in [(20, 7), (20, 20), (1, 1), (0, 5), (3, 0)] {
            assert_eq!(choose(places, 0, images).len(), places.min(images as usize), "{places} places, {images} images");
        }
    }
}
