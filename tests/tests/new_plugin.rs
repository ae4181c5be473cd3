//! `convert plugins new`: what it writes builds, passes its own test, is listed and described, and works in a run; what it refuses.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use convert_tests::eight_roles::{ROLES, run_with_all};
use convert_tests::{Place, build_folder, convert, repository, stderr, stdout};

fn new_plugin(role: &str, name: &str, folder: &Path) -> Output {
    convert().args(["plugins", "new", role, name, "--dir"]).arg(folder).output().expect("convert can be started")
}

/// A clone of the repository in small: the sdk and a folder of plugins, one of each role. Its place stays the same, so that the sdk is compiled once.
fn small_clone() -> PathBuf {
    let root = build_folder().join("new-plugins");
    let _ = std::fs::remove_dir_all(root.join("plugins"));
    std::fs::create_dir_all(root.join("plugins")).expect("a folder");
    // The folder may be another checkout's, whose sdk the link names.
    let _ = std::fs::remove_file(root.join("sdk"));
    symlink(repository().join("sdk"), root.join("sdk")).expect("a link to the sdk");
    let manifest = std::fs::read_to_string(repository().join("Cargo.toml")).expect("the workspace's manifest");
    let kept = manifest.split("[profile.").next().unwrap_or_default();
    let lines = kept.lines().filter(|line| !line.starts_with("default-members"));
    let lines = lines.map(|line| if line.starts_with("members") { "members = [\"sdk\", \"plugins/*\"]" } else { line });
    std::fs::write(root.join("Cargo.toml"), lines.collect::<Vec<_>>().join("\n")).expect("a manifest");
    std::fs::copy(repository().join("Cargo.lock"), root.join("Cargo.lock")).expect("the versions that are already here");
    for role in ROLES {
        let output = new_plugin(role, &format!("my-{role}"), &root.join(format!("plugins/my-{role}")));
        assert_eq!(output.status.code(), Some(0), "{role}: {}", stderr(&output));
        let next = stdout(&output);
        assert!(next.contains("make build") && next.contains(&format!("convert plugins describe my-{role}")), "{next}");
    }
    root
}

/// Not shared with the plugins that `plugins.rs` builds: cargo knows a workspace's sdk by its place in it, and would take the changed one there for this one.
fn target() -> PathBuf {
    build_folder().join("new-plugins/target")
}

/// Runs cargo on the eight crates, quickly.
fn cargo(root: &Path, command: &str) -> String {
    let packages = ROLES.iter().flat_map(|role| ["-p".to_owned(), format!("convert-my-{role}")]);
    let output = Command::new(env!("CARGO"))
        .args([command, "--offline"])
        .args(packages)
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target())
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .output()
        .expect("cargo can be started");
    let text = stdout(&output) + &stderr(&output);
    assert!(output.status.success() && !text.contains("warning"), "{text}");
    text
}

#[test]
fn a_plugin_of_every_role_builds_passes_its_test_and_works_in_a_run() {
    let root = small_clone();
    for role in ROLES {
        let folder = root.join(format!("plugins/my-{role}"));
        let code = std::fs::read_to_string(folder.join("src/lib.rs")).unwrap();
        assert!(![concat!("uns", "afe"), "abi_", "::abi"].iter().any(|word| code.contains(word)), "{role}: {code}");
        assert_eq!(
            std::fs::read_dir(&folder).unwrap().count() + std::fs::read_dir(folder.join("src")).unwrap().count(),
            3,
            "Cargo.toml and src/lib.rs"
        );
    }
    let tested = cargo(&root, "test");
    assert_eq!(tested.matches("test result: ok. 2 passed").count(), ROLES.len() - 1, "{tested}");
    cargo(&root, "build");
    let libraries = tempfile::tempdir().unwrap();
    for role in ROLES {
        let file = format!("libconvert_my_{role}.so");
        std::fs::copy(target().join("debug").join(&file), libraries.path().join(&file)).unwrap();
    }
    let folder = libraries.path().to_str().expect("a plain path");
    let list = stdout(&convert().args(["plugins", "list", "--plugin-dir", folder]).output().unwrap());
    for role in ROLES {
        let row = list.lines().find(|line| line.contains(&format!(" my-{role} "))).unwrap_or_else(|| panic!("no my-{role} in {list}"));
        assert!(row.contains(role), "{row}");
        let described = convert().args(["plugins", "describe", &format!("my-{role}"), "--plugin-dir", folder]).output().unwrap();
        let text = stdout(&described);
        assert!(text.starts_with(&format!("my-{role} 0.1.0 ({role})")) && text.contains("  ("), "it has a key that is described:\n{text}");
    }
    run_with_all(folder);
    run_of_the_page(folder);
}

/// The recipe of docs/writing-a-dataset.md, with the dataset that was written as the page says.
fn run_of_the_page(plugins: &str) {
    let page = std::fs::read_to_string(repository().join("docs/writing-a-dataset.md")).unwrap();
    let recipe = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a recipe");
    let place = Place::new(&recipe.replace("plugin: named-files", "plugin: my-dataset"));
    place.write_images(&["cat", "dog"], 3);
    std::fs::create_dir(place.path("photos")).unwrap();
    for class in ["cat", "dog"] {
        for (at, file) in std::fs::read_dir(place.path("data").join(class)).unwrap().flatten().enumerate() {
            std::fs::rename(file.path(), place.path("photos").join(format!("{class}_{at}.png"))).unwrap();
        }
    }
    let output = place.run(&["--plugin-dir", plugins, "--limit", "4"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(place.path("runs/named/report.html").is_file());
}

#[test]
fn what_cannot_be_written_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("x");
    let check = |role: &str, name: &str, folder: &Path, expected: &str| {
        let output = new_plugin(role, name, folder);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(expected), "`{expected}` is not in:\n{text}");
    };
    check("propser", "x", &place, "the roles are dataset, proposer, refiner, selector, labeler, postprocessor, exporter, extractor");
    check("proposer", "My_Plugin", &place, "\"My_Plugin\" cannot be a plugin's name");
    check("proposer", "maskcut", &place, "the proposer `maskcut` is there already, in ");
    check("refiner", "maskcut", &place, "the crate `convert-maskcut` is there already");
    check("proposer", "sdk", &place, "the crate `convert-sdk` is there already");
    assert!(!place.exists(), "nothing is written");
    std::fs::write(folder.path().join("notes.txt"), "buy milk").unwrap();
    check("proposer", "x", folder.path(), "is not empty: name a new one with --dir");
    check("proposer", "x", &folder.path().join("notes.txt"), "notes.txt cannot be used");
    let output = convert().args(["plugins", "new", "proposer", "x", "--sdk"]).arg(folder.path()).arg("--dir").arg(&place).output().unwrap();
    assert!(stderr(&output).contains("is not the folder of convert-sdk"), "{}", stderr(&output));
}
