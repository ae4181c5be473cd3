//! Class lists.

use std::collections::HashMap;
use std::path::Path;

use convert_sdk::{Error, Result, ResultExt};

/// Class names by index, at least two, no two the same.
#[derive(Clone, Debug)]
pub struct ClassList {
    names: Vec<String>,
    indices: HashMap<String, u32>,
}

impl ClassList {
    /// The classes of a file: one name a line, UTF-8, spaces around it ignored.
    ///
    /// # Errors
    /// A file that cannot be read, an empty line before the last name, a name that comes twice, fewer than two names.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).context(|| format!("cannot read the class file {}", path.display()))?;
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
    fn bad_lists_name_the_line() {
        for (text, what) in [("a\n\nb\n", "line 2 of"), ("a\nb\na\n", "lines 1 and 3 of"), ("a\n", "fewer than two"), ("", "fewer than two")] {
            let error = check(text).unwrap_err().to_string();
            assert!(error.contains(what), "{text:?}: {error}");
        }
    }
}
