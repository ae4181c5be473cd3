//! `convert plugins new`: a plugin to begin with, for any role.

mod python;

pub use python::new_python_plugin;

use std::fs;
use std::path::{Path, PathBuf};

use convert_sdk::Role;

use crate::command_name;
use crate::errors::FileError;
use crate::failure::Failure;
use crate::plugins::{Catalog, Plugin, default_folders};

/// The crates of this workspace that hold no plugin, and so are in no catalog: a crate of the same name could not stand beside them.
const TAKEN_CRATES: [&str; 4] = ["sdk", "backbones", "formats", "tests"];

/// The manifest of the example in `docs/writing-a-plugin.md`.
const MANIFEST: &str = include_str!("../../../docs/example-plugin/Cargo.toml");

/// A plugin that builds, as the tests and the page show it, with the names that are to be replaced.
struct Template {
    text: &'static str,
    plugin: &'static str,
    type_name: &'static str,
}

impl Template {
    fn of(role: Role) -> Self {
        macro_rules! template {
            ($plugin:literal, $type_name:literal, $($file:literal),+) => {
                Template { text: concat!($(include_str!(concat!("../../../docs/", $file))),+), plugin: $plugin, type_name: $type_name }
            };
        }
        match role {
            Role::Dataset => template!("named-files", "NamedFiles", "plugin-templates/dataset.rs"),
            Role::Proposer => template!("grid", "Grid", "example-plugin/src/lib.rs", "plugin-templates/proposer-test.rs"),
            Role::Refiner => template!("drop-large", "DropLarge", "plugin-templates/refiner.rs"),
            Role::Selector => template!("central", "Central", "plugin-templates/selector.rs"),
            Role::Labeler => template!("mean-colour", "MeanColour", "plugin-templates/labeler.rs"),
            Role::Postprocessor => template!("best", "Best", "plugin-templates/postprocessor.rs"),
            Role::Exporter => template!("class-names", "ClassNames", "plugin-templates/exporter.rs"),
            Role::Extractor => template!("cell-colours", "CellColours", "plugin-templates/extractor.rs"),
        }
    }

    /// The code under another name. The type's name ends in the role's, so that it hides nothing that the sdk exports.
    fn code(&self, role: Role, name: &str) -> String {
        let type_name = camel_case(name) + &camel_case(role.name());
        let text = replace_word(self.text, self.type_name, &type_name);
        text.replace(&format!("{} \"{}\"", role.name(), self.plugin), &format!("{} \"{name}\"", role.name()))
            .replace(&format!("\"{}-{{}}", self.plugin), &format!("\"{name}-{{}}"))
    }
}

/// Writes a plugin crate and says what to do with it.
///
/// # Errors
/// A name that is none or is taken, a folder that holds something, no sdk, a file that cannot be written.
pub fn new_plugin(role: Role, name: &str, folder: &Path, sdk: Option<&Path>, catalog: &Catalog) -> Result<(), Failure> {
    check_name(name)?;
    check_free(role, name, catalog)?;
    let folder = std::path::absolute(folder).map_err(|error| Failure::usage(format!("--dir {}: {error}", folder.display())))?;
    check_empty(&folder)?;
    let home = Home::find(&folder, sdk)?;
    if let Home::Member(root) = &home {
        check_unwritten(name, &root.join("plugins"))?;
    }
    let manifest = home.manifest(name);
    let code = Template::of(role).code(role, name);
    fs::create_dir_all(folder.join("src")).map_err(FileError::of("write", &folder))?;
    for (file, text) in [("Cargo.toml", manifest), ("src/lib.rs", code)] {
        let path = folder.join(file);
        fs::write(&path, text).map_err(FileError::of("write", &path))?;
        answer!("wrote {}", path.display());
    }
    answer!("\n{}", home.next_steps(&folder, name));
    Ok(())
}

/// A name is words of lower-case letters and digits, the first beginning with a letter, with single hyphens between them.
fn check_name(name: &str) -> Result<(), Failure> {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if name.starts_with("test-") {
        return Err(Failure::usage(format!("{name:?} cannot be a plugin's name: those that begin with `test-` are never installed, take another")));
    }
    if name.len() <= 64 && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.split('-').all(is_word) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{name:?} cannot be a plugin's name: take at most 64 lower-case letters, digits and single hyphens, beginning with a letter, such as `sharp-edges`"
    )))
}

fn check_free(role: Role, name: &str, catalog: &Catalog) -> Result<(), Failure> {
    if let Some(known) = catalog.find(role, name) {
        return Err(Failure::usage(format!(
            "the {} `{name}` is there already, in {}: take another name, or one of the two would hide the other",
            role.name(),
            known.file.display()
        )));
    }
    let crate_name = crate_name(name);
    let of_that_crate = |plugin: &&Plugin| plugin.package == crate_name;
    match catalog.all().find(of_that_crate) {
        Some(known) => {
            Err(Failure::usage(format!("the crate `{crate_name}` is there already, it has the plugin `{}`: take another name", known.name)))
        }
        None if TAKEN_CRATES.contains(&name) => Err(Failure::usage(format!("the crate `{crate_name}` is there already: take another name"))),
        None => Ok(()),
    }
}

