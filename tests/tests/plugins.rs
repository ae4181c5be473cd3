//! Plugin files from disk: what is loaded, what is refused in one line, and what a misbehaving plugin can do to a run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use convert_tests::{Place, build_folder, convert, plugin_folder, repository, skipped, stderr, stdout};

/// A recipe whose proposals come from the plugin under test; the plugins after it are the ordinary ones.
fn recipe(proposer: &str) -> String {
    format!(
        "version: 1
work_dir: work
shard_size: 4
dataset: {{ plugin: image-folder, root: data }}
proposals:
  - {proposer}
select: {{ plugin: keep-largest }}
label: {{ plugin: mlp-head, config: {{ backbone: {{ family: patch-stats }}, input_size: 96, epochs: 2 }} }}
export:
  - {{ plugin: multilabel-tsv, file: labels.tsv }}
"
    )
}

fn run_hostile(how: &str, on: &str, arguments: &[&str]) -> (Place, Output) {
    let place = Place::new(&recipe(&format!("{{ plugin: hostile, config: {{ on: \"{on}\", how: {how} }} }}")));
    place.write_images(&["apple", "pear"], 5);
    let plugins = plugin_folder("convert_test_hostile");
    let mut all = vec!["--plugin-dir", plugins.path().to_str().expect("a plain path")];
    all.extend(arguments);
    let output = place.run(&all);
    (place, output)
}

/// The line of a text that contains a part.
fn line<'a>(text: &'a str, part: &str) -> &'a str {
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("no line has `{part}`:\n{text}"))
}

