//! Class lists.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use convert_formats::{files, imagenet};
use convert_sdk::schemars::{Schema, SchemaGenerator, json_schema};
use convert_sdk::{Deserialize, Error, InputFile, JsonSchema, Result, ResultExt, serde};

/// Where class names come from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(crate = "serde", from = "PathBuf")]
pub enum ClassSource {
    /// The 1,000 classes of ImageNet's challenge of 2012, built in.
    ImageNet1k,
    /// A file, one name a line.
    File(InputFile),
}

const IMAGENET_1K: &str = "imagenet-1k";

impl From<PathBuf> for ClassSource {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == IMAGENET_1K { Self::ImageNet1k } else { Self::File(path.into()) }
    }
}

impl JsonSchema for ClassSource {
    fn schema_name() -> Cow<'static, str> {
        "ClassSource".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let file = generator.subschema_for::<InputFile>();
        json_schema!({ "anyOf": [{ "const": IMAGENET_1K, "description": "ImageNet's classes, by WordNet id." }, file] })
    }
}

/// Class names by index, at least two, no two the same.
#[derive(Clone, Debug)]
pub struct ClassList {
    names: Vec<String>,
    indices: HashMap<String, u32>,
}

impl ClassList {
    /// The classes of a source.
    ///
    /// # Errors
    /// As [`ClassList::read`].
    pub fn of(source: &ClassSource) -> Result<Self> {
        match source {
            ClassSource::ImageNet1k => Ok(Self::imagenet()),
            ClassSource::File(file) => Self::read(file),
        }
    }

    /// ImageNet-1k: found by WordNet id, named by the first of a class's names, behind which the id stands where two classes share it.
    fn imagenet() -> Self {
        let first = |class: &imagenet::ImageNetClass| class.name.split(',').next().unwrap_or(class.name).to_owned();
        let mut seen = HashMap::<String, usize>::new();
        imagenet::classes().iter().for_each(|class| *seen.entry(first(class)).or_default() += 1);
        let name = |class: &imagenet::ImageNetClass| match first(class) {
            name if seen.get(&name) == Some(&1) => name,
            name => format!("{name} ({})", class.wnid),
        };
        let classes = imagenet::classes().iter();
        Self { names: classes.clone().map(name).collect(), indices: classes.map(|class| class.wnid.to_owned()).zip(0..).collect() }
    }
    /// The classes of a file: one name a line, UTF-8, spaces around it ignored.
    ///
    /// # Errors
    /// A file that cannot be read, an empty line before the last name, a name that comes twice, fewer than two names.
    pub fn read(path: &Path) -> Result<Self> {
        let text = files::read_to_string(path, files::MAX_TEXT).context(|| format!("cannot read the class file {}", path.display()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let names: Vec<String> = text.trim_end().lines().map(|line| line.trim().to_string()).collect();
        if let Some(empty) = names.iter().position(String::is_empty).filter(|_| names.len() > 1) {
            return Err(Error::config(format!("line {} of the class file {} is empty: each line names a class", empty + 1, path.display())));
        }
        if names.len() < 2 {
            return Err(Error::config(format!("the class file {} names fewer than two classes: one name a line is expected", path.display())));
        }
        Self::new(names).map_err(|(first, second)| {
            Error::config(format!("lines {} and {} of the class file {} name the same class", first + 1, second + 1, path.display()))
        })
    }

    /// A list of names; the indices of the first two equal ones when there are such.
    pub fn new(names: Vec<String>) -> Result<Self, (usize, usize)> {
        let mut indices = HashMap::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            if let Some(first) = indices.insert(name.clone(), index as u32) {
                return Err((first as usize, index));
            }
        }
        Ok(Self { names, indices })
    }

    /// The index of a name.
    pub fn index(&self, name: &str) -> Option<u32> {
        self.indices.get(name).copied()
    }

    /// The names, by index.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("classes.txt");
        std::fs::write(&path, text).unwrap();
        ClassList::read(&path).map(|classes| classes.names().to_vec())
    }

    #[test]
    fn a_line_is_a_class_and_its_index_the_label() {
        assert_eq!(check("\u{feff}zebra\r\n tench \n\n").unwrap(), ["zebra", "tench"]);
    }

    #[test]
    fn imagenet_is_found_by_wordnet_id_and_shown_by_name() {
        let classes = ClassList::of(&ClassSource::ImageNet1k).unwrap();
        assert_eq!((classes.index("n01440764"), classes.index("tench"), classes.names()[0].as_str()), (Some(0), None, "tench"));
        assert_eq!((classes.names()[134].as_str(), classes.names()[517].as_str()), ("crane (n02012849)", "crane (n03126707)"));
        assert_eq!(classes.names().iter().collect::<std::collections::HashSet<_>>().len(), 1000);
    }

    #[test]
    fn bad_lists_name_the_line() {
        for (text, what) in [("a\n\nb\n", "line 2 of"), ("a\nb\na\n", "lines 1 and 3 of"), ("a\n", "fewer than two"), ("", "fewer than two")] {
            let error = check(text).unwrap_err().to_string();
            assert!(error.contains(what), "{text:?}: {error}");
        }
    }
}
