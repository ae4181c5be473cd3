//! Run paths, so that libtorch is found.

#[path = "../backbones/build/rpath.rs"]
mod rpath;

fn main() {
    rpath::emit();
}
