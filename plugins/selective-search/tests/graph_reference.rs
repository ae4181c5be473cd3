//! The segments of a small image are those of scikit-image (tests/data/make_graph.py).

use convert_selective_search::Graph;
use serde_json::Value;

fn numbers(value: &Value) -> impl Iterator<Item = u32> {
    value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as u32)
}

#[test]
fn segments_are_those_of_scikit_image() {
    let stored: Value = serde_json::from_str(include_str!("data/graph.json")).unwrap();
    let colours: Vec<f32> = numbers(&stored["colours"]).map(|value| value as f32 / 256.0).collect();
    let graph = Graph::new(colours.as_chunks::<3>().0, stored["width"].as_u64().unwrap() as usize);
    for case in stored["cases"].as_array().unwrap() {
        let (k, min_size) = (case["k"].as_f64().unwrap() as f32, case["min_size"].as_u64().unwrap() as u32);
        let (found, expected) = (graph.segments(k, min_size), numbers(&case["labels"]).collect::<Vec<_>>());
        assert_eq!(found.labels, expected, "k {k}, at least {min_size} pixels");
        assert_eq!(found.count as u32, expected.iter().max().unwrap() + 1);
    }
}
