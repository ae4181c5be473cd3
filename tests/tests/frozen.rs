//! Plugins in the field: what was built against an earlier sdk loads, and does its part in a run (docs/abi.md).

use std::process::Command;

use convert_tests::eight_roles::{ROLES, run_with_all};
use convert_tests::{build_folder, convert, repository, stderr};

#[test]
fn plugins_of_every_frozen_sdk_load_and_do_a_whole_run() {
    let frozen = std::fs::read_dir(repository().join("tests/frozen")).expect("tests/frozen");
    let versions: Vec<_> = frozen.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    assert!(!versions.is_empty(), "version 1.0 is frozen");
    for version in versions {
        // Cargo knows crates by their place in a workspace: every version has an sdk folder of its own name, so that all may share what is compiled of their dependencies.
        let target = build_folder().join("frozen");
        let built = Command::new(env!("CARGO"))
            // Not offline: what an old lock file names may no longer be here.
            .args(["build", "--workspace", "--locked", "--quiet"])
            .current_dir(&version)
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_PROFILE_DEV_DEBUG", "false")
            .output()
            .expect("cargo can be started");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let libraries = tempfile::tempdir().unwrap();
        for role in ROLES {
            let file = format!("libconvert_my_{role}.so");
            std::fs::copy(target.join("debug").join(&file), libraries.path().join(&file)).unwrap();
        }
        let folder = libraries.path().to_str().expect("a plain path");
        let listed = convert().args(["plugins", "list", "--plugin-dir", folder]).output().expect("convert can be started");
        assert!(!stderr(&listed).contains("WARN"), "{}: {}", version.display(), stderr(&listed));
        run_with_all(folder);
    }
}
