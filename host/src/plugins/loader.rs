//! Opens one plugin library. The order matters: the plain ABI version is read before anything of abi_stable is touched.
#![expect(unsafe_code, reason = "opening a library runs its initialisers, and its symbols have no types")]

use std::path::{Path, PathBuf};

use abi_stable::library::{LibraryError, lib_header_from_path};
use convert_sdk::abi::{ABI_VERSION, ABI_VERSION_SYMBOL, PluginModuleRef, declarations};

use super::Plugin;

/// Loads a library's plugins; it stays loaded for the life of the process.
///
/// # Errors
/// One line: which file, what is wrong with it, what to do.
pub fn load(file: &Path) -> Result<Vec<Plugin>, String> {
    let shown = file.display();
    check_version(file)?;
    let header = lib_header_from_path(file).map_err(|error| format!("plugin {shown} cannot be used: {}", one_line(&error)))?;
    let module = header.init_root_module::<PluginModuleRef>().map_err(|error| match error {
        LibraryError::AbiInstability(report) => {
            let place = write_report(file, &report.to_string());
            format!("plugin {shown} was built against another convert-sdk of the same ABI version {ABI_VERSION}: rebuild it (layout report: {place})")
        }
        other => format!("plugin {shown} cannot be used: {}", one_line(&other)),
    })?;
    let declarations = declarations(module).map_err(|error| format!("plugin {shown} cannot list its plugins: {error}"))?;
    declarations
        .into_iter()
        .map(|declaration| {
            let schema = serde_json::from_str(&declaration.schema).map_err(|error| format!("plugin {shown} has a broken schema: {error}"))?;
            Ok(Plugin {
                role: declaration.builder.role(),
                name: declaration.name.into(),
                summary: declaration.summary.into(),
                package: declaration.package.into(),
                version: declaration.version.into(),
                results: declaration.results,
                schema,
                file: file.to_owned(),
                builder: declaration.builder,
            })
        })
        .collect()
}

/// Opens and leaks the library, and compares its plain integer ABI version.
fn check_version(file: &Path) -> Result<(), String> {
    let shown = file.display();
    // SAFETY: a plugin's initialisers are the plugin author's affair; the library is never closed, so nothing of it dangles.
    let library = unsafe { libloading::Library::new(file) }.map_err(|error| format!("plugin {shown} cannot be opened: {}", one_line(&error)))?;
    // SAFETY: `export_plugins!` defines this symbol as a static u32.
    let version = unsafe { library.get::<*const u32>(ABI_VERSION_SYMBOL) }.map(|symbol| unsafe { **symbol });
    std::mem::forget(library);
    match version {
        Ok(ABI_VERSION) => Ok(()),
        Ok(other) => {
            let (what, other_way) = if other > ABI_VERSION { ("newer", "or update convert") } else { ("older", "with this convert-sdk") };
            Err(format!(
                "plugin {shown} was built for the {what} ABI version {other}, this convert has {ABI_VERSION}: rebuild the plugin {other_way}"
            ))
        }
        Err(_) => Err(format!("{shown} is no convert plugin: it has no export_plugins! line; remove it from the plugin folder")),
    }
}

/// abi_stable's layout report is a thousand lines: it goes to a file, whose name this returns.
fn write_report(file: &Path, report: &str) -> String {
    let name = file.file_stem().map_or_else(|| "plugin".into(), |stem| stem.to_string_lossy().into_owned());
    let place: PathBuf = std::env::temp_dir().join(format!("convert-{name}-layout.txt"));
    match std::fs::write(&place, report) {
        Ok(()) => place.display().to_string(),
        Err(error) => format!("could not be written: {error}"),
    }
}

fn one_line(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
