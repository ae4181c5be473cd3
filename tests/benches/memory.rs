//! Peak memory of a whole run with libtorch, on a quarter of a dataset and on all of it: it must not grow with the number of photos.
//!
//!     cargo bench --profile release -p convert-tests --bench memory
//!
//! With `CONVERT_SHARED` the grocery photos and the ViT-Ti weights there, else synthetic scenes without weights.

use std::process::{Command, Stdio};
use std::time::Duration;

use convert_tests::{build_folder, repository, shared};

fn main() {
    let work = tempfile::tempdir().expect("a temporary folder");
    let shared = shared("memory of the grocery run");
    let peak = |limit: usize| {
        let mut command = Command::new(build_folder().join("convert"));
        let recipe = if shared.is_some() { "tests/recipes/vit-tiny-folder.yaml" } else { "recipes/demo.yaml" };
        command
            .arg("--recipe")
            .arg(repository().join(recipe))
            .args(["--limit", &limit.to_string(), "--work-dir"])
            .arg(work.path().join(limit.to_string()));
        if let Some(folder) = &shared {
            command.env("DATA", folder.join("photos/grocery/train")).env("WEIGHTS", folder.join("weights/vit_tiny_patch16_224.safetensors"));
        }
        let mut child = command.stderr(Stdio::null()).spawn().expect("convert can be started");
        let status = format!("/proc/{}/status", child.id());
        let mut highest = 0u64;
        let code = loop {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            highest = highest.max(line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0));
            match child.try_wait().expect("the child's state") {
                Some(code) => break code,
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        assert!(code.success(), "the run failed");
        let gigabytes = highest as f64 / 1024.0 / 1024.0;
        println!("{limit:5} images: peak memory {gigabytes:.2} GiB");
        gigabytes
    };
    let (all, quarter) = if shared.is_some() { (1000, 250) } else { (400, 100) };
    let (small, large) = (peak(quarter), peak(all));
    println!("four times the images take {:.2} times the memory; {large:.2} GiB of 2 GiB", large / small);
}
