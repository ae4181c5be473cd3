//! What a library exports: its plugins, each with its schema and the function that builds it.

use abi_stable::library::RootModule;
use abi_stable::package_version_strings;
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RStr, RString, RVec};
use abi_stable::StableAbi;

use super::guard::{guard, silence_panics};
use super::host::ContextAbi;
use super::values::{received, AbiResult};
use super::{dataset, exporter, extractor, labeler, postprocessor, proposer, refiner, selector};
use crate::{Context, Plugin, PluginConfig, Result, Role};

/// The root module of a plugin library.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModuleRef)))]
#[sabi(missing_field(panic))]
pub struct PluginModule {
    /// The library's plugins.
    #[sabi(last_prefix_field)]
    pub plugins: extern "C" fn() -> AbiResult<RVec<PluginDeclaration>>,
}

impl RootModule for PluginModuleRef {
    abi_stable::declare_root_module_statics! {PluginModuleRef}
    const BASE_NAME: &'static str = "convert_plugin";
    const NAME: &'static str = "convert_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

/// One plugin of a library.
#[repr(C)]
#[derive(StableAbi)]
pub struct PluginDeclaration {
    /// Its name in recipes.
    pub name: RString,
    /// One line, from the config type's doc comment.
    pub summary: RString,
    /// Its crate.
    pub package: RString,
    /// The version of its crate.
    pub version: RString,
    /// What its results depend on besides config and input.
    pub results: Results,
    /// The JSON schema of its config.
    pub schema: RString,
    /// How it is built.
    pub builder: Builder,
}

/// What a plugin's results depend on besides its config and input; decides which stored results a run takes up.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Results {
    /// To be raised when the plugin gives other results for the same config and input; 0, the default: every build of its library does.
    pub results_version: u32,
    /// Whether they depend on the run's seed; true by default.
    pub seeded: bool,
    /// Whether they are computed on the run's device, whose rounding is its own; false by default.
    pub device: bool,
}

impl Default for Results {
    fn default() -> Self {
        Self { results_version: 0, seeded: true, device: false }
    }
}

