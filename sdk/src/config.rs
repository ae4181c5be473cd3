//! Types for plugin configs that tell the host more than a string does.

use std::borrow::Cow;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use schemars::{json_schema, JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

macro_rules! input_path {
    ($(#[$doc:meta])* $name:ident, $format:literal, $description:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(PathBuf);

        impl Deref for $name {
            type Target = Path;
            fn deref(&self) -> &Path {
                &self.0
            }
        }

        impl From<PathBuf> for $name {
            fn from(path: PathBuf) -> Self {
                Self(path)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "description": $description })
            }
        }
    };
}

input_path! {
    /// A file that must exist. The host makes its path absolute (relative to the recipe, or where it was typed into `--set` or a variable to the current
    /// folder), refuses the recipe when it is missing, and takes the file's content, not its place, into the keys of the stages that read it.
    InputFile, "input-file", "path of an existing file, relative to the recipe"
}

/// A class in Python: `FILE.py:CLASS`, whose file must exist and is treated as an [`InputFile`] is, or `package.module:CLASS`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InputEntry(String);

impl InputEntry {
    /// The text, with the file's absolute path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for InputEntry {
    fn from(entry: String) -> Self {
        Self(entry)
    }
}

impl JsonSchema for InputEntry {
    fn schema_name() -> Cow<'static, str> {
        "InputEntry".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "input-entry", "description": "a class: FILE.py:CLASS, relative to the recipe, or package.module:CLASS" })
    }
}

input_path! {
    /// A folder that must exist. The host makes its path absolute, as that of a file, and refuses the recipe when it is missing.
    /// Its path is part of the keys of the stages that read it; its content is not, except for a dataset's samples.
    InputFolder, "input-folder", "path of an existing folder, relative to the recipe"
}

input_path! {
    /// A file or a folder that must exist. The host makes its path absolute, as that of a file, refuses the recipe when it is missing, and takes its
    /// content, of a folder that of all files directly in it, into the keys of the stages that read it. A schema may give it names for published files:
    /// an object under `x-named-files` with, for each name, `file`, `from` (where it is given out), `bytes` (about how many), `licence`, `sha256` (as much of it
    /// as is known) and `fetch` (whether `from` followed by `file` is an address from which `convert weights get` may fetch it; else `from` is a page for people).
    /// What such a name brings for other keys stands under `x-presets` of the mapping that has them: `{"dotted.key.of.the.name": {"name": {"key": value}}}`. A recipe's
    /// own values stay, and it is told where they differ; `null` stands for a key that is left out.
    InputPath, "input-path", "path of an existing file or folder, relative to the recipe"
}
