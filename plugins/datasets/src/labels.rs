//! Labels that stand beside images: what becomes of samples that have none, and classes found from names or numbers.

use std::collections::BTreeSet;

use convert_sdk::tracing::warn;
use convert_sdk::{Deserialize, Error, JsonSchema, Result};

use crate::classes::{ClassList, ClassSource};

/// What is done with a sample that lacks its label or its image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "convert_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "convert_sdk::schemars")]
pub enum Incomplete {
    /// The recipe is refused.
    #[default]
    Stop,
    /// It is left out; how many are stands in the log.
    Skip,
}

/// Counts the samples that are left out.
pub struct LeftOut {
    how: Incomplete,
    count: usize,
    first: String,
}

impl LeftOut {
    pub fn new(how: Incomplete) -> Self {
        Self { how, count: 0, first: String::new() }
    }

    /// Takes note of a sample that `what` says is incomplete.
    ///
    /// # Errors
    /// The same as an error where incomplete samples stop the recipe.
    pub fn add(&mut self, what: impl FnOnce() -> String) -> Result<()> {
        if self.how == Incomplete::Stop {
            return Err(Error::config(format!("{}; `incomplete: skip` leaves such samples out", what())));
        }
        if self.count == 0 {
            self.first = what();
        }
        self.count += 1;
        Ok(())
    }

    /// Tells the user how many were skipped.
    pub fn report(&self) {
        if self.count > 0 {
            warn!("left out {} incomplete samples, the first: {}", self.count, self.first);
        }
    }
}

/// Where the classes of labels come from.
pub enum Classes<'a> {
    /// Named by the user.
    Given(&'a ClassSource),
    /// Named by the data.
    Known(ClassList),
    /// The names that occur, sorted.
    Found,
}

/// A label as it stands beside an image.
#[derive(Clone, Copy)]
pub struct Label<'a> {
    pub text: &'a str,
    /// Whether it is a number, and so an index, whatever the classes are called.
    pub is_index: bool,
}

impl<'a> Label<'a> {
    /// A name, or an index written out.
    pub fn of_text(text: &'a str) -> Self {
        Self { text, is_index: false }
    }
}

/// The classes, and the index of each label: a name, or an index where the classes are known beforehand.
///
/// `data` is what the labels are of, `place` says which sample a label is of.
///
/// # Errors
/// A label that is no class, or a text that is the name of one class and the index of another; one class only; numbers without names.
pub fn resolve<'l>(
    labels: impl Iterator<Item = Label<'l>> + Clone,
    classes: Classes<'_>,
    data: &str,
    place: impl Fn(usize) -> String,
) -> Result<(ClassList, Vec<u32>)> {
    let classes = match classes {
        Classes::Given(source) => ClassList::of(source)?,
        Classes::Known(classes) => classes,
        Classes::Found => return found(labels.map(|label| label.text), data),
    };
    let count = classes.names().len();
    let number = |label: &str| label.parse::<u32>().ok().filter(|index| (*index as usize) < count);
    let index = |(at, label): (usize, Label<'_>)| {
        let (named, indexed) = (classes.index(label.text).filter(|_| !label.is_index), number(label.text));
        if let (Some(name), Some(index)) = (named, indexed)
            && name != index
        {
            return Err(Error::config(format!(
                "{} has the label {:?}, which is the name of class {name} and the index of class {:?}: write the classes' names so that they are not indices",
                place(at),
                label.text,
                classes.names()[index as usize]
            )));
        }
        named.or(indexed).ok_or_else(|| {
            let label: String = label.text.chars().take(80).collect();
            Error::config(format!(
                "{} has the label {label:?}, which is neither one of the {count} class names nor an index from 0 to {}",
                place(at),
                count.saturating_sub(1)
            ))
        })
    };
    let indices = labels.enumerate().map(index).collect::<Result<Vec<u32>>>()?;
    Ok((classes, indices))
}

fn found<'l>(labels: impl Iterator<Item = &'l str> + Clone, data: &str) -> Result<(ClassList, Vec<u32>)> {
    let names: BTreeSet<&str> = labels.clone().collect();
    if let (1, Some(only)) = (names.len(), names.first()) {
        return Err(Error::config(format!("{data} has labels of one class only, {only:?}: a labeler needs at least two")));
    }
    // "10" would sort before "2", and the class indices of all outputs would silently differ from the user's
    if !names.is_empty() && names.iter().all(|name| name.parse::<i64>().is_ok()) {
        return Err(Error::config(format!("the labels of {data} are numbers: name the classes in a file, one a line, and give it as `classes`")));
    }
    let classes =
        ClassList::new(names.iter().map(|name| (*name).to_owned()).collect()).map_err(|_| Error::config(format!("{data} names a class twice")))?;
    let indices = labels.map(|label| classes.index(label).unwrap_or_default()).collect();
    Ok((classes, indices))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(labels: &[&str], is_index: bool) -> Result<Vec<u32>> {
        let classes = ClassList::new(["0", "10", "2", "pear"].map(str::to_owned).to_vec()).unwrap();
        let labels = labels.iter().map(|text| Label { text, is_index });
        resolve(labels, Classes::Known(classes), "data", |at| format!("sample {at}")).map(|(_, indices)| indices)
    }

    #[test]
    fn numbers_are_indices_whatever_the_classes_are_called() {
        assert_eq!(resolved(&["0", "1", "2", "3"], true).unwrap(), [0, 1, 2, 3]);
        assert!(resolved(&["10"], true).unwrap_err().to_string().contains("neither one of the 4 class names nor an index from 0 to 3"));
    }

    #[test]
    fn a_text_that_is_a_name_and_another_class_s_index_is_refused() {
        assert_eq!(resolved(&["0", "10", "2", "pear", "3"], false).unwrap(), [0, 1, 2, 3, 3]);
        let classes = ClassList::new(["1", "0"].map(str::to_owned).to_vec()).unwrap();
        let error = resolve([Label::of_text("1")].into_iter(), Classes::Known(classes), "data", |_| "a".into()).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("the name of class 0 and the index of class \"0\""), "{error}");
    }
}
