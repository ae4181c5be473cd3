//! `convert view`: who may ask, what is found, what people say and what becomes of it, and regions named by hand.

use std::collections::{BTreeMap, BTreeSet};

use convert_sdk::{BoundingBox, Mask};
use convert_tests::viewer::Viewer;
use convert_tests::{Place, convert, stderr, stdout};
use serde_json::{Value, json};

const RECIPE: &str = "version: 1
work_dir: work
shard_size: 16
dataset: { plugin: scenes, count: 40, size: 128 }
proposals:
  - { name: coarse, plugin: maskcut, config: { backbone: { family: patch-stats }, input_size: 96, tau: 0.9, masks: 3, min_area: 0.0 } }
  - { name: cells, plugin: grid, config: { cells: 2 } }
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 96, epochs: 30, hidden: 32 } }
export: [ { plugin: multilabel-tsv, file: labels.tsv }, { plugin: coco, file: annotations.json } ]
";

/// A finished run.
fn run() -> Place {
    let place = Place::new(RECIPE);
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    place
}

/// By id, the probabilities of the exported labels.
fn exported(place: &Place) -> BTreeMap<String, BTreeMap<u32, f64>> {
    let text = String::from_utf8(place.result("labels.tsv")).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let list = |cell: &str| cell.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let labels = list(cells[2]).into_iter().zip(list(cells[3])).map(|(class, p)| (class.parse().unwrap(), p.parse().unwrap()));
        (cells[0].to_owned(), labels.collect())
    };
    text.lines().map(row).collect()
}

#[test]
fn only_those_are_answered_who_have_the_token_and_come_from_the_page() {
    let place = run();
    let viewer = Viewer::start(&place.path("work"), &[]);
    let cookie = viewer.cookie().to_owned();
    let host = viewer.origin.strip_prefix("http://").unwrap().to_owned();
    for path in ["/", "/app.js", "/api/run", "/api/image/0", "/nothing"] {
        assert_eq!(viewer.bare(path, &[]).0, 401, "{path}");
        assert_eq!(viewer.bare(path, &[("cookie", "convert-view=1234")]).0, 401, "{path}");
        // A page that a name of somebody else's leads to this machine with (DNS rebinding).
        let (status, text) = viewer.bare(path, &[("cookie", &cookie), ("host", "evil.example:80")]);
        assert!(status == 403 && text.contains("evil.example"), "{path}: {status} {text}");
        assert_eq!(viewer.bare(path, &[("cookie", &cookie), ("origin", "http://evil.example")]).0, 403, "{path}");
    }
    assert_eq!(viewer.bare("/?token=0123", &[]).0, 401);
    assert_eq!(viewer.bare("/", &[("cookie", &cookie), ("origin", &viewer.origin)]).0, 200);
    assert_eq!(viewer.bare("/api/run", &[("cookie", &cookie), ("host", &host)]).0, 200);
    // Samples go by number: nothing else leads to a file.
    for path in [
        "/api/image/..%2F..%2Fetc%2Fpasswd",
        "/api/sample/../../etc/passwd",
        "/../../etc/passwd",
        "/api/image/-1",
        "/api/image/40",
        "/api/sample/999999",
    ] {
        let (status, _, body) = viewer.get(path);
        assert!(status == 404 || status == 400, "{path}: {status} {}", String::from_utf8_lossy(&body));
    }
    // What is refused is refused in JSON, in one line.
    for path in ["/api/image/-1", "/api/sample/none", "/api/rows", "/api/thumbnail/1?size=big", "/api/nothing"] {
        let (status, kind, body) = viewer.get(path);
        let refusal: Value = serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{path}: {}", String::from_utf8_lossy(&body)));
        assert!(status >= 400 && kind == "application/json" && !refusal["error"].as_str().unwrap().contains('\n'), "{path}: {refusal}");
    }
    for (status, text) in [viewer.bare("/api/run", &[]), viewer.bare("/api/reviews", &[("cookie", &cookie)])] {
        assert!(status >= 400 && serde_json::from_str::<Value>(&text).is_ok_and(|refusal| refusal["error"].is_string()), "{status} {text}");
    }
    for body in [json!({ "sample": "5" }), json!([1])] {
        let (status, refusal) = viewer.post("/api/predict", &body);
        assert!(status >= 400 && refusal["error"].is_string(), "{status} {refusal}");
    }
    let (_, kind, page) = viewer.get("/");
    assert!(kind.starts_with("text/html") && !String::from_utf8(page).unwrap().contains("http"), "the page works offline");
    assert_eq!(viewer.interrupt(), Some(0));
}

