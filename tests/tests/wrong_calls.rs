//! What people type wrongly, and what they are told: one snapshot of all of it.

use std::fmt::Write;
use std::fs;

use convert_tests::{Place, convert, stderr};

const RECIPE: &str = "version: 1
work_dir: work
dataset: { plugin: image-folder, root: data }
proposals: [{ plugin: grid, config: { cells: 2 } }]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 64, epochs: 2, hidden: 16 } }
export: [{ plugin: multilabel-tsv, file: labels.tsv }]
";

/// Each with what is changed in the recipe (`from => to`, or nothing) and what is typed; `R` stands for the recipe.
const CALLS: [(&str, &str); 42] = [
    ("", ""),
    ("", "R"),
    ("", "run R"),
    ("", "chekc R"),
    ("", "check"),
    ("", "check R --limit 5"),
    ("", "check missing.yaml"),
    ("", "check ."),
    ("", "--recipe"),
    ("", "--recipe missing.yaml"),
    ("", "--recipe R --set tau=0.3"),
    ("", "--recipe R --set proposals.0.config.cels=3"),
    ("", "--recipe R --set proposals.0.config.cells=many"),
    ("", "--recipe R --set proposals.7.config.cells=3"),
    ("", "--recipe R --set proposals"),
    ("", "--recipe R --limit 0"),
    ("", "--recipe R --limit some"),
    ("", "--recipe R --threads 0"),
    ("", "--recipe R --device gpu"),
    ("", "--recipe R --strict --allow-skipped"),
    ("", "--recipe R --fresh --retry-errors"),
    ("", "--recip R"),
    ("root: data => root: dta", "check R"),
    ("root: data => root: \"${NOWHERE_SET}\"", "check R"),
    ("root: data => root: \"${NOWHERE_SET:-}\"", "check R"),
    ("plugin: image-folder => plugin: image-foldr", "check R"),
    ("image-folder, root: data => image-folder, config: { root: data }", "check R"),
    ("cells: 2 => cels: 2", "check R"),
    ("{ cells: 2 } } => { cells: 2 }, cells: 3 }", "check R"),
    ("cells: 2 => cells: 0", "check R"),
    ("plugin: keep-largest => plugin: grid", "check R"),
    ("version: 1 => version: 2", "check R"),
    ("select: => selct:", "check R"),
    ("work_dir: work => \twork_dir: work", "check R"),
    ("file: labels.tsv => file: .", "check R"),
    ("family: patch-stats => family: dino", "check R"),
    ("family: patch-stats => weights: dino-vits61", "check R"),
    ("epochs: 2 => epochs: -1", "check R"),
    ("", "audit missing"),
    ("", "calibrate missing"),
    ("", "evaluate labels --predictions a.tsv"),
    ("", "plugins describe maskcutt"),
];

#[test]
fn wrong_calls_are_answered_with_what_to_do() {
    let mut answers = String::new();
    for (change, call) in CALLS {
        let recipe = change.split_once(" => ").map_or_else(
            || RECIPE.to_owned(),
            |(from, to)| {
                assert!(RECIPE.contains(from), "{from}");
                RECIPE.replacen(from, to, 1)
            },
        );
        let place = Place::new(&recipe);
        place.write_images(&["apple", "pear"], 2);
        fs::rename(place.path("recipe.yaml"), place.path("R.yaml")).unwrap();
        let mut command = convert();
        let arguments = call.split(' ').filter(|argument| !argument.is_empty()).map(|argument| if argument == "R" { "R.yaml" } else { argument });
        command.args(arguments).current_dir(place.path("")).env("CONVERT_OFFLINE", "1").env("CONVERT_WEIGHTS", place.path("weights"));
        let output = command.output().unwrap();
        assert_ne!(output.status.code(), Some(0), "{change} {call}: {}", stderr(&output));
        let folder = place.path("").canonicalize().unwrap().display().to_string();
        let text = stderr(&output).replace(&folder, "DIR").replace(&place.path("").display().to_string(), "DIR/").replace("DIR//", "DIR/");
        let program = convert_tests::build_folder().join("convert").display().to_string();
        let what = if change.is_empty() { String::new() } else { format!("   [{change}]") };
        let _ = writeln!(answers, "$ convert {call}{what}\n{}exit {}\n", text.replace(&program, "convert"), output.status.code().unwrap_or(-1));
    }
    insta::assert_snapshot!("answers", answers);
}
