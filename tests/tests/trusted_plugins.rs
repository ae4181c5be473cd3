//! Which libraries are opened, and which a recipe accepts.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use convert_tests::{Place, build_folder, convert, plugin_folder, skipped, stderr, stdout};

const RECIPE: &str = "version: 1
work_dir: work
plugins: { PIN }
dataset: { plugin: scenes, count: 8, size: 96 }
proposals: [ { plugin: grid, config: { cells: 2 } } ]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 96, epochs: 1 } }
export:
  - { plugin: coco, file: masks.json }
";

/// What `convert doctor` prints as the SHA-256 of a library beside the executable.
fn printed_by_doctor(library: &str) -> String {
    let output = convert().arg("doctor").output().expect("convert can be started");
    let text = stdout(&output);
    let file = build_folder().join("plugins").join(library);
    let line = text.lines().find_map(|line| line.trim().strip_suffix(file.to_str().unwrap()));
    line.unwrap_or_else(|| panic!("no line names {}:\n{text}", file.display())).trim().to_owned()
}

fn check(pin: &str) -> (Option<i32>, String) {
    let place = Place::new(&RECIPE.replace("PIN", pin));
    let output = place.run(&[]);
    assert_eq!(output.status.code() == Some(0), place.path("work/stages").exists());
    (output.status.code(), stderr(&output))
}

#[test]
fn the_doctor_prints_the_sha_256_of_every_library() {
    let library = "libconvert_grid.so";
    let expected = std::process::Command::new("sha256sum").arg(build_folder().join("plugins").join(library)).output().expect("sha256sum");
    let expected = String::from_utf8(expected.stdout).unwrap();
    assert_eq!(printed_by_doctor(library), expected.split_whitespace().next().unwrap());
}

#[test]
fn a_recipe_runs_with_the_library_that_it_pins_and_with_no_other() {
    let grid = printed_by_doctor("libconvert_grid.so");
    let (code, text) = check(&format!("grid: {{ sha256: {} }}", grid.to_uppercase()));
    assert_eq!(code, Some(0), "{text}");
    let wrong = "0".repeat(64);
    let (code, text) = check(&format!("grid: {{ sha256: \"{wrong}\" }}"));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.starts_with(&format!("error: recipe.yaml:3:28: grid is pinned to the SHA-256 {wrong}, but that of ")), "{text}");
    assert!(text.contains(&format!("libconvert_grid.so is {grid}: install")), "{text}");
}

#[test]
fn a_pin_that_protects_nothing_is_an_error() {
    let hash = "0".repeat(64);
    let cases = [
        (format!("gird: {{ sha256: \"{hash}\" }}"), "recipe.yaml:3:12: `gird` is pinned, but this recipe uses no such plugin; did you mean `grid`?"),
        (format!("exporter/grid: {{ sha256: \"{hash}\" }}"), "`exporter/grid` is pinned, but this recipe uses no such plugin"),
        (format!("maskcut: {{ sha256: \"{hash}\" }}"), "`maskcut` is pinned, but this recipe uses no such plugin"),
        ("grid: { sha256: 1f0c }".into(), "recipe.yaml:3:28: `1f0c` is not a SHA-256: give 64 hexadecimal digits"),
        ("grid: {}".into(), "needs the key `sha256`"),
        ("grid: { sha512: 1f0c }".into(), "unknown key `sha512`"),
        (format!("exporter/coco: {{ sha256: \"{hash}\" }}"), "exporter/coco is pinned to the SHA-256 0000"),
    ];
    for (pin, expected) in cases {
        let (code, text) = check(&pin);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(expected), "`{expected}` is not in:\n{text}");
    }
    // One name, two libraries.
    let place = Place::new(
        &RECIPE.replace("PIN", &format!("coco: {{ sha256: \"{hash}\" }}")).replace("scenes, count: 8, size: 96", "coco, file: a.json, root: ."),
    );
    fs::write(place.path("a.json"), "{}").unwrap();
    let text = stderr(&place.run(&[]));
    assert!(text.contains("`coco` stands for plugins of several libraries: pin `dataset/coco` and `exporter/coco`"), "{text}");
}

