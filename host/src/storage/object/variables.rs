//! The environment.

use std::collections::BTreeMap;

/// The environment variables of a process, or of a test.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// These, and no others.
    pub fn new<N: Into<String>>(variables: impl IntoIterator<Item = (N, String)>) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// Those of this process.
    pub fn of_this_process() -> Self {
        Self::new(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))))
    }

    /// One that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether one says 1 or true.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }

    /// Those with a beginning, under the names that the service's library gives them.
    pub fn settings<K: std::str::FromStr>(&self, beginning: &'static str) -> impl Iterator<Item = (K, &str)> {
        let ours = self.0.iter().filter(move |(name, value)| name.starts_with(beginning) && !value.is_empty());
        ours.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.as_str())))
    }
}
