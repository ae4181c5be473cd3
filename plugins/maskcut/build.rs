//! Run paths, so that libtorch is found; and a word to the linker about tests that link a second plugin crate.

#[path = "../backbones/build/rpath.rs"]
mod rpath;

fn main() {
    rpath::emit();
    // Every plugin crate defines the symbols of a library. The reference test and the example link two crates as ordinary Rust, where nobody looks those symbols up.
    for kind in ["tests", "examples"] {
        println!("cargo:rustc-link-arg-{kind}=-Wl,-z,muldefs");
    }
}
