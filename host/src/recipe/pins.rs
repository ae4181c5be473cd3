//! `plugins:` of a recipe: the libraries that it wants, by their checksums.

use std::collections::BTreeSet;
use std::path::Path;

use convert_sdk::Role;

use super::diagnostics::{Diagnostic, suggestion};
use super::tree::{Node, Value};
use crate::plugins::Plugin;
use crate::sha256::sha256_of;

/// What is wrong with the pins of a recipe that uses these plugins.
pub fn check_pins(pins: &Node, used: &[&Plugin]) -> Vec<Diagnostic> {
    let Value::Map(entries) = &pins.value else { return Vec::new() };
    let mut problems = Vec::new();
    for (key, pin) in entries {
        let Some(node) = pin.get("sha256") else { continue };
        let (Value::String(wanted) | Value::Text(wanted)) = &node.value else { continue };
        let checked = check_pin(&key.name, &wanted.to_ascii_lowercase(), used);
        problems.extend(checked.err().map(|problem| Diagnostic::new(if problem.of_the_name { key.place } else { node.place }, problem.message)));
    }
    problems
}

/// What is wrong with a pin: with the name, or with the checksum.
struct Problem {
    of_the_name: bool,
    message: String,
}

fn check_pin(name: &str, wanted: &str, used: &[&Plugin]) -> Result<(), Problem> {
    let of_the_name = |message| Problem { of_the_name: true, message };
    let of_the_hash = |message| Problem { of_the_name: false, message };
    if wanted.len() != 64 || !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(of_the_hash(format!("`{wanted}` is not a SHA-256: give 64 hexadecimal digits, as `convert doctor` prints them")));
    }
    let pinned = |plugin: &&&Plugin| plugin.name == name || full_name(plugin.role, &plugin.name) == name;
    let files: BTreeSet<&Path> = used.iter().filter(pinned).map(|plugin| plugin.file.as_path()).collect();
    let file = match files.iter().collect::<Vec<_>>().as_slice() {
        [file] => **file,
        [] => {
            let names: BTreeSet<&str> = used.iter().map(|plugin| plugin.name.as_str()).collect();
            return Err(of_the_name(format!("`{name}` is pinned, but this recipe uses no such plugin{}", suggestion(name, names))));
        }
        _ => {
            let names: BTreeSet<String> = used.iter().filter(pinned).map(|plugin| format!("`{}`", full_name(plugin.role, &plugin.name))).collect();
            let names = names.into_iter().collect::<Vec<_>>().join(" and ");
            return Err(of_the_name(format!("`{name}` stands for plugins of several libraries: pin {names}")));
        }
    };
    let found = sha256_of(file).map_err(|error| of_the_hash(crate::errors::chain(&error)))?;
    if found == wanted {
        return Ok(());
    }
    Err(of_the_hash(format!(
        "{name} is pinned to the SHA-256 {wanted}, but that of {} is {found}: install the library that is meant, or pin this one",
        file.display()
    )))
}

/// A plugin's name behind its role, since plugins of several roles may share theirs.
fn full_name(role: Role, name: &str) -> String {
    format!("{}/{name}", role.name())
}
