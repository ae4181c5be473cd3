//! What crosses between the host and plugin libraries: a handful of types that stay as they are, and through them messages that may grow.
//!
//! A plugin is an [`Object`] that answers calls of methods by their names. Arguments and answers are MessagePack maps, so that either side may know fields that the other does not;
//! pixels are lent beside them. Which methods and fields a role has is convert-sdk's affair (`sdk/src/abi/`), and so is each role's version.
//!
//! abi_stable compares the layout of these types when a library is loaded. A change here is a new [`ABI_VERSION`], for which every plugin is built again: docs/abi.md.
#![allow(
    unsafe_code,             // abi_stable's derives implement its unsafe traits
    non_local_definitions,   // so do its trait-object macros, in anonymous constants
    missing_docs,            // of what they generate
    clippy::all              // generated code
)]

pub use abi_stable;

use abi_stable::library::RootModule;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RArc, RBox, ROption, RResult, RSlice, RStr, RVec};
use abi_stable::{sabi_trait, StableAbi};

/// The version of these types; a library built for another is refused before anything else of it is used.
pub const ABI_VERSION: u32 = 1;

/// The symbol that holds a library's [`ABI_VERSION`].
pub const ABI_VERSION_SYMBOL: &[u8] = b"convert_plugin_abi";

/// A MessagePack value.
pub type Message = RVec<u8>;

/// A value, or an error: a message with `kind`, `message` and `causes`.
pub type Fallible<T> = RResult<T, Message>;

/// An 8-bit RGB image, lent: `width * height * 3` bytes, row by row.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Pixels<'a> {
    pub width: u32,
    pub height: u32,
    pub bytes: RSlice<'a, u8>,
}

/// An image that the other side decodes when asked, keeps, and lends: its pixels do not cross.
#[sabi_trait]
pub trait ImageSource: Send + Sync {
    /// Its pixels.
    fn load<'a>(&'a self) -> Fallible<Pixels<'a>>;
    /// The file that it is decoded from, where there is one to give.
    #[sabi(last_prefix_field)]
    fn encoded(&self) -> Fallible<ROption<RVec<u8>>>;
}

pub type ImageObject<'a> = ImageSource_TO<'a, RBox<()>>;

/// What a method is given.
#[repr(C)]
#[derive(StableAbi)]
pub struct Arguments<'a> {
    /// Everything that is neither an image nor an object.
    pub message: RSlice<'a, u8>,
    /// Decoded images.
    pub images: RSlice<'a, Pixels<'a>>,
    /// An image that is decoded when asked for.
    pub image: ROption<ImageObject<'a>>,
    /// Something to be asked in turn, such as the samples to train on.
    pub object: ROption<Object<'a>>,
}

/// What a method gives.
#[repr(C)]
#[derive(StableAbi)]
pub struct Answer<'a> {
    /// Everything that is neither an image nor an object.
    pub message: Message,
    /// An image that is decoded when asked for.
    pub image: ROption<ImageObject<'a>>,
    /// Something to be asked in turn, such as a trained model.
    pub object: ROption<Object<'static>>,
}

/// A plugin, or something that belongs to it or to the host.
#[sabi_trait]
pub trait Callable: Send + Sync {
    /// The answer of a method; nothing where there is none of that name. Called from several threads at once.
    #[sabi(last_prefix_field)]
    fn call<'a>(&'a self, method: RStr<'_>, arguments: Arguments<'_>) -> Fallible<ROption<Answer<'a>>>;
}

pub type Object<'a> = Callable_TO<'a, RBox<()>>;

/// The host's side of a run.
#[sabi_trait]
pub trait HostSide: Send + Sync + Clone {
    /// A log line; levels count from 0, an error, to 4, everything.
    fn log(&self, level: u8, plugin: RStr<'_>, message: RStr<'_>);
    /// How far a long call has come.
    fn progress(&self, position: u64, total: u64, message: RStr<'_>);
    /// Whether the user asked to stop.
    fn cancelled(&self) -> bool;
    /// The answer of a method; nothing where there is none of that name. Called from several threads at once.
    #[sabi(last_prefix_field)]
    fn call(&self, method: RStr<'_>, message: RSlice<'_, u8>) -> Fallible<ROption<Message>>;
}

pub type HostObject = HostSide_TO<'static, RArc<()>>;

/// The root module of a plugin library.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModuleRef)))]
#[sabi(missing_field(panic))]
pub struct PluginModule {
    /// The declarations of the library's plugins.
    pub plugins: extern "C" fn() -> Fallible<Message>,
    /// What the plugin at an index of the declarations says before it is built: a method by name, with a message; nothing where there is none of that name.
    pub ask: extern "C" fn(u32, RStr<'_>, RSlice<'_, u8>, HostObject) -> Fallible<ROption<Message>>,
    /// Builds the plugin at an index of the declarations, from its config (JSON), the run's settings (a message) and the way back to the host.
    #[sabi(last_prefix_field)]
    pub build: extern "C" fn(u32, RStr<'_>, RSlice<'_, u8>, HostObject) -> Fallible<Object<'static>>,
}

impl RootModule for PluginModuleRef {
    abi_stable::declare_root_module_statics! {PluginModuleRef}
    const BASE_NAME: &'static str = "convert_plugin";
    const NAME: &'static str = "convert_plugin";
    const VERSION_STRINGS: VersionStrings = VersionStrings::new("1.0.0");
}