/// The warnings of `convert plugins` over a folder.
fn warnings(folder: &Path) -> Vec<String> {
    let output = convert().args(["plugins", "list", "--plugin-dir"]).arg(folder).output().expect("convert can be started");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("image-folder"), "the plugins beside the executable are there");
    stderr(&output).lines().filter(|line| line.contains("WARN")).map(str::to_owned).collect()
}

#[test]
fn a_library_or_folder_that_others_may_write_is_warned_about() {
    let folder = plugin_folder("convert_test_hostile");
    let file = folder.path().join("libconvert_test_hostile.so");
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(warnings(folder.path()), [""; 0]);
    set(&file, 0o775);
    assert_eq!(warnings(folder.path()), [""; 0], "the user's own group");
    set(&file, 0o666);
    set(folder.path(), 0o1777);
    let [of_folder, of_file] = warnings(folder.path()).try_into().unwrap();
    let (folder_name, file_name) = (folder.path().display(), file.display());
    assert!(of_folder.contains(&format!("the plugin folder {folder_name} can be written by every user (mode 1777): chmod o-w {folder_name}")));
    assert!(of_file.contains(&format!("plugin {file_name} can be written by every user (mode 666): chmod o-w {file_name}")));
    set(folder.path(), 0o700);
    set(&file, 0o775);
    if chown(&file, None, Some(4711)).is_err() {
        return skipped("a_library_or_folder_that_others_may_write_is_warned_about", "this user cannot give files away");
    }
    let [of_group] = warnings(folder.path()).try_into().unwrap();
    assert!(of_group.contains("can be written by the group 4711, which is not yours (mode 775): chmod g-w"), "{of_group}");
}

#[test]
fn a_library_that_is_cut_short_anywhere_is_refused_in_one_line_each() {
    let library = fs::read(build_folder().join("libconvert_test_hostile.so")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let lengths: Vec<usize> = [0, 1, 3, 4, 63, 64, 65]
        .into_iter()
        .chain((1..12).map(|part| library.len() * part / 12))
        .chain([library.len() - 4096, library.len() - 1])
        .collect();
    assert_eq!(lengths.len(), 20);
    for (number, length) in lengths.iter().enumerate() {
        fs::write(folder.path().join(format!("libcut{number:02}.so")), &library[..*length]).unwrap();
    }
    let warnings = warnings(folder.path());
    assert_eq!(warnings.len(), lengths.len(), "{warnings:#?}");
    for ((number, length), warning) in lengths.iter().enumerate().zip(&warnings) {
        let expected = format!("libcut{number:02}.so cannot be opened: it is truncated: {length} bytes");
        assert!(warning.contains(&expected), "`{expected}` is not in {warning}");
    }
}

#[test]
fn what_is_no_library_of_this_machine_is_refused_before_it_is_opened() {
    let library = fs::read(build_folder().join("libconvert_test_hostile.so")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, at: usize, byte: u8| {
        let mut bytes = library.clone();
        bytes[at] = byte;
        fs::File::create(folder.path().join(name)).unwrap().write_all(&bytes).unwrap();
    };
    write("liba.so", 4, 1);
    write("libb.so", 5, 2);
    write("libc.so", 18, 40);
    write("libd.so", 16, 2);
    write("libe.so", 0, b'M');
    // The offset of the sections, beyond the end of any file.
    write("libf.so", 47, 255);
    fs::create_dir(folder.path().join("libg.so")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(folder.path().join("libh.so")).status().unwrap().success());
    let expected = [
        ("liba.so", "it is for machines of another word size or byte order"),
        ("libb.so", "it is for machines of another word size or byte order"),
        ("libc.so", "it is for another machine: its ELF machine number is 40, not "),
        ("libd.so", "it is not a shared library: its ELF type is 2, not 3"),
        ("libe.so", "it is not a library: it does not begin as an ELF file does"),
        ("libf.so", "it is truncated: "),
        ("libg.so", "it is not a regular file"),
        ("libh.so", "it is not a regular file"),
    ];
    let warnings = warnings(folder.path());
    assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
    for ((file, reason), warning) in expected.iter().zip(&warnings) {
        assert!(warning.contains(&format!("{file} cannot be opened: {reason}")), "{warning}");
    }
}
