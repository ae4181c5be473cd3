//! Images, labels, label maps and reliability: what is refused, and what is counted.

use convert_sdk::*;

#[test]
fn wrong_byte_counts_and_empty_sides_are_refused() {
    assert!(Image::new(2, 2, vec![0; 11]).is_err());
    assert!(Image::new(0, 2, vec![]).is_err());
}

#[test]
fn resizing_keeps_a_single_colour_exactly() {
    let image = Image::new(7, 5, [10, 200, 33].repeat(35)).unwrap();
    let resized = image.resize_lanczos(480, 3).unwrap();
    assert_eq!(resized.pixels(), [10, 200, 33].repeat(480 * 3));
}

#[test]
fn a_lazy_image_is_loaded_once() {
    let loads = std::sync::atomic::AtomicU32::new(0);
    let lazy = LazyImage::new(|| {
        loads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Image::new(1, 1, vec![1, 2, 3])
    });
    assert_eq!(lazy.get().unwrap().pixel(0, 0), [1, 2, 3]);
    lazy.get().unwrap();
    assert_eq!(loads.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn only_numbers_from_0_to_1_are_probabilities() {
    assert!(Probability::new(1.0).is_ok());
    for bad in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
        assert!(Probability::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_vector_keeps_the_highest_score_of_each_class_in_class_order() {
    let mut vector = LabelVector::default();
    for (class, p) in [(7, 0.2), (3, 0.9), (7, 0.6), (3, 0.1), (5, 0.0)] {
        vector.raise(class, Probability::new(p).unwrap());
    }
    assert_eq!(vector.entries().iter().map(|e| (e.class, e.probability.get())).collect::<Vec<_>>(), [(3, 0.9), (7, 0.6)]);
    assert_eq!(vector.above(0.6).collect::<Vec<_>>(), [3]);
    assert_eq!(vector.get(5), 0.0);
}

#[test]
fn a_map_is_read_cell_by_cell() {
    let map = LabelMap::new(2, 1, 3, vec![3.0, 2.0, 1.0, 0.5, 0.25, 0.125], vec![7, 8, 9, 1, 2, 3]).unwrap();
    assert_eq!(map.cell(1).collect::<Vec<_>>(), [(8, 2.0), (2, 0.25)]);
}

#[test]
fn wrong_sizes_numbers_and_classes_are_refused_in_words() {
    let refused = |depth, logits: &[f32], classes: &[u32]| LabelMap::new(depth, 1, 1, logits.to_vec(), classes.to_vec()).unwrap_err().to_string();
    assert_eq!(refused(2, &[1.0], &[1]), "a label map of 2 classes a cell and 1x1 cells needs 2 logits and classes, got 1 and 1");
    assert_eq!(refused(1, &[f32::NAN], &[1]), "a label map holds the logit NaN");
    assert_eq!(refused(2, &[1.0, 2.0], &[4, 4]), "cell 0 of a label map holds the class 4 twice");
    assert!(LabelMap::new(0, 1, 1, vec![], vec![]).is_err());
}

#[test]
fn the_error_is_the_mean_gap_between_confidence_and_accuracy() {
    let mut counter = ReliabilityCounter::default();
    // Two at 0.85 of which one is right: a gap of 0.35. Two right ones at 1: none.
    for (probability, right) in [(0.85, true), (0.85, false), (1.0, true), (1.0, true)] {
        counter.add(probability, right);
    }
    let reliability = counter.reliability().unwrap();
    assert!((reliability.ece - 0.175).abs() < 1e-12, "{}", reliability.ece);
    assert_eq!(reliability.bins.iter().map(|bin| bin.count).collect::<Vec<_>>(), [0, 0, 0, 0, 0, 0, 0, 0, 2, 2]);
    assert_eq!((reliability.bins[8].accuracy, reliability.bins[9].confidence), (0.5, 1.0));
    assert_eq!(ReliabilityCounter::default().reliability(), None);
}
