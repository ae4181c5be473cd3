//! What a library exports: its plugins, each with its schema, and the function that builds them.

use std::borrow::Cow;

use convert_abi::PluginModuleRef;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::ask::Remote;
use super::host::host_object;
use super::message::received;
use super::{dataset, exporter, extractor, labeler, message, postprocessor, proposer, refiner, selector, RoleVersion};
use crate::{Context, Dataset, Error, Exporter, Extractor, Labeler, Postprocessor, Proposer, Refiner, Result, Role, Selector, Settings};

/// One plugin of a library.
#[derive(Debug, Serialize, Deserialize)]
pub struct PluginDeclaration {
    /// The name of its role, which may be one that is not known here.
    pub role: String,
    /// The version of that role that it was built for.
    pub role_version: RoleVersion,
    /// Its name in recipes.
    pub name: String,
    /// One line, from the config type's doc comment.
    pub summary: String,
    /// Its crate.
    pub package: String,
    /// The version of its crate.
    pub version: String,
    /// What its results depend on besides config and input.
    #[serde(default)]
    pub results: Results,
    /// The JSON schema of its config.
    pub schema: Json,
}

/// What a plugin's results depend on besides its config and input; decides which stored results a run takes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Results {
    /// To be raised when the plugin gives other results for the same config and input; 0, the default: every build of its library does.
    pub results_version: u32,
    /// Whether they depend on the run's seed; true by default.
    pub seeded: bool,
    /// Whether they are computed on the run's device, whose rounding is its own; false by default.
    pub device: bool,
}

impl Results {
    #[doc(hidden)]
    pub const DEFAULT: Self = Self { results_version: 0, seeded: true, device: false };
}

impl Default for Results {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The plugins of a loaded library, each with what builds it.
///
/// # Errors
/// The panic of a plugin whose schema cannot be made.
pub fn declarations(module: PluginModuleRef) -> Result<Vec<(PluginDeclaration, Builder)>> {
    let declarations: Vec<PluginDeclaration> = message::read(&received(module.plugins()())?)?;
    Ok((0..).zip(declarations).map(|(index, declaration)| (declaration, Builder { module, index })).collect())
}

/// What a plugin is asked before it is built.
#[derive(Serialize, Deserialize)]
struct Question<'a> {
    config: Cow<'a, str>,
    settings: Cow<'a, Settings>,
}

/// Builds a plugin of a loaded library. Of which role it is, its declaration says.
#[derive(Clone, Copy)]
pub struct Builder {
    module: PluginModuleRef,
    index: u32,
}

impl Builder {
    /// The schema of the config within its config: see [`Plugin::inner_schema`](crate::Plugin::inner_schema).
    ///
    /// # Errors
    /// Why it cannot be told.
    pub fn inner_schema(self, config: &str, context: &Context) -> Result<Option<Json>> {
        let question = message::write(&Question { config: config.into(), settings: Cow::Borrowed(context.settings()) })?;
        let answer = received(self.module.ask()(self.index, "inner_schema".into(), question.as_slice().into(), host_object(context.host())))?;
        answer.into_option().map_or(Ok(None), |answer| message::read(&answer))
    }

    fn build(self, config: &str, context: &Context) -> Result<Remote<'static>> {
        let settings = message::write(context.settings())?;
        received(self.module.build()(self.index, config.into(), settings.as_slice().into(), host_object(context.host()))).map(Remote)
    }
}