#[test]
fn a_panic_costs_one_sample_and_one_line() {
    let (place, output) = run_hostile("panic", "apple-002", &[]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let skipped = line(&text, "skipped apple/apple-002.png in proposals-hostile");
    assert!(skipped.contains("panicked at") && skipped.contains("cannot stand this image"), "{skipped}");
    assert!(!text.contains("RUST_BACKTRACE") && !text.contains("thread '"), "the panic's own report is not shown:\n{text}");
    assert_eq!(String::from_utf8(place.result("labels.tsv")).unwrap().lines().count(), 9, "the other samples are labelled");
    let ledger = String::from_utf8(place.result("errors.jsonl")).unwrap();
    let entry: serde_json::Value = serde_json::from_str(&ledger).expect("one line of JSON");
    assert_eq!((entry["id"].as_str(), entry["stage"].as_str()), (Some("apple/apple-002.png"), Some("proposals-hostile")));
}

#[test]
fn an_error_in_a_batch_costs_only_its_own_sample_and_strict_makes_it_count() {
    let (place, output) = run_hostile("fail", "pear-001", &["--strict"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert_eq!(String::from_utf8(place.result("labels.tsv")).unwrap().lines().count(), 9);
    // The ledger is whole after a run from the cache too.
    let plugins = plugin_folder("convert_test_hostile");
    let again = place.run(&["--plugin-dir", plugins.path().to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert!(String::from_utf8(place.result("errors.jsonl")).unwrap().contains("pear-001"));
}

#[test]
fn a_wrong_number_of_answers_is_an_error() {
    let (_, output) = run_hostile("too-few", "apple-002", &["--set", "on_error=stop"]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("the proposer gave 0 lists of proposals for 1"), "{text}");
}

#[test]
fn a_plugin_that_fails_for_every_image_fails_the_run() {
    let (_, output) = run_hostile("fail", "", &[]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    line(&text, "proposals-hostile: 4 samples in a row failed; the last, apple/apple-003.png: cannot read this image");
}

#[test]
fn a_panic_while_a_plugin_is_built_is_shown_in_the_recipe() {
    let (_, output) = run_hostile("panic-at-once", "", &[]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(line(&text, "recipe.yaml:6:").contains("this plugin cannot be built"), "{text}");
}

#[test]
fn a_killed_run_continues_where_it_was() {
    let (place, output) = run_hostile("abort", "pear-004", &["--threads", "1"]);
    assert_ne!(output.status.code(), Some(0));
    let shards = |place: &Place| {
        // Steps behind the proposals have shards of their own. It may have died before any was stored.
        let stages = std::fs::read_dir(place.path("work/stages")).into_iter().flatten().flatten();
        let proposals = stages.filter(|stage| stage.file_name().to_string_lossy().starts_with("proposals-"));
        let files = proposals.flat_map(|stage| std::fs::read_dir(stage.path()).unwrap().flatten());
        files.filter(|file| file.path().extension().is_some_and(|e| e == "parquet")).count()
    };
    // Shards are stored in the background: those just done may be lost with the process, the one in flight always is.
    let first = shards(&place);
    assert!(first <= 2, "{first} of three shards are stored, but the process died in the third");
    let plugins = plugin_folder("convert_test_hostile");
    let again = place.run(&["--plugin-dir", plugins.path().to_str().unwrap()]);
    assert_ne!(again.status.code(), Some(0), "it dies at the same sample again");
    let second = shards(&place);
    assert!((first..=2).contains(&second), "{first} shards became {second}");
}

/// `convert plugins` over a folder of libraries: what it lists, and what it says of those that it refuses.
fn listed(folder: &Path) -> (String, String) {
    let output = convert().args(["plugins", "list", "--plugin-dir"]).arg(folder).output().expect("convert can be started");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    (stdout(&output), stderr(&output))
}

fn refused(folder: &Path, expected: &[&str]) {
    let (list, text) = listed(folder);
    assert!(list.contains("image-folder"), "the good plugins are there:\n{list}");
    let warnings: Vec<&str> = text.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "one line:\n{text}");
    for part in expected {
        assert!(warnings[0].contains(part), "`{}` does not say `{part}`", warnings[0]);
    }
}

#[test]
fn a_text_file_named_so_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("libnotes.so"), "buy milk\n").unwrap();
    refused(folder.path(), &["libnotes.so", "cannot be opened"]);
}

#[test]
fn a_library_of_another_abi_version_is_refused_in_one_line() {
    refused(plugin_folder("convert_test_other_abi").path(), &["convert_test_other_abi.so", "newer ABI version 999", "rebuild the plugin"]);
}

#[test]
fn a_library_that_is_no_plugin_is_refused_in_one_line() {
    let Some(library) = some_library() else {
        return skipped("a_library_that_is_no_plugin_is_refused_in_one_line", "/proc/self/maps names no library");
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(library, folder.path().join("libother.so")).unwrap();
    refused(folder.path(), &["libother.so", "is not a convert plugin"]);
}

/// A shared library of this system: libm, or the libgcc_s that Rust programs are linked with.
fn some_library() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let paths = || maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..]));
    let named = |part: &str| paths().find(|path| path.rsplit('/').next().is_some_and(|name| name.starts_with(part)));
    named("libm.so").or_else(|| named("libgcc_s.so")).map(PathBuf::from)
}

/// The example plugin, built against an sdk in which a line is another one.
fn built_against(file: &str, line: &str, other: &str) -> tempfile::TempDir {
    let work = build_folder().join("changed-sdk");
    copy(&repository().join("sdk"), &work.join("sdk"));
    copy(&repository().join("docs/example-plugin"), &work.join("docs/example-plugin"));
    let text = std::fs::read_to_string(work.join(file)).unwrap();
    let changed = text.replace(line, other);
    assert_ne!(text, changed, "{file} has no `{line}`");
    std::fs::write(work.join(file), changed).unwrap();
    let root = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    std::fs::write(work.join("Cargo.toml"), small_workspace(&root)).unwrap();
    std::fs::copy(repository().join("Cargo.lock"), work.join("Cargo.lock")).unwrap();
    build_plugin(&work, "convert-grid")
}

/// The real thing: a type that crosses has its fields in another order, and nobody raised the version. Then versions of a role, raised as they should be.
#[test]
fn a_plugin_built_against_a_changed_sdk_is_refused_in_one_line() {
    let folder = built_against("sdk/abi/src/lib.rs", "    pub width: u32,\n    pub height: u32,", "    pub height: u32,\n    pub width: u32,");
    refused(folder.path(), &["libconvert_grid.so", "built against another convert-sdk", "rebuild it", "layout report: "]);
    let version = |other| built_against("sdk/src/abi/version.rs", "Role::Proposer => (1, 1)", other);
    let newer = "was built for version 1.2 of the role proposer, this convert has 1.1: update convert, or rebuild the plugin with this convert-sdk";
    refused(version("Role::Proposer => (1, 2)").path(), &["libconvert_grid.so", newer]);
    let older = "was built for version 0.9 of the role proposer, this convert has 1.1: rebuild the plugin with this convert-sdk";
    refused(version("Role::Proposer => (0, 9)").path(), &["libconvert_grid.so", older]);
    let later = built_against("sdk/src/roles.rs", "Self::Proposer => \"proposer\"", "Self::Proposer => \"segmenter\"");
    refused(later.path(), &["libconvert_grid.so", "has the segmenter `grid`, and this convert knows no such role: update convert"]);
    // A later minor version of another role is no matter of this plugin.
    let (list, text) = listed(built_against("sdk/src/abi/version.rs", "Role::Dataset => (1, 0)", "Role::Dataset => (1, 1)").path());
    assert!(list.contains("grid") && !text.contains("WARN"), "{text}");
}

/// `docs/writing-a-plugin.md`, followed to the letter for a plugin outside the repository.
#[test]
fn a_plugin_outside_the_repository_is_built_as_the_page_says_and_listed() {
    let work = tempfile::tempdir().unwrap();
    let folder = work.path().join("lattice");
    let output = convert().args(["plugins", "new", "proposer", "lattice", "--dir"]).arg(&folder).output().expect("convert can be started");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let next = stdout(&output);
    assert!(next.contains("convert plugins describe lattice --plugin-dir target/release") && next.contains("libconvert_lattice.so"), "{next}");
    // The versions that are already here, since this build is offline.
    std::fs::copy(repository().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let built = build_plugin(&folder, "convert-lattice");
    let (list, text) = listed(built.path());
    assert!(line(&list, "lattice").contains("The cells of a regular grid as boxes"), "{list}");
    assert!(!text.contains("WARN"), "{text}");
}

/// Builds a package quickly and returns a folder with its library. All share one target folder, and with it what is compiled of their dependencies.
fn build_plugin(work: &Path, package: &str) -> tempfile::TempDir {
    let target = build_folder().join("changed-sdk/target");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline", "-p", package])
        .current_dir(work)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .output()
        .expect("cargo can be started");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let file = format!("lib{}.so", package.replace('-', "_"));
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(target.join("debug").join(&file), folder.path().join(&file)).unwrap();
    folder
}

/// The workspace manifest with the sdk and the example plugin as its only members, and no profiles.
fn small_workspace(manifest: &str) -> String {
    let kept = manifest.split("[profile.").next().unwrap_or_default();
    let lines = kept
        .lines()
        .filter(|line| !line.starts_with("default-members"))
        .map(|line| if line.starts_with("members") { "members = [\"sdk\", \"docs/example-plugin\"]".to_owned() } else { line.to_owned() });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &target) } else { std::fs::copy(entry.path(), target).map(|_| ()).unwrap() }
    }
}

#[test]
fn a_rebuilt_library_redoes_what_its_plugins_did_unless_they_promise_otherwise() {
    let plugins = plugin_folder("convert_test_hostile");
    let library = plugins.path().join("libconvert_test_hostile.so");
    for (proposer, redone) in [("{ plugin: nothing, config: { input_size: 64 } }", true), ("{ plugin: faulty-device, config: { holds: 16 } }", false)]
    {
        let place = Place::new(&recipe(proposer));
        place.write_images(&["apple", "pear"], 2);
        let key = || {
            let output = convert().arg("plan").arg(place.path("recipe.yaml")).arg("--json").arg("--plugin-dir").arg(plugins.path()).output().unwrap();
            let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
            plan["steps"][0]["key"].to_string()
        };
        let before = key();
        // What a build changes, if only by a byte.
        let mut bytes = std::fs::read(&library).unwrap();
        bytes.push(0);
        std::fs::remove_file(&library).unwrap();
        std::fs::write(&library, bytes).unwrap();
        assert_eq!(key() != before, redone, "{proposer}");
    }
}
