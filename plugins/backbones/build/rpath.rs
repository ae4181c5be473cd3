//! Lets a library that links libtorch find it when it is loaded. Shared by the build scripts of every plugin that uses `tch`
//! (`#[path = "../backbones/build/rpath.rs"] mod rpath;`), since Cargo hands no linker argument on from a dependency.

/// Prints the run paths: beside the installed libraries first, then where libtorch was at build time. `LD_LIBRARY_PATH` still wins over both.
pub fn emit() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=LIBTORCH_LIB");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("windows") {
        return; // looks beside the executable and in PATH
    }
    let origin = if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("macos") { "@loader_path" } else { "$ORIGIN" };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{origin}/../lib");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{origin}/../libtorch/lib");
    if let Ok(root) = std::env::var("LIBTORCH_LIB").or_else(|_| std::env::var("LIBTORCH")) {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{root}/lib");
    }
}
