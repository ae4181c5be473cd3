//! What the tests from outside share: the built executable, folders of images made on the spot, recipes written for a test.

pub mod eight_roles;
pub mod file_server;
pub mod hostile;
pub mod random_vit;
pub mod s3_server;
pub mod viewer;
pub mod worker;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

/// The folder of the build that this test belongs to, with the executable and the libraries.
///
/// # Panics
/// When the test was not started by cargo.
pub fn build_folder() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST").to_owned()
}

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_owned()
}

/// The built `convert`, with the plugins beside it.
///
/// # Panics
/// When it is not built.
pub fn convert() -> Command {
    let file = build_folder().join("convert");
    assert!(file.is_file() && build_folder().join("plugins").is_dir(), "{} is not built: run `make build` first", file.display());
    let mut command = Command::new(file);
    // The Python of scripts/setup.sh has numpy, which that of the system may lack.
    command.env("NO_COLOR", "1").env_remove("CONVERT_PLUGIN_PATH").env("CONVERT_PYTHON", python());
    command
}

/// A folder with one of the libraries that only tests load, as a plugin folder.
///
/// # Panics
/// When it is not built.
pub fn plugin_folder(library: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = format!("lib{library}.so");
    std::fs::copy(build_folder().join(&file), folder.path().join(&file)).expect("the library is built");
    folder
}

/// The Python of scripts/setup.sh, which has numpy.
pub fn python() -> PathBuf {
    repository().join("vendor/venv/bin/python")
}

/// The Python that has what the examples of docs/examples/python import, or a loud word that the test was skipped.
///
/// # Panics
/// Without bash.
pub fn python_of_examples(test: &str) -> Option<String> {
    let environment = std::process::Command::new(repository().join("tests/examples-environment.sh")).output().expect("bash can be started");
    if !environment.status.success() {
        skipped(test, stderr(&environment).trim());
        return None;
    }
    Some(stdout(&environment).trim().to_owned())
}

/// The Python that has Ray and moto, or a loud word that the test was skipped.
///
/// # Panics
/// Without bash.
pub fn python_of_clusters(test: &str) -> Option<String> {
    let environment = std::process::Command::new(repository().join("tests/cluster-environment.sh")).output().expect("bash can be started");
    if !environment.status.success() {
        skipped(test, stderr(&environment).lines().last().unwrap_or("it cannot be made"));
        return None;
    }
    Some(stdout(&environment).trim().to_owned())
}

/// `CONVERT_SHARED`, or a loud word that the test was skipped.
pub fn shared(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CONVERT_SHARED").map(PathBuf::from).filter(|folder| folder.is_dir());
    if folder.is_none() {
        skipped(test, "CONVERT_SHARED does not point to the shared photos and weights");
    }
    folder
}

/// Says that a test was skipped, and why; not with `eprintln!`, which the test harness captures.
pub fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}

/// What a command printed to standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command printed to standard output.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// All files below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// What no run that ended well leaves below its work directory: half-written files, parts of shards, notes of what was in work, files that were set aside.
pub fn left_over(work: &Path) -> Vec<PathBuf> {
    let is_left = |file: &PathBuf| {
        let name = file.to_string_lossy();
        [".convert-tmp", ".partial", ".damaged", "/unfinished/", "before-retry"].iter().any(|part| name.contains(part))
            || file.ends_with("in-flight")
            || file.ends_with("crashes.json")
            || name.contains("/vectors.")
    };
    let empty = |file: &PathBuf| file.is_dir() && std::fs::read_dir(file).is_ok_and(|mut entries| entries.next().is_none());
    let stages = std::fs::read_dir(work.join("stages")).into_iter().flatten().flatten();
    files_below(work).into_iter().filter(is_left).chain(stages.map(|stage| stage.path().join("unfinished")).filter(empty)).collect()
}

/// A work place: a folder with a recipe, gone after the test.
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// A place with `recipe.yaml`.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn new(recipe: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("recipe.yaml"), recipe).expect("the recipe can be written");
        Self { folder }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `convert --recipe recipe.yaml` with more arguments.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("convert can be started")
    }

    /// The same, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = convert();
        command.current_dir(self.folder.path()).arg("--recipe").arg("recipe.yaml").args(arguments);
        command
    }

    /// A file of the work directory `work`.
    ///
    /// # Panics
    /// When it does not exist.
    pub fn result(&self, name: &str) -> Vec<u8> {
        let path = self.path("work").join(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Writes small photos, `per_class` in each class folder of `data/`: a coloured disc or square on a textured ground.
    ///
    /// # Panics
    /// When a file cannot be written.
    pub fn write_images(&self, classes: &[&str], per_class: u32) {
        for (at, class) in classes.iter().enumerate() {
            let folder = self.path("data").join(class);
            std::fs::create_dir_all(&folder).expect("a folder");
            for number in 0..per_class {
                drawn(at as u32, number).save(folder.join(format!("{class}-{number:03}.png"))).expect("an image");
            }
        }
    }
}

/// A disc (even classes) or square (odd ones) whose colour is the class's, on a ground of squares in two greys.
pub fn drawn(class: u32, number: u32) -> image::RgbImage {
    const COLOURS: [[u8; 3]; 4] = [[210, 40, 40], [40, 70, 210], [40, 170, 60], [220, 190, 40]];
    let (cx, cy, radius) = (40 + (number * 7) % 20, 44 + (number * 5) % 16, 18 + number % 6);
    image::RgbImage::from_fn(96, 96, |x, y| {
        let (dx, dy) = (x.abs_diff(cx), y.abs_diff(cy));
        let inside = if class.is_multiple_of(2) { dx * dx + dy * dy <= radius * radius } else { dx.max(dy) <= radius };
        let grain = ((x * 31 + y * 17 + number * 13) % 23) as u8;
        if inside {
            image::Rgb(COLOURS[(class % 4) as usize].map(|channel| channel.saturating_add(grain)))
        } else {
            let grey = if (x / 12 + y / 12) % 2 == 0 { 120 } else { 136 };
            image::Rgb([grey + grain; 3])
        }
    })
}
