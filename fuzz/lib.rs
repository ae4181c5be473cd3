//! What the targets share: bytes as a file, since the readers take paths, and datasets of a folder.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use convert_sdk::{Context, Dataset, Plugin};
use serde_json::Value;

/// A folder of this process, in memory where there is such a place.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let shared = Path::new("/dev/shm");
        let parent = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
        let folder = parent.join(format!("convert-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    })
}

/// Shows the bytes as a file of that name to a reader.
pub fn with_file(name: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    let path = folder().join(name);
    std::fs::write(&path, bytes).expect("a file");
    read(&path);
}

/// Opens a dataset with a config, and reads all its images.
pub fn dataset<D: Plugin + Dataset>(config: impl FnOnce(&Path) -> Value) {
    let config = serde_json::from_value(config(folder())).expect("a config");
    let Ok(dataset) = D::new(config, Context::for_tests(&[])) else { return };
    for sample in dataset.samples().unwrap_or_default() {
        let _ = dataset.image(&sample.id);
        let _ = dataset.truth(&sample.id);
    }
}