/// Whether a crate of that name stands in the folder of plugins, perhaps not built yet.
fn check_unwritten(name: &str, plugins: &Path) -> Result<(), Failure> {
    let line = format!("name = \"{}\"", crate_name(name));
    let manifests = fs::read_dir(plugins).into_iter().flatten().flatten().map(|entry| entry.path().join("Cargo.toml"));
    match manifests.into_iter().find(|path| fs::read_to_string(path).is_ok_and(|text| text.lines().any(|own| own == line))) {
        Some(path) => Err(Failure::usage(format!("{} has the crate `{}` already: take another name", path.display(), crate_name(name)))),
        None => Ok(()),
    }
}

fn check_empty(folder: &Path) -> Result<(), Failure> {
    let shown = folder.display();
    match fs::read_dir(folder) {
        Ok(entries) => match entries.count() {
            0 => Ok(()),
            _ => Err(Failure::usage(format!("the folder {shown} is not empty: name a new one with --dir, or empty it first"))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::usage(format!("--dir {shown} cannot be used: {error}"))),
    }
}

fn crate_name(name: &str) -> String {
    format!("convert-{name}")
}

/// `sharp-edges` as `SharpEdges`.
fn camel_case(name: &str) -> String {
    let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    name.split('-').map(word).collect()
}

/// Replaces a word where no letter, digit or underscore stands beside it.
fn replace_word(text: &str, word: &str, by: &str) -> String {
    let joins = |character: Option<char>| character.is_some_and(|character| character.is_alphanumeric() || character == '_');
    let (mut replaced, mut done) = (String::with_capacity(text.len()), 0);
    for (at, _) in text.match_indices(word) {
        let end = at + word.len();
        if !joins(text[..at].chars().next_back()) && !joins(text[end..].chars().next()) {
            replaced += &text[done..at];
            replaced += by;
            done = end;
        }
    }
    replaced + &text[done..]
}

/// Where a plugin lives, and with it how its manifest names the sdk and how it is built.
#[derive(Debug, PartialEq, Eq)]
enum Home {
    /// In `plugins/` of this clone: a member of its workspace, built and installed with it.
    Member(PathBuf),
    /// Anywhere else, with the sdk in this folder.
    Own(PathBuf),
}

impl Home {
    /// For a plugin in an absolute folder: with the sdk that was named, or that of the clone that holds the folder or the executable, or that the executable was built from.
    fn find(folder: &Path, sdk: Option<&Path>) -> Result<Self, Failure> {
        let clone = clone_around(folder);
        let member = clone.as_ref().filter(|root| folder.parent() == Some(&root.join("plugins")));
        if let Some(root) = clone.as_ref().filter(|root| folder.starts_with(root.join("tests"))) {
            return Err(Failure::usage(format!("{} is for the plugins of tests: take {}", folder.display(), root.join("plugins").display())));
        }
        if let Some(sdk) = sdk.filter(|_| member.is_none()) {
            let sdk = std::path::absolute(sdk).map_err(|error| Failure::usage(format!("--sdk {}: {error}", sdk.display())))?;
            if !is_sdk(&sdk) {
                return Err(Failure::usage(format!("--sdk {} is not the folder of convert-sdk: it has no Cargo.toml of that name", sdk.display())));
            }
            return Ok(Self::Own(sdk));
        }
        if let (Some(root), Some(sdk)) = (member, sdk)
            && std::path::absolute(sdk).ok() != Some(root.join("sdk"))
        {
            return Err(Failure::usage(format!("a plugin in {} has the sdk of that clone: leave out --sdk", root.join("plugins").display())));
        }
        match clone {
            Some(root) if folder.parent() == Some(&root.join("plugins")) => return Ok(Self::Member(root)),
            Some(root) => return Ok(Self::Own(root.join("sdk"))),
            None => {}
        }
        let of_executable = std::env::current_exe().ok().and_then(|executable| clone_around(&executable));
        let built_from = || clone_around(Path::new(env!("CARGO_MANIFEST_DIR")));
        match of_executable.or_else(built_from) {
            Some(root) => Ok(Self::Own(root.join("sdk"))),
            None => {
                Err(Failure::usage("neither DIR nor this executable lies in a clone of convert's repository: name its folder `sdk` with --sdk DIR"))
            }
        }
    }

    /// The example's manifest with this plugin's names, and the checks of its role for its tests.
    fn manifest(&self, name: &str) -> String {
        let checks = "[dev-dependencies]\nconvert-testing = { path = \"../../sdk/testing\" }\n";
        let text = MANIFEST.replace("convert-grid", &crate_name(name)) + checks;
        match self {
            Self::Member(_) => text,
            // Without a table of its own the crate would be taken for a member of whatever workspace lies around it.
            Self::Own(sdk) => text.replace("../../sdk", &toml_escaped(sdk)).replace("[dependencies]", "[workspace]\n[dependencies]"),
        }
    }

    fn next_steps(&self, folder: &Path, name: &str) -> String {
        let library = format!("{}convert_{}{}", std::env::consts::DLL_PREFIX, name.replace('-', "_"), std::env::consts::DLL_SUFFIX);
        let (package, command) = (crate_name(name), command_name::typed());
        let beside = default_folders().pop().unwrap_or_else(|| "plugins".into());
        match self {
            Self::Member(root) => format!(
                "Next, in {}:\n\n    cargo test --release -p {package}\n    make build                       # builds it too, and puts {library} into plugins/ beside convert\n    target/release/convert plugins describe {name}",
                root.display()
            ),
            Self::Own(_) => format!(
                "Next, in {}:\n\n    cargo test --release\n    cargo build --release\n    {command} plugins describe {name} --plugin-dir target/release\n\n\
                 To have it found without --plugin-dir, copy target/release/{library} into {}.",
                folder.display(),
                beside.display()
            ),
        }
    }
}

/// A path as the inside of a TOML string.
fn toml_escaped(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"")
}

