//! `convert`: one match from the command line to the command; see `convert::commands`.

use std::io::Write;
use std::process::ExitCode;

/// To standard error, where nobody may be listening any more.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        if convert::is_decoding() {
            return; // it becomes the error of one image
        }
        let place = info.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        let message = info.payload_as_str().unwrap_or("no message");
        say(&format!("internal error{place}: {message}; please report it. Finished shards are kept: the same command continues"));
    }));
    convert::say_crashes();
    match std::panic::catch_unwind(|| convert::execute(convert::cli::parse())) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            say(&failure.report());
            ExitCode::from(failure.exit_code())
        }
        Err(_) => ExitCode::from(1),
    }
}
