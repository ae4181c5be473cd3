//! Where the keys of a config stand, so that what a plugin says of one when it is built is shown there.

use std::collections::BTreeMap;
use std::error::Error;

use convert_sdk::ErrorKind;

use super::tree::{Location, Node, Value};
use crate::errors::PluginError;

/// The values of a config by their paths, such as `backbone.weights` or `boxes[0].width`.
#[derive(Clone, Debug, Default)]
pub struct Places(BTreeMap<String, Location>);

impl Places {
    /// Those of a config; what the command line set has none.
    pub fn of(config: &Node) -> Self {
        let mut places = Self::default();
        places.add(config, String::new());
        places
    }

    fn add(&mut self, node: &Node, path: String) {
        match &node.value {
            Value::Map(entries) => {
                for (key, inner) in entries {
                    self.add(inner, if path.is_empty() { key.name.clone() } else { format!("{path}.{}", key.name) });
                }
            }
            Value::List(items) => items.iter().enumerate().for_each(|(at, item)| self.add(item, format!("{path}[{at}]"))),
            _ => {}
        }
        if let Some(place) = node.place.filter(|_| !path.is_empty()) {
            self.0.insert(path, place);
        }
    }

    /// The place of the first key that stands in backticks in what a plugin says of its config; of a path that leads to nothing, that of what it leads through.
    pub fn blamed(&self, problem: &(dyn Error + 'static)) -> Option<Location> {
        let Some(plugin) = problem.downcast_ref::<PluginError>() else { return self.blamed(problem.source()?) };
        if plugin.0.kind != ErrorKind::Config {
            return None;
        }
        plugin.0.to_string().split('`').skip(1).step_by(2).find_map(|path| self.nearest(path))
    }

    fn nearest(&self, path: &str) -> Option<Location> {
        std::iter::successors(Some(path), |path| path.rfind(['.', '[']).map(|end| &path[..end])).find_map(|path| self.0.get(path).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::parse;
    use super::*;

    fn check(message: &str, line: Option<usize>) {
        let places = Places::of(&parse("tau: 1\nboxes:\n  - width: 2\n  - width: 3\ninner: {}\n").unwrap());
        let error = convert_sdk::Error::config(message).context("the class x");
        assert_eq!(places.blamed(&PluginError(error)).map(|place| place.line), line, "{message}");
    }

    #[test]
    fn a_key_in_backticks_is_blamed_and_of_a_missing_one_what_it_would_stand_in() {
        check("`tau` is too large", Some(1));
        check("the box `boxes[1].width` is too wide for `tau`", Some(4));
        check("`inner.points` is missing", Some(5));
        check("`boxes[7].width` is missing", Some(3));
        check("the class `tua` does not exist: see `tau`", Some(1));
        check("tau is too large", None);
        check("`points` is missing", None);
    }

    #[test]
    fn only_what_a_plugin_says_of_its_config_blames_a_key() {
        let places = Places::of(&parse("tau: 1\n").unwrap());
        assert_eq!(places.blamed(&PluginError(convert_sdk::Error::invalid("`tau` of the file"))), None);
        assert_eq!(places.blamed(&std::io::Error::other("`tau`")), None);
    }
}
