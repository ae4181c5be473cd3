//! The settings that `--vary` asks for.

/// So many settings a sweep may have: more columns than anybody compares by eye.
const MOST: usize = 64;

/// A key and the values to try.
#[derive(Debug, PartialEq, Eq)]
pub struct Axis {
    /// The key's path.
    path: String,
    /// Each as `--set` takes it.
    assignments: Vec<String>,
}

/// All combinations of values.
#[derive(Debug)]
pub struct Grid {
    /// The shortest ends of the keys' paths that tell them apart.
    pub names: Vec<String>,
    /// Of each setting what `--set` takes, a text a key; the last key changes fastest.
    pub settings: Vec<Vec<String>>,
    /// How many values each key has, such as `3 × 2`.
    pub shape: String,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GridError {
    /// Nothing between two commas, or at an end.
    #[error("--vary `{0}` has an empty value: give values between commas, path.to.key=A,B")]
    EmptyValue(String),
    /// A value twice.
    #[error("--vary `{text}` has the value {value} twice")]
    Twice {
        /// What was typed.
        text: String,
        /// The value.
        value: String,
    },
    /// A key twice.
    #[error("--vary names {0} twice: give all its values at once, {0}=A,B")]
    KeyTwice(String),
    /// Too many.
    #[error("{shape} values are {count} settings, and a sweep tries {MOST} at most: vary fewer keys at a time")]
    TooMany {
        /// How many values each key has.
        shape: String,
        /// Their product.
        count: usize,
    },
}

impl Grid {
    /// All combinations of these `path.to.key=A,B`. What is no assignment is left as it is, for `--set` to refuse.
    ///
    /// # Errors
    /// Values and keys that make no grid, or too large a one.
    pub fn new(vary: &[String]) -> Result<Self, GridError> {
        let axes = vary.iter().map(|text| Axis::new(text)).collect::<Result<Vec<_>, _>>()?;
        for (at, axis) in axes.iter().enumerate() {
            if axes[..at].iter().any(|other| other.path == axis.path) {
                return Err(GridError::KeyTwice(axis.path.clone()));
            }
        }
        let shape = axes.iter().map(|axis| axis.assignments.len().to_string()).collect::<Vec<_>>().join(" × ");
        let count = axes.iter().fold(1usize, |count, axis| count.saturating_mul(axis.assignments.len()));
        if count > MOST {
            return Err(GridError::TooMany { shape, count });
        }
        let mut settings = vec![Vec::new()];
        for axis in &axes {
            let with = |setting: &Vec<String>| {
                axis.assignments.iter().map(|value| [setting.as_slice(), std::slice::from_ref(value)].concat()).collect::<Vec<_>>()
            };
            settings = settings.iter().flat_map(with).collect();
        }
        Ok(Self { names: names(&axes.iter().map(|axis| axis.path.as_str()).collect::<Vec<_>>()), settings, shape })
    }
}

impl Axis {
    fn new(text: &str) -> Result<Self, GridError> {
        let Some((path, list)) = text.split_once('=') else {
            return Ok(Self { path: text.to_owned(), assignments: vec![text.to_owned()] });
        };
        let values = values(list);
        if values.contains(&"") {
            return Err(GridError::EmptyValue(text.to_owned()));
        }
        if let Some((_, value)) = values.iter().enumerate().find(|(at, value)| values[..*at].contains(value)) {
            return Err(GridError::Twice { text: text.to_owned(), value: (*value).to_owned() });
        }
        Ok(Self { path: path.to_owned(), assignments: values.into_iter().map(|value| format!("{path}={value}")).collect() })
    }
}

/// What an assignment sets its key to.
pub fn value(assignment: &str) -> &str {
    assignment.split_once('=').map_or(assignment, |(_, value)| value)
}

/// The values between commas. Commas in brackets, braces and quotes belong to a value.
fn values(list: &str) -> Vec<&str> {
    let (mut values, mut start, mut depth, mut quote) = (Vec::new(), 0, 0usize, None);
    for (at, character) in list.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            // As in YAML, a quote begins a text only where a value begins.
            (None, '\'' | '"') if list[start..at].trim_end().is_empty() || list[..at].trim_end().ends_with(['[', '{', ',', ':']) => {
                quote = Some(character)
            }
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                values.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    values.push(list[start..].trim());
    values
}

/// For each path its shortest end that no other path ends in.
fn names(paths: &[&str]) -> Vec<String> {
    let end = |path: &str, parts: usize| path.rsplitn(parts + 1, '.').take(parts).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(".");
    let name = |path: &&str| {
        let unique = |parts: &usize| paths.iter().filter(|other| end(other, *parts) == end(path, *parts)).count() == 1;
        (1..=path.split('.').count()).find(unique).map_or_else(|| (*path).to_owned(), |parts| end(path, parts))
    };
    paths.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(vary: &[&str]) -> Result<Grid, GridError> {
        Grid::new(&vary.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn every_combination_is_a_setting_and_keys_are_called_as_briefly_as_they_can_be() {
        let grid = grid(&["proposals.vit.config.tau=0.3, 0.4", "proposals.dino.config.tau=0.1", "refine.0.config.min_area=1,2"]).unwrap();
        assert_eq!((grid.settings.len(), grid.shape.as_str()), (4, "2 × 1 × 2"));
        assert_eq!(grid.settings[1], ["proposals.vit.config.tau=0.3", "proposals.dino.config.tau=0.1", "refine.0.config.min_area=2"]);
        assert_eq!(grid.settings[2][0], "proposals.vit.config.tau=0.4");
        assert_eq!(grid.names, ["vit.config.tau", "dino.config.tau", "min_area"]);
        assert_eq!(names(&["tau", "a.tau"]), ["tau", "a.tau"], "an end of the other is still told apart");
    }

    #[test]
    fn commas_within_a_value_do_not_part_it() {
        assert_eq!(values("[100, 200],[50], {a: [1, 2], b: 3}"), ["[100, 200]", "[50]", "{a: [1, 2], b: 3}"]);
        assert_eq!(values("'a,b',\"c,]\",it's,that's"), ["'a,b'", "\"c,]\"", "it's", "that's"]);
        assert_eq!(values("['a]', b],c"), ["['a]', b]", "c"]);
    }

    #[test]
    fn what_makes_no_grid_is_named() {
        for (vary, expected) in [
            (&["tau=1,"][..], "--vary `tau=1,` has an empty value"),
            (&["tau=1,2,1"], "has the value 1 twice"),
            (&["tau=1", "tau=2"], "--vary names tau twice: give all its values at once, tau=A,B"),
            (&["a=1,2,3,4,5", "b=1,2,3,4,5", "c=1,2,3"], "5 × 5 × 3 values are 75 settings, and a sweep tries 64 at most"),
        ] {
            let error = grid(vary).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(grid(&["nonsense"]).unwrap().settings, [["nonsense"]], "for --set to refuse");
    }
}
