//! Run paths, so that libtorch is found.

#[path = "build/rpath.rs"]
mod rpath;

fn main() {
    rpath::emit();
}