#[test]
fn what_a_query_finds_is_what_was_exported() {
    let place = run();
    let labels = exported(&place);
    let viewer = Viewer::start(&place.path("work"), &[]);
    let run = viewer.json("/api/run");
    assert_eq!((run["samples"].as_u64(), run["sources"].clone(), run["truth"].clone()), (Some(40), json!(["coarse", "cells"]), json!(true)));
    let all = viewer.query("");
    assert_eq!(all, (0..40).collect::<Vec<_>>());
    let rows = viewer.json(&format!("/api/rows?samples={}", all.iter().map(u32::to_string).collect::<Vec<_>>().join(",")));
    let rows = rows.as_array().unwrap();
    let above = |row: &Value, tau: f64| -> BTreeSet<u32> {
        let labels = row["labels"].as_array().unwrap().iter();
        labels.filter(|label| label[1].as_f64().unwrap() > tau).map(|label| label[0].as_u64().unwrap() as u32).collect()
    };
    for row in rows {
        let expected: BTreeSet<u32> = labels[row["id"].as_str().unwrap()].iter().filter(|(_, p)| **p > 0.5).map(|(class, _)| *class).collect();
        assert_eq!(above(row, 0.5), expected, "{row}");
    }
    let chosen = |holds: &dyn Fn(&Value) -> bool| -> Vec<u32> {
        rows.iter().filter(|row| holds(row)).map(|row| row["sample"].as_u64().unwrap() as u32).collect()
    };
    let given = |row: &Value| row["given"].as_u64().unwrap() as u32;
    let class = given(&rows[0]);
    let other = rows
        .iter()
        .flat_map(|row| above(row, 0.5).into_iter().filter(|label| *label != given(row)).collect::<Vec<_>>())
        .next()
        .expect("an added label");
    let truth = |row: &Value| -> BTreeSet<u32> { row["truth"].as_array().unwrap().iter().map(|class| class.as_u64().unwrap() as u32).collect() };
    assert_eq!(viewer.query(&format!("given={class}")), chosen(&|row| given(row) == class));
    assert_eq!(viewer.query(&format!("label={other}")), chosen(&|row| above(row, 0.5).contains(&other)));
    assert_eq!(viewer.query(&format!("label={other}&tau=0.8")), chosen(&|row| above(row, 0.8).contains(&other)));
    assert_eq!(viewer.query("count=2,9"), chosen(&|row| above(row, 0.5).len() >= 2));
    assert_eq!(
        viewer.query(&format!("given={class}&count=1,1")),
        chosen(&|row| given(row) == class && above(row, 0.5).len() == 1),
        "filters combine"
    );
    assert_eq!(viewer.query("truth=wrong"), chosen(&|row| !above(row, 0.5).is_subset(&truth(row))));
    assert_eq!(viewer.query("truth=missed"), chosen(&|row| !truth(row).is_subset(&above(row, 0.5))));
    assert_eq!(viewer.query("skipped=any"), [] as [u32; 0]);
    assert_eq!(viewer.query("id=0007"), chosen(&|row| row["id"].as_str().unwrap().contains("0007")));
    let support = |sample: u32| rows[sample as usize]["support"].as_f64().unwrap_or(2.0);
    let doubtful = viewer.query("order=unsupported");
    assert!(doubtful.len() == 40 && doubtful.windows(2).all(|pair| support(pair[0]) <= support(pair[1])));
    assert_ne!(viewer.query("order=random&seed=1"), viewer.query("order=random&seed=2"));

    // The figures are counts of the same.
    let thresholds = viewer.json("/api/thresholds");
    assert_eq!(thresholds["multiple"][50], json!(viewer.query("count=2,99").len()));
    let classes = viewer.json("/api/classes");
    assert_eq!(classes[other as usize]["predicted"], json!(viewer.query(&format!("label={other}")).len()));
    assert_eq!(classes[class as usize]["given"], json!(viewer.query(&format!("given={class}")).len()));
    for pair in viewer.json("/api/pairs").as_array().unwrap() {
        assert_eq!(pair["images"], json!(viewer.query(&format!("pair={},{}", pair["a"], pair["b"])).len()));
    }

    let refused = |query: &str, expected: &str| {
        let (status, _, body) = viewer.get(&format!("/api/query?{query}"));
        let text = String::from_utf8(body).unwrap();
        assert!(status == 400 && text.contains(expected), "{query}: {status} {text}");
    };
    refused("count=many", "count=many: give two numbers");
    refused("source=vit", "the configurations are coarse, cells");
    refused("tau=7", "from 0 to 1");
    refused("order=best", "best");
    let (status, kind, file) = viewer.get("/api/thumbnail/3?size=64");
    let picture = image::load_from_memory(&file).unwrap();
    assert_eq!((status, kind.as_str(), picture.width(), picture.height()), (200, "image/jpeg", 64, 64));
}

