//! The names that this program is started by. ImageMagick has a `convert` too, so it is installed as `convert-labels` as well.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The names that the program is installed under.
pub const NAMES: [&str; 2] = ["convert", "convert-labels"];

/// A program beyond this many bytes is not looked into.
const LARGEST: u64 = 256 << 20;

/// How this program was called, as it can be typed again: its name where the shell finds it by that, else the path.
pub fn typed() -> &'static str {
    static TYPED: OnceLock<String> = OnceLock::new();
    TYPED.get_or_init(|| {
        let called = std::env::args_os().next().map(PathBuf::from).unwrap_or_else(|| NAMES[0].into());
        let found = called.file_name().and_then(on_path);
        match (called.file_name(), found) {
            (Some(name), Some(found)) if same_file(&found, &called) => name.to_string_lossy().into_owned(),
            _ => quoted(&called.display().to_string()),
        }
    })
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "/._-+=:,@%".contains(character);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// The file that a shell runs for a name.
pub fn on_path(name: &OsStr) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Whose program a file on `PATH` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This one, or the wheel's script that starts it.
    This,
    /// Another installation of this program.
    Another,
    /// ImageMagick's.
    ImageMagick,
    /// Something else, or not to be told.
    Unknown,
}

impl Owner {
    /// Whose a file is, found by what is in it: programs that are not known are not started.
    pub fn of(file: &Path) -> Self {
        let this = std::env::current_exe().ok();
        if this.as_deref().is_some_and(|this| same_file(this, file)) {
            return Self::This;
        }
        let Ok(content) = convert_formats::files::read(file, LARGEST) else { return Self::Unknown };
        let holds = |text: &str| content.windows(text.len()).any(|window| window == text.as_bytes());
        if content.starts_with(b"#!") && holds("convert_labels") {
            // PREFIX/bin/convert starts PREFIX/lib/python3.x/site-packages/convert_labels/convert.
            let prefix = file.canonicalize().ok().and_then(|file| Some(file.parent()?.parent()?.to_owned()));
            let ours = this.zip(prefix).is_some_and(|(this, prefix)| this.starts_with(prefix));
            return if ours { Self::This } else { Self::Another };
        }
        // Each looks for libraries or settings by a name of its own.
        if holds("CONVERT_PLUGIN_PATH") {
            Self::Another
        } else if holds("libMagick") || file.canonicalize().is_ok_and(|target| target.file_name() == Some(OsStr::new("magick"))) {
            Self::ImageMagick
        } else {
            Self::Unknown
        }
    }
}

/// What the shell runs for each name, a line each, and what to do where that is another program.
pub fn diagnosis() -> Vec<String> {
    let found = NAMES.map(|name| (name, on_path(OsStr::new(name)).map(|file| (Owner::of(&file), file))));
    let other_name = found.iter().find(|(_, found)| found.as_ref().is_some_and(|(owner, _)| *owner == Owner::This)).map(|(name, _)| *name);
    let line = |(name, found): &(&str, Option<(Owner, PathBuf)>)| {
        let Some((owner, file)) = found else { return format!("{name} is not found on PATH") };
        let whose = match owner {
            Owner::This => return format!("{name} is {}, this program", file.display()),
            Owner::Another => "another installation of this program",
            Owner::ImageMagick => "ImageMagick's",
            Owner::Unknown => "another program",
        };
        let instead = other_name.unwrap_or_else(typed);
        format!("{name} is {}, {whose}: type {instead} instead", file.display())
    };
    found.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_come_back_from_a_shell_as_they_were() {
        for word in ["target/release/convert", "it is/here", "", "it's", "a$b`c\"d\\e", "~x", "größe.yaml"] {
            let output = std::process::Command::new("sh").args(["-c", &format!("printf %s {}", quoted(word))]).output().expect("sh can be started");
            assert_eq!(String::from_utf8_lossy(&output.stdout), word);
        }
        assert_eq!(quoted("recipes/demo.yaml"), "recipes/demo.yaml");
    }
}
