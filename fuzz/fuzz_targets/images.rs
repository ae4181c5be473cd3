//! Images of all formats.
#![no_main]
use convert::engine::images::{Decoding, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: {
    // What a decoder says by a panic is an error of its image; the fuzzer would abort on it.
    std::panic::set_hook(Box::new(|info| {
        if !convert::is_decoding() {
            eprintln!("{info}");
            std::process::abort();
        }
    }));
}, |bytes: &[u8]| {
    let _ = decode(bytes, Decoding { exif_orientation: true, longest: None });
});
