//! Masks and COCO files.

use serde_json::{Value, json};

use super::{HostileFile, damaged};

/// Segmentations of an image of 10 x 10 pixels that are no masks of it, or cost more than they look like.
pub fn segmentations() -> Vec<Value> {
    let rle = |height: i64, width: i64, counts: Value| json!({"size": [height, width], "counts": counts});
    let corners = |numbers: Vec<f64>| json!([numbers]);
    let zigzag = |count: usize, far: f64| (0..count).flat_map(|at| [if at % 2 == 0 { 0.0 } else { far }, (at % 10) as f64]).collect::<Vec<f64>>();
    let mut all = vec![
        rle(65_535, 65_535, json!([4_294_836_225u64])),
        rle(65_535, 65_535, json!([0, 4_294_836_225u64])),
        rle(65_535, 65_535, json!("0")),
        rle(65_536, 65_536, json!([4_294_967_295u64, 1])),
        rle(1, 178_956_970, json!([0, 178_956_970])),
        rle(13_000, 13_000, json!([0, 169_000_000])),
        rle(4_294_967_295, 4_294_967_295, json!([1])),
        rle(10, 10, json!([4_294_967_295u64, 4_294_967_295u64, 102])),
        rle(10, 10, json!([100, 4_294_967_296u64])),
        rle(10, 10, json!([-1, 101])),
        rle(10, 10, json!([99.5, 0.5])),
        rle(10, 10, json!(vec![0; 200_000])),
        rle(10, 10, json!("0".repeat(200_000))),
        rle(10, 10, json!("PPPPPPPPPPPP0")),
        rle(10, 10, json!("oooooooooooo")),
        rle(10, 10, json!("T3O1")),
        rle(10, 10, json!("\u{e9}\u{1f600}")),
        rle(10, 10, json!("\u{0}\u{1b}[2J")),
        rle(10, 10, json!("")),
        rle(10, 10, json!([])),
        rle(10, 10, json!({"a": 1})),
        rle(0, 0, json!([])),
        rle(-10, 10, json!([100])),
        json!({"size": [10], "counts": [100]}),
        json!({"size": [10, 10, 10], "counts": [100]}),
        json!({"size": "10x10", "counts": [100]}),
        json!({"counts": [100]}),
        json!({"size": [10, 10]}),
        json!("RLE"),
        json!(7),
        json!([7]),
        json!([[]]),
        json!([[1, 2, 3, 4]]),
        json!([[1, 2, 3, 4, 5]]),
        json!([["a", "b", "c", "d", "e", "f"]]),
        corners(vec![1e308; 8]),
        corners(vec![-1e308, 1e308, 0.0, 0.0, 1.0, 1.0]),
        corners(vec![262_139.0, 262_139.0, -262_139.0, 262_139.0, -262_139.0, -262_139.0]),
        corners(zigzag(20_000, 262_000.0)),
        corners(zigzag(20_000, 9.0)),
        corners(zigzag(600_000, 1.0)),
        json!(vec![[0.0, 0.0, 9.0, 0.0, 9.0, 9.0]; 20_000]),
        json!(vec![[f64::MIN_POSITIVE; 6]; 1000]),
        json!([[0, 0, 10, 0, 10, 10, 0, 10], [-5, -5, -1, -5, -1, -1]]),
    ];
    let mut deep = json!([]);
    (0..100).for_each(|_| deep = json!([deep]));
    all.push(deep);
    all
}

/// Whole COCO files.
pub fn coco_files() -> Vec<HostileFile> {
    let image = |id: i64| json!({"id": id, "file_name": format!("{id}.png"), "width": 10, "height": 10});
    let categories = json!([{"id": 1, "name": "one"}, {"id": 2, "name": "two"}]);
    let annotation = |image: i64, category: i64| json!({"id": 1, "image_id": image, "category_id": category, "bbox": [0, 0, 5, 5], "area": 25});
    let file = |images: Value, annotations: Value, categories: &Value| {
        json!({"images": images, "annotations": annotations, "categories": categories}).to_string()
    };
    let whole = file(json!([image(1), image(2)]), json!([annotation(1, 1), annotation(2, 2)]), &categories);
    let mut files = damaged("coco", "json", whole.as_bytes(), 6);
    let wide = json!({"id": 1, "file_name": "1.png", "width": 178_956_970, "height": 1});
    let stripe = json!({"image_id": 1, "category_id": 1, "segmentation": [[0, 0, 262_000, 0, 262_000, 1, 0, 1]]});
    let texts = [
        ("nothing", String::new()),
        ("empty", "{}".to_owned()),
        ("list", "[]".to_owned()),
        ("brackets", "[".repeat(1_000_000)),
        ("braces", "{\"images\":".repeat(100_000)),
        ("numbers", "1".repeat(1_000_000)),
        ("numbers-in-images", format!("{{\"images\": [{}]}}", vec!["1"; 100_000].join(","))),
        ("text", format!("{{\"images\": \"{}\"}}", "a".repeat(1_000_000))),
        ("no-objects", file(json!([image(1)]), json!([]), &categories)),
        ("unknown-image", file(json!([image(1)]), json!([annotation(77, 1)]), &categories)),
        ("unknown-category", file(json!([image(1)]), json!([annotation(1, 77)]), &categories)),
        ("one-category", file(json!([image(1)]), json!([annotation(1, 1)]), &json!([{"id": 1, "name": "one"}]))),
        ("twice", file(json!([image(1), image(1)]), json!([annotation(1, 1)]), &categories)),
        ("negative", file(json!([image(-1)]), json!([annotation(-1, 1)]), &categories)),
        ("huge-ids", whole.replace("\"id\":1", "\"id\":99999999999999999999999")),
        ("huge-category", whole.replace("\"category_id\":2", "\"category_id\":18446744073709551615")),
        ("control", whole.replace("2.png", "\\u001b[2J\\n2.png")),
        ("outside", whole.replace("2.png", "../../../../etc/passwd")),
        ("device", whole.replace("2.png", "/dev/zero")),
        ("nul", whole.replace("2.png", "\\u0000")),
        ("box", whole.replace("[0,0,5,5]", "[1e308,1e308,1e308,1e308]").replace("\"area\":25", "\"area\":1e308")),
        ("largest-image", whole.replace("\"width\":10", "\"width\":4294967295").replace("\"height\":10", "\"height\":4294967295")),
        ("stripes", file(json!([wide]), json!(vec![stripe; 100]), &categories)),
        ("labels", whole.replace("\"width\":10", "\"labels\":[{\"category_id\":18446744073709551615,\"probability\":1e39}]")),
    ];
    files.extend(texts.map(|(name, text)| (format!("{name}.json"), text.into_bytes())));
    files
}
