//! Checks on shared photos and weights; skipped, loudly, where `CONVERT_SHARED` does not point to them.

use std::process::Command;

use convert_tests::{Place, build_folder, repository, shared, stderr};

/// A ViT's masks on real photos of products, through the tests' recipe for it: killed in the middle, started again, the same bytes as in one go.
#[test]
fn real_photos_through_a_real_vit_survive_a_kill() {
    let Some(shared) = shared("real_photos_through_a_real_vit_survive_a_kill") else { return };
    let place = Place::new("");
    let command = |work: &str| {
        let mut command = Command::new(build_folder().join("convert"));
        command
            .args(["--limit", "60", "--set", "shard_size=8", "--set", "label.config.epochs=5", "--recipe"])
            .arg(repository().join("tests/recipes/vit-tiny-folder.yaml"))
            .env("DATA", shared.join("photos/grocery/train"))
            .env("WEIGHTS", shared.join("weights/vit_tiny_patch16_224.safetensors"))
            .env("WORK", place.path(work));
        command
    };
    let whole = command("whole").output().expect("convert can be started");
    assert!(whole.status.success(), "{}", stderr(&whole));
    let mut child = command("killed").stderr(std::process::Stdio::null()).spawn().expect("convert can be started");
    let finished = || {
        std::fs::read_dir(place.path("killed/stages"))
            .into_iter()
            .flatten()
            .flatten()
            .any(|stage| std::fs::read_dir(stage.path()).into_iter().flatten().count() > 1)
    };
    while child.try_wait().expect("the child's state").is_none() && !finished() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("the child's end");
    let again = command("killed").output().expect("convert can be started");
    assert!(again.status.success(), "{}", stderr(&again));
    for file in ["labels.tsv", "annotations.json"] {
        let read = |work: &str| std::fs::read(place.path(work).join(file)).expect("the file");
        assert!(read("whole") == read("killed"), "{file} differs");
    }
    assert!(place.path("killed/report.html").is_file());
}
