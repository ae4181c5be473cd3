use super::*;
use crate::arrangement::{MIN_AREA, MIN_VISIBLE};

fn scenes(config: ScenesConfig) -> Scenes {
    Scenes::new(config, Context::for_tests(&[])).unwrap()
}

fn pixels(scenes: &Scenes, index: u32) -> Vec<u8> {
    match scenes.image(&format!("scene-{index:05}")).unwrap() {
        ImageData::Pixels(image) => image.into_pixels(),
        other => panic!("{other:?}"),
    }
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn a_scene_is_the_same_alone_in_any_thread_and_in_any_dataset_that_has_it() {
    let first = scenes(ScenesConfig::default());
    let forwards: Vec<_> = (0..6).map(|index| checksum(&pixels(&first, index))).collect();
    let second = scenes(ScenesConfig { count: 6, seed: Some(0), ..ScenesConfig::default() });
    let backwards: Vec<_> = std::thread::scope(|scope| {
        let drawn: Vec<_> = (0..6)
            .rev()
            .map(|index| {
                (
                    index,
                    scope.spawn({
                        let second = &second;
                        move || checksum(&pixels(second, index))
                    }),
                )
            })
            .collect();
        drawn.into_iter().rev().map(|(_, thread)| thread.join().unwrap()).collect()
    });
    assert_eq!(forwards, backwards);
    let other = scenes(ScenesConfig { seed: Some(1), ..ScenesConfig::default() });
    assert!((0..6).all(|index| checksum(&pixels(&other, index)) != forwards[index as usize]));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn scenes_keep_their_bytes_from_version_to_version() {
    // whoever changes the drawings or their surroundings on purpose stores the new numbers here and raises the crate's version
    let scenes = scenes(ScenesConfig::default());
    assert_eq!([0, 7].map(|index| checksum(&pixels(&scenes, index))), [9_833_200_113_234_902_849, 16_678_182_426_832_175_084]);
}

#[test]
fn the_truth_has_different_classes_enough_of_each_and_the_label_is_the_largest() {
    let scenes = scenes(ScenesConfig { count: 200, ..ScenesConfig::default() });
    let mut by_count = [0; 5];
    for (index, sample) in scenes.samples().unwrap().into_iter().enumerate() {
        let truth = scenes.truth(&sample.id).unwrap().unwrap();
        assert_eq!(truth.len(), classes(&scenes.settings, index as u64).len(), "{} lost an object", sample.id);
        by_count[truth.len()] += 1;
        let areas: Vec<(u32, u32)> = truth.iter().map(|object| (object.mask.as_ref().unwrap().area(), object.class)).collect();
        assert_eq!(areas.iter().max().unwrap().1, sample.label, "{}: {areas:?}", sample.id);
        assert!(areas.iter().all(|(area, _)| *area as f32 >= MIN_AREA * 256.0 * 256.0), "{}: {areas:?}", sample.id);
        for (at, object) in truth.iter().enumerate() {
            for other in &truth[..at] {
                assert_ne!(object.class, other.class);
                assert_eq!(object.mask.as_ref().unwrap().iou(other.mask.as_ref().unwrap()).unwrap(), 0.0);
            }
        }
    }
    assert!(by_count[1..].iter().all(|count| *count >= 30), "{by_count:?}");
}

#[test]
fn most_of_every_object_is_visible() {
    let scenes = scenes(ScenesConfig { count: 100, ..ScenesConfig::default() });
    let mut least: f32 = 1.0;
    for index in 0..100 {
        let objects = arrange(&scenes.settings, &scenes.catalogue, index).unwrap();
        for (object, mask) in objects.iter().zip(visible_masks(&objects, 256).unwrap()) {
            least = least.min(mask.area() as f32 / object.stamp.solid().count() as f32);
        }
    }
    assert!((MIN_VISIBLE..0.95).contains(&least), "{least}: some objects should touch");
}

#[test]
fn a_mask_is_where_the_picture_changes_when_its_object_goes() {
    let scenes = scenes(ScenesConfig { count: 16, ..ScenesConfig::default() });
    for index in 0..16 {
        let mut objects = arrange(&scenes.settings, &scenes.catalogue, index).unwrap();
        let mask = visible_masks(&objects, 256).unwrap().pop().unwrap();
        let with = paint(&scenes.settings, index, &objects).unwrap();
        objects.pop();
        let without = paint(&scenes.settings, index, &objects).unwrap();
        let bounds = mask.bounding_box().unwrap();
        let (mut inside, mut changed) = (0, 0);
        for (at, covered) in mask.to_pixels().into_iter().enumerate() {
            let (x, y) = (at as u32 % 256, at as u32 / 256);
            let difference = (0..3).map(|channel| with.pixel(x, y)[channel].abs_diff(without.pixel(x, y)[channel])).max().unwrap();
            // a shadow reaches 14 pixels at this size
            let near = x + 16 >= bounds.x && x < bounds.x + bounds.width + 16 && y + 16 >= bounds.y && y < bounds.y + bounds.height + 16;
            assert!(near || difference == 0, "scene {index} changes at {x}, {y}, far from its object");
            inside += u32::from(covered == 1);
            changed += u32::from(covered == 1 && difference > 12);
        }
        assert!(f64::from(changed) > 0.8 * f64::from(inside), "scene {index}: {changed} of {inside} pixels show the object");
    }
}

#[test]
fn classes_are_balanced_as_labels_and_as_objects() {
    let scenes = scenes(ScenesConfig::default());
    let count = scenes.classes().len();
    let (mut labels, mut objects) = (vec![0; count], vec![0; count]);
    for sample in scenes.samples().unwrap() {
        labels[sample.label as usize] += 1;
    }
    for index in 0..400 {
        for class in classes(&scenes.settings, index) {
            objects[class] += 1;
        }
    }
    assert_eq!(labels, vec![400 / count; count]);
    let mean = objects.iter().sum::<usize>() / count;
    assert!(objects.iter().all(|number| (mean * 3 / 4..=mean * 5 / 4).contains(number)), "{objects:?}");
}

#[test]
fn small_crowded_and_large_scenes_can_be_drawn() {
    for (size, max_objects) in [(64, 6), (65, 1), (300, 6)] {
        let scenes = scenes(ScenesConfig { count: 24, size, max_objects, seed: Some(5) });
        for sample in scenes.samples().unwrap() {
            let truth = scenes.truth(&sample.id).unwrap().unwrap();
            assert!(!truth.is_empty() && truth.len() <= max_objects as usize);
            assert!(matches!(scenes.image(&sample.id).unwrap(), ImageData::Pixels(image) if image.width() == size && image.height() == size));
        }
    }
}

#[test]
fn bad_numbers_and_unknown_ids_are_refused() {
    for config in [
        ScenesConfig { max_objects: 7, ..ScenesConfig::default() },
        ScenesConfig { size: 8, ..ScenesConfig::default() },
        ScenesConfig { count: 1, ..ScenesConfig::default() },
    ] {
        assert!(Scenes::new(config, Context::for_tests(&[])).err().unwrap().to_string().contains(": choose "));
    }
    let scenes = scenes(ScenesConfig { count: 5, ..ScenesConfig::default() });
    for id in ["scene-00005", "scene-", "5"] {
        assert!(scenes.image(id).unwrap_err().to_string().contains("there are scene-00000 to scene-00004"), "{id}");
    }
}
