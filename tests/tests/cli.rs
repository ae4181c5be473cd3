//! What the command line says of itself.

use convert_tests::{build_folder, convert, stdout};

#[test]
fn the_help_ends_with_the_exit_codes_and_an_example() {
    let output = convert().arg("--help").output().expect("convert can be started");
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let at = text.find("Exit codes:").expect("the help has the exit codes");
    let (codes, example) = text[at..].split_once("Example:").expect("and an example");
    insta::assert_snapshot!(codes, @"
    Exit codes:
      0    done
      1    failed while running
      2    wrong usage, or a recipe that cannot run
      3    finished, but more than 1 % of the samples were skipped, or any with --strict
      130  interrupted; the same command continues
    ");
    // As the program was called, which decides where a line ends.
    let words: Vec<&str> = example.split_whitespace().collect();
    let file = build_folder().join("convert").display().to_string();
    assert_eq!(words, [&*file, "\\", "--recipe", "recipes/demo.yaml", "--set", "proposals.0.config.tau=0.3"]);
}
