//! The stable ABI between the host and plugin libraries. Plugin authors need nothing from here.
//!
//! What crosses are calls of methods by name, with messages that may grow and images that are lent; their few types are those of convert-abi. Of each role, one file holds the side
//! that answers them in a plugin (`serve`) and the `Foreign…` side that makes them the role's ordinary trait again, so that the host cannot tell a loaded plugin from local code.
//! Whoever changes a method, or a type that it takes or gives, reads docs/abi.md first.
#![allow(missing_docs)] // the traits' docs say it

mod ask;
mod dataset;
mod exporter;
mod extractor;
mod forward_logs;
mod guard;
mod host;
mod image;
mod labeler;
#[doc(hidden)] // for hosts, and what answers as one
pub mod message;
mod module;
mod postprocessor;
mod proposer;
mod refiner;
mod selector;
mod serve;
mod version;

pub use convert_abi::{PluginModuleRef, ABI_VERSION, ABI_VERSION_SYMBOL};
pub use module::{declarations, Builder, PluginDeclaration, Results};
pub use version::RoleVersion;

// What `export_plugins!` expands to, and what convert-testing builds plugins with.
#[doc(hidden)]
pub use {
    ask::Remote,
    convert_abi as __abi,
    module::{export, foreign},
    serve::{object, reply},
};

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
            use $crate::abi::__abi::{self as abi, abi_stable};
            use $crate::abi::export::{self, Exported};

            #[no_mangle]
            pub static convert_plugin_abi: u32 = abi::ABI_VERSION;

            struct Library;

            impl export::Library for Library {
                const PLUGINS: &'static [Exported] = &[$(export::$role::<$plugin>(
                    $name,
                    (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
                    $crate::abi::Results { $($($key: $value,)*)? ..$crate::abi::Results::DEFAULT },
                )),+];
            }

            extern "C" fn erased_module() -> abi_stable::library::RootModuleResult {
                abi_stable::library::__call_root_module_loader(export::module::<Library>)
            }

            // SAFETY: `erased_module` returns the module type that is named here.
            #[no_mangle]
            pub static _1as_0lib_1header_0root_bmodule_bloader: abi_stable::library::LibHeader = unsafe {
                abi_stable::library::LibHeader::from_constructor::<abi::PluginModuleRef>(
                    erased_module,
                    abi_stable::library::CheckTypeLayout::Yes,
                )
            };
        }
    };
}
