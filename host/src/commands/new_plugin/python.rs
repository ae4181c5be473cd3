//! A plugin in Python: one file with a class.

use std::fs;
use std::path::Path;

use convert_sdk::Role;

use super::{camel_case, check_empty, check_name, replace_word};
use crate::command_name;
use crate::errors::FileError;
use crate::failure::Failure;

/// The template of a role, with the name of its class.
fn template(role: Role) -> (&'static str, &'static str) {
    macro_rules! template {
        ($class:literal, $file:literal) => {
            (include_str!(concat!("../../../../docs/plugin-templates/", $file)), $class)
        };
    }
    match role {
        Role::Dataset => template!("Folder", "dataset.py"),
        Role::Proposer => template!("Quarters", "proposer.py"),
        Role::Refiner => template!("DropDark", "refiner.py"),
        Role::Selector => template!("Brightest", "selector.py"),
        Role::Labeler => template!("MeanColour", "labeler.py"),
        Role::Postprocessor => template!("AtLeast", "postprocessor.py"),
        Role::Exporter => template!("JsonLines", "exporter.py"),
        Role::Extractor => template!("Blocks", "extractor.py"),
    }
}

/// Writes a file with a class and says where it stands in a recipe.
///
/// # Errors
/// A name that is none, a folder that holds something, a file that cannot be written.
pub fn new_python_plugin(role: Role, name: &str, folder: &Path) -> Result<(), Failure> {
    check_name(name)?;
    let folder = std::path::absolute(folder).map_err(|error| Failure::usage(format!("--dir {}: {error}", folder.display())))?;
    check_empty(&folder)?;
    let (text, of_template) = template(role);
    let class = camel_case(name) + &camel_case(role.name());
    let file = folder.join(format!("{}.py", name.replace('-', "_")));
    fs::create_dir_all(&folder).and_then(|()| fs::write(&file, replace_word(text, of_template, &class))).map_err(FileError::of("write", &file))?;
    let entry = format!("{}:{class}", file.display());
    answer!("wrote {}\n\n{}", file.display(), next_steps(role, &entry));
    answer!("\nWhether it keeps to its role, `python -m convert_sdk.testing {}` says (docs/python-plugins.md).", command_name::quoted(&entry));
    Ok(())
}

/// Where the class stands in a recipe, as YAML, and how it is tried.
fn next_steps(role: Role, entry: &str) -> String {
    let entry = serde_json::Value::from(entry);
    let section = match role {
        Role::Dataset => format!("dataset: {{ plugin: python, entry: {entry}, config: {{ folder: PHOTOS }} }}"),
        Role::Proposer => format!("proposals: [{{ plugin: python, config: {{ entry: {entry} }} }}]"),
        Role::Refiner => format!("refine: [{{ plugin: python, config: {{ entry: {entry} }} }}]"),
        Role::Selector => format!("select: {{ plugin: python, config: {{ entry: {entry} }} }}"),
        Role::Labeler => format!("label: {{ plugin: python, config: {{ entry: {entry} }} }}"),
        Role::Postprocessor => format!("postprocess: [{{ plugin: python, config: {{ entry: {entry} }} }}]"),
        Role::Exporter => format!("export: [{{ plugin: python, file: rows.jsonl, config: {{ entry: {entry} }} }}]"),
        Role::Extractor => {
            let option = serde_json::json!({ "plugin": "python", "entry": entry }).to_string();
            let (typed, option) = (command_name::typed(), command_name::quoted(&option));
            return format!("Next, with a Python that has numpy:\n\n    {typed} features --backbone {option} --image FILE --output FILE.safetensors");
        }
    };
    format!("Next, in a recipe:\n\n    {section}\n\nIt needs a Python that has numpy: python3, or the one that CONVERT_PYTHON names.")
}
