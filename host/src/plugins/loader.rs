//! Opens one plugin library. The order matters: the plain ABI version is read before anything of abi_stable is touched.
#![expect(unsafe_code, reason = "opening a library runs its initialisers, and its symbols have no types")]

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use abi_stable::library::{LibraryError, lib_header_from_path};
use convert_sdk::Role;
use convert_sdk::abi::{ABI_VERSION, ABI_VERSION_SYMBOL, Builder, PluginDeclaration, PluginModuleRef, RoleVersion, declarations};

use super::Plugin;
use super::elf::{self, Unfit};
use super::schema::shortened;
use crate::errors::PluginError;

/// Why a library's plugins cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system cannot load it.
    #[error("plugin {} cannot be opened", .file.display())]
    Opened {
        /// The library.
        file: PathBuf,
        /// What the system says.
        source: OneLine,
    },
    /// Opening it would do harm, or could not work.
    #[error("plugin {} cannot be opened", .file.display())]
    Unfit {
        /// The library.
        file: PathBuf,
        /// What is wrong with it.
        source: Unfit,
    },
    /// Another library, perhaps of a program.
    #[error("{} is not a convert plugin: it has no export_plugins! line; remove it from the plugin folder", .0.display())]
    NoPlugin(PathBuf),
    /// Built for a later ABI.
    #[error("plugin {} was built for the newer ABI version {version}, this convert has {}: rebuild the plugin or update convert", .file.display(), ABI_VERSION)]
    Newer {
        /// The library.
        file: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Built for an earlier ABI.
    #[error("plugin {} was built for the older ABI version {version}, this convert has {}: rebuild the plugin with this convert-sdk", .file.display(), ABI_VERSION)]
    Older {
        /// The library.
        file: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The versions are the same, and yet the types differ.
    #[error("plugin {} was built against another convert-sdk of the same ABI version {}: rebuild it (layout report: {report})", .file.display(), ABI_VERSION)]
    OtherLayout {
        /// The library.
        file: PathBuf,
        /// Where abi_stable's report lies.
        report: String,
    },
    /// abi_stable refuses it.
    #[error("plugin {} cannot be used", .file.display())]
    Used {
        /// The library.
        file: PathBuf,
        /// What abi_stable says.
        source: OneLine,
    },
    /// It fails before it is used.
    #[error("plugin {} cannot list its plugins", .file.display())]
    List {
        /// The library.
        file: PathBuf,
        /// What it says.
        source: PluginError,
    },
    /// One of its plugins has a role that a later convert may know.
    #[error("plugin {} has the {role} `{name}`, and this convert knows no such role: update convert", .file.display())]
    UnknownRole {
        /// The library.
        file: PathBuf,
        /// The plugin's name.
        name: String,
        /// Its role.
        role: String,
    },
    /// One of its plugins was built for a later version of its role.
    #[error(
        "plugin {} was built for version {version} of the role {}, this convert has {}: update convert, or rebuild the plugin with this convert-sdk",
        .file.display(), .role.name(), RoleVersion::of(*role)
    )]
    NewerRole {
        /// The library.
        file: PathBuf,
        /// The role.
        role: Role,
        /// Its version.
        version: RoleVersion,
    },
    /// One of its plugins was built for an earlier major version of its role.
    #[error("plugin {} was built for version {version} of the role {}, this convert has {}: rebuild the plugin with this convert-sdk", .file.display(), .role.name(), RoleVersion::of(*role))]
    OlderRole {
        /// The library.
        file: PathBuf,
        /// The role.
        role: Role,
        /// Its version.
        version: RoleVersion,
    },
}

/// An error whose own text has several lines, shown in one.
#[derive(Debug)]
pub struct OneLine(Box<dyn std::error::Error>);

impl fmt::Display for OneLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        f.write_str(&text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" "))
    }
}

impl std::error::Error for OneLine {}

/// Loads a library's plugins; it stays loaded for the life of the process.
///
/// # Errors
/// Which file, what is wrong with it, what to do.
pub fn load(file: &Path) -> Result<Vec<Plugin>, LoadError> {
    elf::check(file).map_err(|source| LoadError::Unfit { file: file.to_owned(), source })?;
    check_version(file)?;
    let used = |error: LibraryError| LoadError::Used { file: file.to_owned(), source: OneLine(Box::new(error)) };
    let header = lib_header_from_path(file).map_err(used)?;
    let module = header.init_root_module::<PluginModuleRef>().map_err(|error| match error {
        LibraryError::AbiInstability(report) => LoadError::OtherLayout { file: file.to_owned(), report: write_report(file, &report.to_string()) },
        other => used(other),
    })?;
    let declarations = declarations(module).map_err(|error| LoadError::List { file: file.to_owned(), source: error.into() })?;
    declarations.into_iter().map(|(declaration, builder)| plugin(file, declaration, builder)).collect()
}

/// A plugin of a library, if its role is one that is known here in a version that can be read.
fn plugin(file: &Path, declaration: PluginDeclaration, builder: Builder) -> Result<Plugin, LoadError> {
    let file = file.to_owned();
    let PluginDeclaration { role, role_version: version, name, .. } = declaration;
    let Some(role) = Role::from_name(&role) else {
        return Err(LoadError::UnknownRole { file, name, role });
    };
    let here = RoleVersion::of(role);
    if !here.reads(version) {
        return Err(if version > here { LoadError::NewerRole { file, role, version } } else { LoadError::OlderRole { file, role, version } });
    }
    Ok(Plugin {
        role,
        name,
        summary: declaration.summary,
        package: declaration.package,
        version: declaration.version,
        results: declaration.results,
        schema: shortened(declaration.schema),
        file,
        builder,
    })
}

/// Opens and leaks the library, and compares its plain integer ABI version.
fn check_version(file: &Path) -> Result<(), LoadError> {
    let opened = |error: libloading::Error| LoadError::Opened { file: file.to_owned(), source: OneLine(Box::new(error)) };
    // SAFETY: a plugin's initialisers are the plugin author's affair; the library is never closed, so nothing of it dangles.
    let library = unsafe { libloading::Library::new(file) }.map_err(opened)?;
    // SAFETY: `export_plugins!` defines this symbol as a static u32.
    let version = unsafe { library.get::<*const u32>(ABI_VERSION_SYMBOL) }.map(|symbol| unsafe { **symbol });
    std::mem::forget(library);
    match version {
        Ok(ABI_VERSION) => Ok(()),
        Ok(version) if version > ABI_VERSION => Err(LoadError::Newer { file: file.to_owned(), version }),
        Ok(version) => Err(LoadError::Older { file: file.to_owned(), version }),
        Err(_) => Err(LoadError::NoPlugin(file.to_owned())),
    }
}

/// abi_stable's layout report is a thousand lines: it goes to a file, whose name this returns.
fn write_report(file: &Path, report: &str) -> String {
    let name = file.file_stem().map_or_else(|| "plugin".into(), |stem| stem.to_string_lossy().into_owned());
    let place: PathBuf = std::env::temp_dir().join(format!("convert-{name}-layout.txt"));
    // The folder is everybody's: a link that somebody put there must not lead to a file of the user's.
    let _ = fs::remove_file(&place);
    match File::create_new(&place).and_then(|mut file| file.write_all(report.as_bytes())) {
        Ok(()) => place.display().to_string(),
        Err(error) => format!("could not be written: {error}"),
    }
}
