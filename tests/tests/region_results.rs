//! A run's region results as the labeler of another: the same labels without a backbone.

use convert_tests::{Place, stderr};

const FIRST: &str = "version: 1
work_dir: first
dataset: { plugin: image-folder, root: data }
proposals:
  - { plugin: grid, config: { cells: 2 } }
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 96, epochs: 3, hidden: 32 } }
aggregate: { mode: soft, global: none }
export:
  - { plugin: multilabel-tsv, file: labels.tsv }
  - { plugin: cutler-coco, file: masks.json }
  - { plugin: region-results, file: regions.json }
";

const SECOND: &str = "version: 1
work_dir: second
dataset: { plugin: image-folder, root: data }
proposals:
  - { plugin: coco-masks, config: { file: first/masks.json } }
select: { plugin: keep-largest }
label: { plugin: region-results, checkpoint: first/regions.json }
aggregate: { mode: soft, global: none }
export:
  - { plugin: multilabel-tsv, file: labels.tsv }
  - { plugin: region-results, file: regions.json }
";

fn run(place: &Place, recipe: &str, code: i32) -> String {
    std::fs::write(place.path("recipe.yaml"), recipe).unwrap();
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    stderr(&output)
}

fn entries(place: &Place, file: &str) -> Vec<(String, Vec<(String, String)>)> {
    let text = std::fs::read_to_string(place.path(file)).unwrap();
    let line = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let pairs = columns[2].split(',').zip(columns[3].split(',')).map(|(class, p)| (class.to_owned(), p.to_owned()));
        (columns[0].to_owned(), pairs.collect())
    };
    text.lines().map(line).collect()
}

fn first_run(classes: &[&str]) -> Place {
    let place = Place::new(FIRST);
    place.write_images(classes, 2);
    run(&place, FIRST, 0);
    place
}

#[test]
fn with_five_classes_nothing_is_lost() {
    let place = first_run(&["apple", "cherry", "fig", "pear", "plum"]);
    run(&place, SECOND, 0);
    for file in ["labels.tsv", "regions.json"] {
        let read = |work: &str| std::fs::read(place.path(work).join(file)).unwrap();
        assert!(read("first") == read("second"), "{file} differs");
    }
}

#[test]
fn with_more_classes_what_is_below_the_best_five_of_every_mask_is() {
    let place = first_run(&["apple", "cherry", "fig", "grape", "lemon", "mango", "pear", "plum"]);
    run(&place, SECOND, 0);
    let (first, second) = (entries(&place, "first/labels.tsv"), entries(&place, "second/labels.tsv"));
    assert_eq!(first.len(), second.len());
    let mut lost = 0;
    for ((id, all), (same, kept)) in first.iter().zip(&second) {
        assert_eq!(id, same);
        assert!(kept.len() >= 5, "{kept:?}");
        let best = |entries: &[(String, String)]| entries.iter().map(|(_, p)| p.clone()).max();
        assert_eq!(best(all), best(kept), "{id}");
        for (class, p) in all {
            let kept = kept.iter().find(|(other, _)| other == class);
            // A class that some mask lost may keep the lower probability of another mask.
            assert!(kept.is_none_or(|(_, kept)| kept.parse::<f32>().unwrap() <= p.parse::<f32>().unwrap()), "{id} {class}: {kept:?} of {p}");
            lost += u32::from(kept.is_none());
        }
    }
    assert!(lost > 0, "eight classes do not fit into five values");
}

#[test]
fn it_cannot_be_trained_and_wants_annotation_ids() {
    let place = first_run(&["apple", "pear"]);
    let text = run(&place, &SECOND.replace(", checkpoint: first/regions.json", ""), 1);
    assert!(text.contains("region-results cannot be trained: name the file of results as `checkpoint`"), "{text}");
    let text = run(&place, &SECOND.replace("coco-masks, config: { file: first/masks.json }", "grid, config: { cells: 2 }"), 1);
    assert!(text.contains("region-results needs the proposals of coco-masks"), "{text}");
}