fn is_sdk(folder: &Path) -> bool {
    fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|manifest| manifest.contains("name = \"convert-sdk\""))
}

/// The clone of this repository that a path lies in.
fn clone_around(path: &Path) -> Option<PathBuf> {
    path.ancestors().find(|folder| folder.join("Cargo.toml").is_file() && is_sdk(&folder.join("sdk"))).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_words_with_single_hyphens() {
        for good in ["grid", "sharp-edges", "sam-2", "x"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "Grid", "sharp_edges", "-x", "x-", "a--b", "2d", "naïve", "a b", "../x", &"x".repeat(65)] {
            assert!(check_name(bad).unwrap_err().to_string().contains("cannot be a plugin's name"), "{bad}");
        }
    }

    #[test]
    fn words_are_replaced_whole() {
        assert_eq!(replace_word("Grid: GridGrid, a_Grid Grid(Grid)", "Grid", "X"), "X: GridGrid, a_Grid X(X)");
        assert_eq!(camel_case("sharp-edges-2"), "SharpEdges2");
    }

    #[test]
    fn no_name_of_a_template_is_left_in_what_is_written() {
        for role in Role::ALL {
            let template = Template::of(role);
            let code = template.code(role, "own-thing");
            assert!(code.contains(&format!("{} \"own-thing\" => OwnThing{}", role.name(), camel_case(role.name()))), "{code}");
            assert!(!code.contains(&format!("\"{}", template.plugin)) && replace_word(&code, template.type_name, "") == code, "{code}");
        }
    }

    #[test]
    fn a_folder_of_plugins_is_a_member_and_any_other_stands_alone() {
        let root = clone_around(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert_eq!(Home::find(&root.join("plugins/x"), None).unwrap(), Home::Member(root.clone()));
        assert_eq!(Home::find(&root.join("runs/x"), None).unwrap(), Home::Own(root.join("sdk")));
        assert_eq!(Home::find(Path::new("/elsewhere/x"), Some(&root.join("sdk"))).unwrap(), Home::Own(root.join("sdk")));
        assert_eq!(Home::find(&root.join("plugins/x"), Some(&root.join("sdk"))).unwrap(), Home::Member(root.clone()));
        let refused = |folder: &Path, sdk: &Path| Home::find(folder, Some(sdk)).unwrap_err().to_string();
        assert!(refused(Path::new("/elsewhere/x"), &root).contains("is not the folder of convert-sdk"));
        assert!(refused(&root.join("plugins/x"), Path::new("/elsewhere/sdk")).contains("leave out --sdk"));
        assert!(refused(&root.join("tests/plugins/x"), &root.join("sdk")).contains("is for the plugins of tests"));
        let taken = check_unwritten("datasets", &root.join("plugins")).unwrap_err().to_string();
        assert!(taken.contains("has the crate `convert-datasets` already"), "{taken}");
        assert!(check_unwritten("not-there", &root.join("plugins")).is_ok() && check_name("test-drop").is_err());
        let member = Home::Member(root.clone()).manifest("x");
        assert!(member.contains("path = \"../../sdk\"") && !member.contains("[workspace]"), "{member}");
        let own = Home::Own("/with \"quotes\"/sdk".into()).manifest("x");
        assert!(own.contains("path = \"/with \\\"quotes\\\"/sdk\"") && own.contains("[workspace]"), "{own}");
    }
}