macro_rules! roles {
    ($($method:ident $trait:ident $foreign:expr;)+) => {
        /// What a library built, as its role's ordinary trait.
        pub mod foreign {
            use super::*;

            $(pub fn $method(remote: Remote<'static>) -> Result<Box<dyn $trait>> {
                let foreign: fn(Remote<'static>) -> Result<_> = $foreign;
                Ok(Box::new(foreign(remote)?))
            })+
        }

        impl Builder {$(
            #[doc = concat!("Builds the plugin, ", stringify!($method), " by its declaration, from its config (JSON) and a context.")]
            ///
            /// # Errors
            /// What the plugin says of its config.
            pub fn $method(self, config: &str, context: &Context) -> Result<Box<dyn $trait>> {
                foreign::$method(self.build(config, context)?)
            }
        )+}
    };
}

roles! {
    dataset Dataset |remote| Ok(dataset::ForeignDataset(remote));
    proposer Proposer proposer::ForeignProposer::new;
    refiner Refiner |remote| Ok(refiner::ForeignRefiner(remote));
    selector Selector selector::ForeignSelector::new;
    labeler Labeler labeler::ForeignLabeler::new;
    postprocessor Postprocessor |remote| Ok(postprocessor::ForeignPostprocessor(remote));
    exporter Exporter |remote| Ok(exporter::ForeignExporter(remote));
    extractor Extractor |remote| Ok(extractor::ForeignExtractor(remote));
}

/// A library's side, for `export_plugins!`.
pub mod export {
    use std::sync::Arc;

    use abi_stable::prefix_type::PrefixTypeTrait;
    use abi_stable::std_types::{ROption, RSlice, RStr};
    use convert_abi::{abi_stable, Fallible, HostObject, Message, Object, PluginModule};

    use super::*;
    use crate::abi::guard::{guard, silence_panics};
    use crate::abi::host::Foreign;
    use crate::{Plugin, PluginConfig};

    /// A crate's name and version.
    pub type Package = (&'static str, &'static str);

    /// One plugin of this library.
    pub struct Exported {
        role: Role,
        name: &'static str,
        package: Package,
        results: Results,
        schema: fn() -> Json,
        inner_schema: fn(&str, Context) -> Result<Option<Json>>,
        build: fn(&str, Context) -> Result<Object<'static>>,
    }

    impl Exported {
        pub fn declaration(&self) -> PluginDeclaration {
            let schema = (self.schema)();
            let description = schema.get("description").and_then(|text| text.as_str()).unwrap_or_default();
            let summary: Vec<&str> = description.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
            PluginDeclaration {
                role: self.role.name().into(),
                role_version: RoleVersion::of(self.role),
                name: self.name.into(),
                summary: summary.join(" "),
                package: self.package.0.into(),
                version: self.package.1.into(),
                results: self.results,
                schema,
            }
        }

        pub fn build(&self, config: &str, context: Context) -> Result<Object<'static>> {
            (self.build)(config, context)
        }
    }

    macro_rules! exported {
        ($($function:ident $role:ident;)+) => {$(
            #[doc = concat!("A ", stringify!($function), ".")]
            pub const fn $function<T: Plugin + $role>(name: &'static str, package: Package, results: Results) -> Exported {
                Exported { role: Role::$role, name, package, results, schema: schema::<T::Config>, inner_schema: |config, context| T::inner_schema(read_config(config)?, context),
                    build: |config, context| Ok($function::serve(T::new(read_config(config)?, context)?)), }
            }
        )+};
    }

    exported! {
        dataset Dataset;
        proposer Proposer;
        refiner Refiner;
        selector Selector;
        labeler Labeler;
        postprocessor Postprocessor;
        exporter Exporter;
        extractor Extractor;
    }

    fn schema<C: PluginConfig>() -> Json {
        schemars::schema_for!(C).to_value()
    }

    /// A plugin's config from the JSON that the host validated against its schema.
    fn read_config<C: PluginConfig>(json: &str) -> Result<C> {
        serde_json::from_str(json).map_err(|error| Error::config(error.to_string()))
    }

    /// What `export_plugins!` lists.
    pub trait Library {
        const PLUGINS: &'static [Exported];
    }

    pub fn module<L: Library>() -> PluginModuleRef {
        silence_panics();
        PluginModule { plugins: declarations::<L>, ask: ask::<L>, build: build::<L> }.leak_into_prefix()
    }

    extern "C" fn declarations<L: Library>() -> Fallible<Message> {
        guard(|| message::write(&L::PLUGINS.iter().map(Exported::declaration).collect::<Vec<_>>()), Message::from)
    }

    extern "C" fn ask<L: Library>(index: u32, method: RStr<'_>, question: RSlice<'_, u8>, host: HostObject) -> Fallible<ROption<Message>> {
        let ask = || match method.as_str() {
            "inner_schema" => {
                let Question { config, settings } = message::read(&question)?;
                let schema = (plugin::<L>(index)?.inner_schema)(&config, entered(settings.into_owned(), host))?;
                message::write(&schema).map(Some)
            }
            _ => Ok(None),
        };
        guard(ask, |answer| answer.map(Message::from).into())
    }

    extern "C" fn build<L: Library>(index: u32, config: RStr<'_>, settings: RSlice<'_, u8>, host: HostObject) -> Fallible<Object<'static>> {
        guard(|| plugin::<L>(index)?.build(&config, entered(message::read(&settings)?, host)), |object| object)
    }

    fn plugin<L: Library>(index: u32) -> Result<&'static Exported> {
        L::PLUGINS.get(index as usize).ok_or_else(|| Error::invalid(format!("the library has no plugin {index}")))
    }

    /// What the library does once it is given a host.
    fn entered(settings: Settings, host: HostObject) -> Context {
        let context = Context::new(settings, Arc::new(Foreign(host)));
        super::super::forward_logs::install(&context);
        context
    }
}
