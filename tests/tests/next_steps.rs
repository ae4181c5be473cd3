//! Every command that a message tells people to type works as it is printed. What `install.sh` and `weights` print is run by their own tests.

use std::fs;
use std::process::{Command, Output};

use convert_tests::{Place, build_folder, convert, repository, stderr, stdout};

const RECIPE: &str = "version: 1
work_dir: work
dataset: { plugin: image-folder, root: data }
proposals: [{ plugin: grid, config: { cells: 2 } }]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 64, epochs: 2, hidden: 16, folds: 2, calibration: temperature } }
export: [{ plugin: multilabel-tsv, file: labels.tsv }]
";

fn place() -> Place {
    let place = Place::new(RECIPE);
    place.write_images(&["apple", "pear"], 6);
    place
}

/// What a command of this program prints, wrong calls too.
fn typed(place: &Place, arguments: &[&str]) -> String {
    let output = convert().args(arguments).current_dir(place.path("")).output().expect("convert can be started");
    stdout(&output) + &stderr(&output)
}

/// The commands between backticks that begin with this program.
fn steps(text: &str) -> Vec<String> {
    let program = build_folder().join("convert").display().to_string();
    let spans = text.split('`').skip(1).step_by(2);
    spans.filter(|span| span.starts_with(&program)).map(str::to_owned).collect()
}

/// A printed command in a shell, with what stands for the user's own put in.
fn run(place: &Place, step: &str) -> Output {
    let line = step.replace("FILE", "recipe.yaml").replace(" N", " 4");
    Command::new("bash").args(["-c", &line]).current_dir(place.path("")).output().expect("bash can be started")
}

/// What the one printed command, or each of several, says.
fn works(place: &Place, text: &str, count: usize) -> Vec<String> {
    let steps = steps(text);
    assert_eq!(steps.len(), count, "{text}");
    let works = |step: &String| {
        let output = run(place, step);
        assert!(output.status.success(), "`{step}`: {}{}", stdout(&output), stderr(&output));
        stdout(&output) + &stderr(&output)
    };
    steps.iter().map(works).collect()
}

#[test]
fn a_recipe_in_a_commands_place_is_run_and_checked_as_the_message_says() {
    let place = place();
    let said = works(&place, &typed(&place, &["recipe.yaml"]), 2);
    assert!(said[0].contains("12 images, none skipped") && said[1].contains("12 samples, 2 classes"), "{said:?}");
    works(&place, &typed(&place, &["run", "recipe.yaml"]), 2);
}

#[test]
fn rates_are_measured_as_check_says() {
    let place = place();
    let measured = |said: &[String]| assert!(said[0].contains("images/s") || said[0].contains("measured"), "{said:?}");
    let check = typed(&place, &["check", "recipe.yaml"]);
    measured(&works(&place, &check, 1));
    measured(&works(&place, &typed(&place, &["check", "recipe.yaml", "--limit", "5"]), 1));
}

#[test]
fn a_run_that_is_not_there_or_is_of_another_version_is_made_as_the_message_says() {
    let place = place();
    fs::create_dir(place.path("work")).unwrap();
    works(&place, &typed(&place, &["audit", "work"]), 1);
    let audit = typed(&place, &["audit", "work"]);
    assert!(audit.contains("12 images, "), "{audit}");
    for damage in [("run.json", "{}"), ("recipe.yaml", "")] {
        match damage {
            (file, "") => fs::remove_file(place.path("work").join(file)).unwrap(),
            (file, text) => fs::write(place.path("work").join(file), text).unwrap(),
        }
        let refused = typed(&place, &["audit", "work"]);
        assert!(refused.contains("was made by another version"), "{refused}");
        works(&place, &refused, 1);
        let audit = typed(&place, &["audit", "work"]);
        assert!(audit.contains("12 images, "), "{audit}");
    }
}

#[test]
fn a_call_without_a_recipe_is_told_how_to_name_one() {
    let place = place();
    let text = typed(&place, &[]);
    let program = build_folder().join("convert").display().to_string();
    // The line is "no recipe given: PROGRAM --recipe FILE (see PROGRAM --help)".
    let (run_it, help) = text.trim().rsplit_once(": ").expect("a command").1.split_once(" (see ").expect("two commands");
    assert!(run_it.starts_with(&program) && help.starts_with(&program), "{text}");
    for step in [run_it, help.trim_end_matches(')')] {
        let output = run(&place, step);
        assert!(output.status.success(), "{step}: {}", stderr(&output));
    }
    // The example of the help is run in the repository, whose recipe it names, on a few images.
    let help = typed(&place, &["--help"]);
    let example: Vec<&str> = help.lines().skip_while(|line| *line != "Example:").skip(1).take(2).collect();
    let line = format!("{} --limit 24 --work-dir '{}'", example.join("\n"), place.path("demo").display());
    let output = Command::new("bash").args(["-c", &line]).current_dir(repository()).output().expect("bash can be started");
    assert!(output.status.success(), "{line}: {}", stderr(&output));
}

#[test]
fn names_of_weights_are_listed_as_the_message_says() {
    let place = place();
    let said = works(&place, &typed(&place, &["weights", "get", "nothing-like-it"]), 1);
    assert!(said[0].contains("dino-vits16"), "{said:?}");
}

#[test]
fn skipped_images_are_allowed_as_the_message_says() {
    let place = place();
    // More than 1 % of the images are broken, and at least five.
    for number in 0..5 {
        fs::write(place.path(&format!("data/apple/apple-00{number}.png")), "broken").unwrap();
    }
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let option = stderr(&output).split_whitespace().find(|word| *word == "--allow-skipped").expect("the option").to_owned();
    assert_eq!(place.run(&[&option]).status.code(), Some(0));
}

/// Commands of a new plugin outside of any clone, one after the other; compiled code stays, so that the sdk is compiled once.
#[test]
fn a_new_plugin_is_built_and_described_as_it_is_printed() {
    let folder = build_folder().join("next-steps");
    let plugin = folder.join("shapes");
    let _ = fs::remove_dir_all(&plugin);
    let output = convert().args(["plugins", "new", "proposer", "shapes", "--dir"]).arg(&plugin).arg("--sdk").arg(repository().join("sdk")).output();
    let output = output.expect("convert can be started");
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let place = text.split("Next, in ").nth(1).and_then(|rest| rest.split(":\n").next()).expect("a folder");
    let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert_eq!(lines.len(), 3, "{text}");
    fs::create_dir_all(folder.join("target")).unwrap();
    std::os::unix::fs::symlink(folder.join("target"), plugin.join("target")).unwrap();
    fs::copy(repository().join("Cargo.lock"), plugin.join("Cargo.lock")).unwrap();
    let mut last = String::new();
    for line in lines {
        let mut command = Command::new("bash");
        command.args(["-c", line]).current_dir(place).env_remove("CARGO_TARGET_DIR").env("CARGO_NET_OFFLINE", "true");
        let output = command.output().expect("bash can be started");
        last = stdout(&output);
        assert!(output.status.success(), "{line}: {last}{}", stderr(&output));
    }
    assert!(last.starts_with("shapes 0.1.0 (proposer)"), "{last}");
    let beside =
        text.split("copy target/release/").nth(1).and_then(|rest| rest.split_once(" into ")).expect("where to copy it").1.trim_end_matches(".\n");
    assert_eq!(std::path::Path::new(beside), build_folder().join("plugins"), "{text}");
}
