//! What a terminal of 80 or 110 columns shows: bars and tables fit into it. `script` gives the program a terminal of its own.

use std::process::Command;

use convert_tests::{Place, build_folder, skipped};

const RECIPE: &str = "version: 1
work_dir: work
dataset: { plugin: scenes, count: 60, size: 96 }
proposals: [{ plugin: maskcut, config: { backbone: { family: patch-stats }, input_size: 96, tau: 0.5, masks: 2 } }]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 96, epochs: 200, hidden: 32, cache: true } }
export: [{ plugin: multilabel-tsv, file: labels.tsv }]
";

/// Everything that a command writes to a terminal of so many columns, in the lines that were visible at one time or another.
fn lines_of(place: &Place, columns: usize, arguments: &str) -> Vec<String> {
    let program = build_folder().join("convert");
    let line = format!("stty cols {columns} rows 40 && '{}' {arguments}", program.display());
    let output = Command::new("script").args(["-qec", &line, "/dev/null"]).current_dir(place.path("")).output().expect("script can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            // A control sequence: `ESC [`, numbers, a letter.
            '\u{1b}' => drop(characters.by_ref().find(|character| character.is_ascii_alphabetic())),
            '\r' => plain.push('\n'),
            other => plain.push(other),
        }
    }
    plain.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn bars_and_tables_are_as_wide_as_the_terminal() {
    if Command::new("script").arg("--version").output().is_err() {
        return skipped("bars_and_tables_are_as_wide_as_the_terminal", "there is no `script` (util-linux)");
    }
    for columns in [80, 110] {
        let place = Place::new(RECIPE);
        let lines = lines_of(&place, columns, "--recipe recipe.yaml");
        let bars: Vec<&String> = lines.iter().filter(|line| line.contains(['━', '╌'])).collect();
        let tables: Vec<&String> = lines.iter().filter(|line| line.contains(['│', '═'])).collect();
        assert!(bars.len() > 5 && tables.len() > 20, "{lines:#?}");
        for line in bars.iter().chain(&tables) {
            assert!(line.chars().count() <= columns, "{columns}: {line}");
        }
        for bar in bars {
            assert!(bar.contains("/s ETA "), "{columns}: {bar}");
        }
        assert!(tables.iter().any(|line| line.contains("per-image AP, ≥ 2 objects")), "no cell of the figures is broken: {tables:#?}");
        for command in ["plugins list", "doctor"] {
            let lines = lines_of(&place, columns, command);
            let table: Vec<&String> = lines.iter().filter(|line| line.contains('│')).collect();
            assert!(table.len() > 10 && table.iter().all(|line| line.chars().count() <= columns), "{columns}: {table:#?}");
        }
    }
}
