//! Recipes, checked without any plugin.
#![no_main]
use clap::Parser;
use convert_fuzz::with_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    with_file("recipe.yaml", bytes, |path| {
        let arguments = convert::cli::Arguments::parse_from(["convert".as_ref(), "check".as_ref(), path.as_os_str()]);
        if let Err(failure) = convert::execute(arguments) {
            assert!(!failure.report().is_empty());
        }
    });
});