#[test]
fn a_region_named_by_hand_has_the_probabilities_that_the_run_stored() {
    let place = run();
    let viewer = Viewer::start(&place.path("work"), &[]);
    let sample = viewer.json("/api/sample/5");
    let regions = sample["regions"].as_array().unwrap();
    assert!(regions.len() >= 2, "{sample}");
    for region in regions {
        let (status, answer) = viewer.post("/api/predict", &json!({ "sample": 5, "mask": region["mask"] }));
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["top"].as_array().unwrap()[..5], region["top"].as_array().unwrap()[..], "the stored probabilities");
    }
    let (_, drawn) = viewer.post("/api/predict", &json!({ "sample": 5, "box": [0, 0, 64, 128] }));
    assert_eq!(
        drawn["mask"],
        json!({ "size": [128, 128], "counts": Mask::from_box(128, 128, BoundingBox { x: 0, y: 0, width: 64, height: 128 }).unwrap().counts() })
    );
    // What a run finds at a point is offered there.
    let cell = regions.iter().find(|region| region["source"] == "cells").unwrap();
    let (status, offered) = viewer.post("/api/propose", &json!({ "sample": 5, "x": 10.5, "y": 20.0 }));
    let found = offered["masks"].as_array().unwrap().iter().find(|mask| mask["source"] == "cells").unwrap();
    assert_eq!((status, &found["mask"], &found["top"]), (200, &cell["mask"], &cell["top"]));
    // MaskCut offers something where its cuts found nothing, too.
    let mask_of = |value: &Value| Mask::from_counts(128, 128, value["counts"].as_str().unwrap()).unwrap();
    let cuts = regions.iter().filter(|region| region["source"] == "coarse").map(|region| mask_of(&region["mask"]));
    let covered = cuts.fold(Mask::empty(128, 128).unwrap(), |covered, mask| covered.union(&mask).unwrap()).to_pixels();
    let free = covered.iter().position(|inside| *inside == 0).expect("a pixel in no region");
    let (status, offered) = viewer.post("/api/propose", &json!({ "sample": 5, "x": free % 128, "y": free / 128 }));
    let masks: Vec<(&str, Mask)> =
        offered["masks"].as_array().unwrap().iter().map(|mask| (mask["source"].as_str().unwrap(), mask_of(&mask["mask"]))).collect();
    assert!(status == 200 && masks.iter().any(|(source, _)| *source == "coarse"), "{status} {offered}");
    assert!(masks.iter().all(|(_, mask)| mask.to_pixels()[free] == 1) && masks.is_sorted_by_key(|(_, mask)| mask.area()), "{offered}");
    let (status, refusal) = viewer.post("/api/predict", &json!({ "sample": 5, "box": [500, 0, 10, 10] }));
    assert!(status == 400 && refusal["error"].as_str().unwrap().contains("no pixel of the image, which has 128x128"), "{refusal}");

    // The same from the shell.
    std::fs::write(place.path("mask.json"), regions[0]["mask"].to_string()).unwrap();
    let (_, _, picture) = viewer.get("/api/image/5");
    std::fs::write(place.path("image.png"), picture).unwrap();
    let mut predict = convert();
    predict.current_dir(place.path("")).args(["predict", "--recipe", "recipe.yaml", "--image", "image.png"]);
    let output = predict.args(["--mask", "mask.json", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    for (score, stored) in answer["region"]["classes"].as_array().unwrap().iter().zip(regions[0]["top"].as_array().unwrap()) {
        assert_eq!(score["class"], stored[0]);
        assert!((score["probability"].as_f64().unwrap() - stored[1].as_f64().unwrap()).abs() < 5.1e-5, "{answer}");
    }
}

#[test]
fn a_run_of_an_earlier_convert_shows_its_images_and_says_what_it_lacks() {
    let place = run();
    let record = String::from_utf8(place.result("run.json")).unwrap();
    let mut run: Value = serde_json::from_str(&record).unwrap();
    assert!(run["stages"].as_object_mut().unwrap().remove("training").is_some(), "{record}");
    std::fs::write(place.path("work/run.json"), run.to_string()).unwrap();
    let viewer = Viewer::start(&place.path("work"), &[]);
    assert_eq!(viewer.get("/api/thumbnail/3").0, 200);
    let (status, refusal) = viewer.post("/api/predict", &json!({ "sample": 3, "box": [0, 0, 20, 20] }));
    assert!(status == 500 && refusal["error"].as_str().unwrap().contains("run its recipe again"), "{status} {refusal}");
}

#[test]
fn reviews_survive_a_kill_and_two_servers_lose_none() {
    let place = run();
    let viewer = Viewer::start(&place.path("work"), &[]);
    let sample = viewer.json("/api/sample/3");
    let given = sample["given"].clone();
    let absent = (0..).find(|class| !sample["labels"].as_array().unwrap().iter().any(|label| label[0] == *class)).unwrap();
    let say = |viewer: &Viewer, body: Value| {
        let (status, answer) = viewer.post("/api/reviews", &body);
        assert_eq!(status, 200, "{body}: {answer}");
        answer
    };
    say(&viewer, json!({ "sample": 3, "who": "anna", "action": "reject", "class": given }));
    let added = say(&viewer, json!({ "sample": 3, "who": "anna", "action": "add", "class": absent, "mask": sample["regions"][0]["mask"] }));
    assert_eq!(added["state"]["undo"], added["id"]);
    say(&viewer, json!({ "sample": 3, "who": "anna", "action": "bad-mask", "region": 1 }));
    let undone = say(&viewer, json!({ "sample": 3, "who": "anna", "action": "bad-mask", "region": 0 }));
    say(&viewer, json!({ "sample": 3, "who": "anna", "action": "undo", "of": undone["id"] }));
    let done = say(&viewer, json!({ "sample": 3, "who": "anna", "action": "complete", "labels": [absent], "queue": "random" }));
    assert_eq!((&done["state"]["bad_masks"], &done["state"]["complete_by"]), (&json!([1]), &json!(["anna"])));
    for (body, expected) in [
        (json!({ "sample": 3, "who": "anna", "action": "accept", "class": 4000 }), "no class 4000"),
        (json!({ "sample": 3, "who": "anna", "action": "bad-mask", "region": 99 }), "no region 99"),
        (json!({ "sample": 3, "who": "anna", "action": "praise" }), "action=praise"),
        (json!({ "sample": 3, "who": "", "action": "complete", "labels": [] }), "who"),
        (json!({ "sample": 3, "who": "anna", "action": "complete" }), "complete needs `labels`"),
        (json!({ "sample": 3, "who": "anna", "action": "complete", "labels": [4000] }), "no class 4000"),
    ] {
        let (status, answer) = viewer.post("/api/reviews", &body);
        assert!(status == 400 && answer["error"].as_str().unwrap().contains(expected), "{body}: {status} {answer}");
    }
    viewer.kill();

    let servers = [Viewer::start(&place.path("work"), &[]), Viewer::start(&place.path("work"), &[])];
    assert_eq!(servers[0].json("/api/sample/3?who=anna")["state"], done["state"]);
    let rows = servers[1].json("/api/rows?samples=3,4");
    assert_eq!((&rows[0]["reviewed"], &rows[1]["reviewed"]), (&json!(["anna"]), &json!([])));
    assert_eq!(servers[0].query("reviewed=yes"), [3]);
    std::thread::scope(|scope| {
        for (at, server) in servers.iter().enumerate() {
            let who = ["ben", "cleo"][at];
            scope.spawn(move || {
                (0..40).for_each(|sample| {
                    _ = say(server, json!({ "sample": sample, "who": who, "action": "complete", "labels": [at], "queue": "random" }))
                })
            });
        }
    });
    let summary = servers[0].json("/api/reviews/summary");
    assert_eq!((&summary["images"], &summary["reviewers"]), (&json!(40), &json!(["anna", "ben", "cleo"])));
    let lines = String::from_utf8(place.result("reviews.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 6 + 80);
    // What two people said of 40 images: never the same, whatever was known of the other.
    assert_eq!(summary["random_images"], json!(40));
    let event = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).rfind(|event| event["who"] == "cleo").unwrap();
    assert_eq!(event["labels"], json!([servers[0].json("/api/run")["classes"][1]]));
    assert!(servers[1].json("/api/queue?kind=random&who=ben&n=5")["entries"].as_array().unwrap().is_empty(), "he has finished all");
    assert_eq!(servers[1].json("/api/queue?kind=random&who=dora&n=5")["entries"].as_array().unwrap().len(), 5);

    // Taken away while servers run: what is said from then on counts.
    std::fs::rename(place.path("work/reviews.jsonl"), place.path("taken.jsonl")).unwrap();
    assert_eq!(servers[0].query("reviewed=yes"), Vec::<u32>::new());
    say(&servers[0], json!({ "sample": 7, "who": "ben", "action": "complete", "labels": [] }));
    assert_eq!((servers[0].query("reviewed=yes"), servers[1].query("reviewed=yes")), (vec![7], vec![7]));
    assert!(!place.path("work/errors-look.jsonl").exists(), "looking leaves no ledger");
    let [one, _two] = servers;
    drop(one);
    let reader = Viewer::start(&place.path("work"), &["--read-only", "--blind"]);
    let known = reader.json("/api/run");
    assert!(known["read_only"] == true && known["blind"] == true, "{known}");
    let (status, answer) = reader.post("/api/reviews", &json!({ "sample": 3, "who": "anna", "action": "complete" }));
    assert!(status == 409 && answer["error"].as_str().unwrap().contains("--read-only"), "{answer}");
}

#[test]
fn a_run_goes_on_while_it_is_viewed_and_what_is_no_run_is_refused() {
    let place = run();
    let viewer = Viewer::start(&place.path("work"), &[]);
    let output = place.run(&["--set", "aggregate.global=pred"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(viewer.json("/api/sample/0")["sample"], 0, "it shows what it began with");
    drop(viewer);
    let refused = |folder: &str, expected: &str| {
        let output = convert().args(["view", &place.path(folder).display().to_string(), "--port", "0"]).output().unwrap();
        let text = stderr(&output);
        assert!(output.status.code() == Some(2) && text.contains(expected), "{text}");
    };
    refused("nowhere", "holds no finished run");
    let record = String::from_utf8(place.result("run.json")).unwrap();
    std::fs::write(place.path("work/run.json"), record.replace("\"stages\"", "\"stage\"")).unwrap();
    refused("work", "was made by another version");
}
