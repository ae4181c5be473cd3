//! `convert`: one match from the command line to the command; see `convert::commands`.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match convert::execute(convert::cli::Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
