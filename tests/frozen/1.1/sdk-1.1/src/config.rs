//! Types for plugin configs that tell the host more than a string does.

use std::borrow::Cow;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use schemars::{json_schema, JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

macro_rules! input {
    ($(#[$doc:meta])* $name:ident($inner:ty as $target:ty), $format:literal, $description:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name($inner);

        impl Deref for $name {
            type Target = $target;
            fn deref(&self) -> &$target {
                &self.0
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
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

input! {
    /// A file that must exist. The host makes its path absolute (relative to the recipe, or where it was typed into `--set` or a variable to the current
    /// folder), refuses the recipe when it is missing, and takes the file's content, not its place, into the keys of the stages that read it.
    InputFile(PathBuf as Path), "input-file", "path of an existing file, relative to the recipe"
}

input! {
    /// A class in Python: `FILE.py:CLASS`, whose file must exist and is treated as an [`InputFile`] is, or `package.module:CLASS`. The text has the file's absolute path.
    InputEntry(String as str), "input-entry", "a class: FILE.py:CLASS, relative to the recipe, or package.module:CLASS"
}

impl InputEntry {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

input! {
    /// A folder that must exist. The host makes its path absolute, as that of a file, and refuses the recipe when it is missing.
    /// Its path is part of the keys of the stages that read it; its content is not, except for a dataset's samples. With `x-address: true` in the schema it may be an address of an object store.
    InputFolder(PathBuf as Path), "input-folder", "path of an existing folder, relative to the recipe"
}

input! {
    /// A file or a folder that must exist. The host makes its path absolute, as that of a file, refuses the recipe when it is missing, and takes its
    /// content, of a folder that of all files directly in it, into the keys of the stages that read it. A schema may give it names for published files:
    /// an object under `x-named-files` with, for each name, `file`, `from` (where it is given out), `bytes` (about how many), `licence`, `sha256` (as much of it
    /// as is known) and `fetch` (whether `from` followed by `file` is an address from which `convert weights get` may fetch it; else `from` is a page for people).
    /// What such a name brings for other keys stands under `x-presets` of the mapping that has them: `{"dotted.key.of.the.name": {"name": {"key": value}}}`. A recipe's
    /// own values stay, and it is told where they differ; `null` stands for a key that is left out.
    InputPath(PathBuf as Path), "input-path", "path of an existing file or folder, relative to the recipe"
}
