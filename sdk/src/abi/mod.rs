//! The stable ABI between the host and plugin libraries. Plugin authors need nothing from here.
//!
//! Images are borrowed by the callee, everything else is handed over. One file a role holds the trait object that crosses (`…Abi`), the side
//! that exports it from a plugin and the `Foreign…` side that makes it the role's ordinary trait again, so that the host cannot tell a loaded plugin from local code.
//! Whoever changes a type here raises [`ABI_VERSION`].
#![allow(
    unsafe_code,             // abi_stable's derives implement its unsafe traits
    non_local_definitions,   // so do its trait-object macros, in anonymous constants
    missing_docs,            // the traits' docs say it
    clippy::all              // generated code
)]

mod dataset;
mod entry;
mod exporter;
mod extractor;
mod forward_logs;
mod guard;
mod host;
mod label_values;
mod labeler;
mod module;
mod postprocessor;
mod proposer;
mod refiner;
mod selector;
mod values;

pub use dataset::ForeignDataset;
pub use exporter::ForeignExporter;
pub use extractor::ForeignExtractor;
pub use labeler::ForeignLabeler;
pub use module::{declarations, declare, declared, load_module, Builder, Declarations, PluginDeclaration, PluginModule, PluginModuleRef, Results};
pub use postprocessor::ForeignPostprocessor;
pub use proposer::ForeignProposer;
pub use refiner::ForeignRefiner;
pub use selector::ForeignSelector;

// What `export_plugins!` expands to.
#[doc(hidden)]
pub use abi_stable as __abi_stable;

/// The version of this ABI; a library built for another is refused before anything else of it is used.
pub const ABI_VERSION: u32 = 10;

/// The symbol that holds a library's [`ABI_VERSION`].
pub const ABI_VERSION_SYMBOL: &[u8] = b"convert_plugin_abi_version";

/// Ends a plugin library: names its plugins, each a role, a name and the struct that implements the role's trait. Behind it may stand what the host should know
/// of its results, see [`Results`](crate::abi::Results).
///
/// ```ignore
/// convert_sdk::export_plugins! {
///     proposer "grid" => Grid { results_version: 2, seeded: false },
///     refiner "nms" => Nms,
/// }
/// ```
#[macro_export]
macro_rules! export_plugins {
    ($($role:ident $name:literal => $plugin:ty $({ $($key:ident : $value:expr),* $(,)? })?),+ $(,)?) => {
        #[doc(hidden)]
        #[allow(unsafe_code, non_upper_case_globals, clippy::needless_update)] // the symbol names are fixed; all of `Results` may be given
        mod __convert_plugins {
            use super::*;
            use $crate::abi::__abi_stable as abi_stable;

            #[no_mangle]
            pub static convert_plugin_abi_version: u32 = $crate::abi::ABI_VERSION;

            extern "C" fn plugins() -> $crate::abi::Declarations {
                $crate::abi::declared(|| vec![$($crate::abi::declare::$role::<$plugin>(
                    $name,
                    (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
                    $crate::abi::Results { $($($key: $value,)*)? ..Default::default() },
                )),+])
            }

            fn module() -> $crate::abi::PluginModuleRef {
                $crate::abi::load_module(plugins)
            }

            extern "C" fn erased_module() -> abi_stable::library::RootModuleResult {
                abi_stable::library::__call_root_module_loader(module)
            }

            // SAFETY: `erased_module` returns the module type that is named here.
            #[no_mangle]
            pub static _1as_0lib_1header_0root_bmodule_bloader: abi_stable::library::LibHeader = unsafe {
                abi_stable::library::LibHeader::from_constructor::<$crate::abi::PluginModuleRef>(
                    erased_module,
                    abi_stable::library::CheckTypeLayout::Yes,
                )
            };
        }
    };
}