/// The function that builds a plugin from its config (JSON) and a context, by role.
#[repr(C, u8)]
#[derive(StableAbi, Clone, Copy)]
pub enum Builder {
    Dataset(extern "C" fn(RStr<'_>, ContextAbi) -> AbiResult<dataset::Object>),
    Proposer(extern "C" fn(RStr<'_>, ContextAbi) -> AbiResult<proposer::Object>),
    Refiner(extern "C" fn(RStr<'_>, ContextAbi) -> AbiResult<refiner::Object>),
    Selector(extern "C" fn(RStr<'_>, ContextAbi) -> AbiResult<selector::Object>),
    Labeler(extern "C" fn(RStr<'_>, ContextAbi) -> AbiResult<labeler::Object>),
    Postprocessor(extern "C" fn(RStr<'_>, ContextAbi) -> AbiResult<postprocessor::Object>),
    Exporter(extern "C" fn(RStr<'_>, ContextAbi) -> AbiResult<exporter::Object>),
    Extractor(extern "C" fn(RStr<'_>, ContextAbi) -> AbiResult<extractor::Object>),
}

impl Builder {
    /// The role of what it builds.
    pub fn role(&self) -> Role {
        match self {
            Self::Dataset(_) => Role::Dataset,
            Self::Proposer(_) => Role::Proposer,
            Self::Refiner(_) => Role::Refiner,
            Self::Selector(_) => Role::Selector,
            Self::Labeler(_) => Role::Labeler,
            Self::Postprocessor(_) => Role::Postprocessor,
            Self::Exporter(_) => Role::Exporter,
            Self::Extractor(_) => Role::Extractor,
        }
    }
}

macro_rules! build {
    ($($(#[$doc:meta])* $function:ident $variant:ident $trait:ident $foreign:path;)+) => {
        impl Builder {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// What the plugin says of its config, and a builder of another role.
            pub fn $function(&self, config: &str, context: &Context) -> Result<Box<dyn crate::$trait>> {
                match self {
                    Self::$variant(build) => {
                        let object = received(build(config.into(), context.into()))?;
                        Ok(Box::new($foreign(object)))
                    }
                    other => Err(crate::Error::config(format!("found {} where a plugin of role {} is needed", other.role().with_article(), stringify!($function)))),
                }
            }
        )+}
    };
}

build! {
    /// Builds a proposer.
    proposer Proposer Proposer proposer::ForeignProposer;
    /// Builds a refiner.
    refiner Refiner Refiner refiner::ForeignRefiner;
    /// Builds a labeler.
    labeler Labeler Labeler labeler::ForeignLabeler;
    /// Builds a postprocessor.
    postprocessor Postprocessor Postprocessor postprocessor::ForeignPostprocessor;
    /// Builds an exporter.
    exporter Exporter Exporter exporter::ForeignExporter;
    /// Opens a dataset.
    dataset Dataset Dataset dataset::ForeignDataset;
    /// Builds an extractor.
    extractor Extractor Extractor extractor::ForeignExtractor;
}

impl Builder {
    /// Builds a selector.
    ///
    /// # Errors
    /// What the plugin says of its config, and a builder of another role.
    pub fn selector(&self, config: &str, context: &Context) -> Result<Box<dyn crate::Selector>> {
        match self {
            Self::Selector(build) => Ok(Box::new(selector::ForeignSelector::new(received(build(config.into(), context.into()))?)?)),
            other => Err(crate::Error::config(format!("{} is not a selector", other.role().with_article()))),
        }
    }
}

/// What a library answers when it is asked for its plugins.
pub type Declarations = AbiResult<RVec<PluginDeclaration>>;

/// The declarations of a library, for `export_plugins!`.
#[doc(hidden)]
pub fn declared(list: impl FnOnce() -> Vec<PluginDeclaration>) -> Declarations {
    guard(|| Ok(list()), RVec::from)
}

/// The plugins of a loaded library.
///
/// # Errors
/// The panic of a plugin whose schema cannot be made.
pub fn declarations(module: PluginModuleRef) -> Result<Vec<PluginDeclaration>> {
    received(module.plugins()()).map(RVec::into_vec)
}

/// The module of a library, for `export_plugins!`.
#[doc(hidden)]
pub fn load_module(plugins: extern "C" fn() -> Declarations) -> PluginModuleRef {
    silence_panics();
    PluginModule { plugins }.leak_into_prefix()
}

/// Declarations by role, for `export_plugins!`.
pub mod declare {
    use super::*;

    /// A crate's name and version.
    pub type Package = (&'static str, &'static str);

    fn plugin<C: PluginConfig>(name: &str, (package, version): Package, results: Results, builder: Builder) -> PluginDeclaration {
        let mut schema = schemars::schema_for!(C).to_value();
        shorten(&mut schema);
        let description = schema.get("description").and_then(|text| text.as_str()).unwrap_or_default();
        let summary: Vec<&str> = description.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
        PluginDeclaration {
            name: name.into(),
            summary: summary.join(" ").into(),
            package: package.into(),
            version: version.into(),
            results,
            schema: schema.to_string().into(),
            builder,
        }
    }

    /// Defaults of 32 bits as they stand in the code: 0.15, not the 0.15000000596046448 that it is in 64.
    fn shorten(json: &mut serde_json::Value) {
        match json {
            serde_json::Value::Number(number) => {
                let (Some(value), false) = (number.as_f64(), number.is_i64() || number.is_u64()) else { return };
                let short = (value as f32).to_string().parse::<f64>().ok().filter(|_| f64::from(value as f32) == value);
                if let Some(short) = short.and_then(serde_json::Number::from_f64) {
                    *number = short;
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(shorten),
            serde_json::Value::Object(entries) => entries.values_mut().for_each(shorten),
            _ => {}
        }
    }

    #[cfg(test)]
    #[test]
    fn defaults_of_32_bits_are_shown_as_they_were_written() {
        let mut schema =
            serde_json::json!({ "default": f64::from(0.15f32), "other": [0.1, f64::from(1e-5f32), 3, -2, 0.5], "text": "0.15000000596046448" });
        shorten(&mut schema);
        assert_eq!(schema, serde_json::json!({ "default": 0.15, "other": [0.1, 1e-5, 3, -2, 0.5], "text": "0.15000000596046448" }));
    }

    macro_rules! declare {
        ($($function:ident $trait:ident $builder:ident;)+) => {$(
            #[doc = concat!("A ", stringify!($function), ".")]
            pub fn $function<T: Plugin + crate::$trait>(name: &str, package: Package, results: Results) -> PluginDeclaration {
                plugin::<T::Config>(name, package, results, Builder::$builder($function::build::<T>))
            }
        )+};
    }

    declare! {
        dataset Dataset Dataset;
        proposer Proposer Proposer;
        refiner Refiner Refiner;
        selector Selector Selector;
        labeler Labeler Labeler;
        postprocessor Postprocessor Postprocessor;
        exporter Exporter Exporter;
        extractor Extractor Extractor;
    }
}
