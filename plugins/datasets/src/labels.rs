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

    /// Tells the user how many were left out.
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

/// The classes, and the index of each label: a name, or a number where the classes are known beforehand and none has that name.
///
/// `data` is what the labels are of, `place` says which sample a label is of.
///
/// # Errors
/// A label that is no class; one class only; numbers without names.
pub fn resolve<'l>(
    labels: impl Iterator<Item = &'l str> + Clone,
    classes: Classes<'_>,
    data: &str,
    place: impl Fn(usize) -> String,
) -> Result<(ClassList, Vec<u32>)> {
    let classes = match classes {
        Classes::Given(source) => ClassList::of(source)?,
        Classes::Known(classes) => classes,
        Classes::Found => return found(labels, data),
    };
    let count = classes.names().len();
    let number = |label: &str| label.parse::<u32>().ok().filter(|index| (*index as usize) < count);
    let index = |(at, label): (usize, &str)| {
        let found = classes.index(label).or_else(|| number(label));
        found.ok_or_else(|| {
            Error::config(format!(
                "{} has the label {label:?}, which is neither one of the {count} class names nor an index from 0 to {}",
                place(at),
                count - 1
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
