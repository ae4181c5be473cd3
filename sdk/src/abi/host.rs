//! The host's side of a run, given to plugins.

use std::sync::Arc;

use abi_stable::std_types::{RArc, RStr, RString, RVec};
use abi_stable::{sabi_trait, StableAbi};

use super::values::strings;
use crate::{Context, Host, LogLevel, Settings};

#[sabi_trait]
pub trait HostAbi: Send + Sync + Clone {
    fn log(&self, level: u8, plugin: RStr<'_>, message: RStr<'_>);
    fn progress(&self, position: u64, total: u64, message: RStr<'_>);
    #[sabi(last_prefix_field)]
    fn cancelled(&self) -> bool;
}

pub type HostObject = HostAbi_TO<'static, RArc<()>>;

#[derive(Clone)]
struct Exported(Arc<dyn Host>);

const LEVELS: [LogLevel; 5] = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

impl HostAbi for Exported {
    fn log(&self, level: u8, plugin: RStr<'_>, message: RStr<'_>) {
        self.0.log(LEVELS[usize::from(level).min(4)], plugin.as_str(), message.as_str());
    }
    fn progress(&self, position: u64, total: u64, message: RStr<'_>) {
        self.0.progress(position, total, message.as_str());
    }
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

struct Foreign(HostObject);

impl Host for Foreign {
    fn log(&self, level: LogLevel, plugin: &str, message: &str) {
        self.0.log(level as u8, plugin.into(), message.into());
    }
    fn progress(&self, position: u64, total: u64, message: &str) {
        self.0.progress(position, total, message.into());
    }
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub struct ContextAbi {
    plugin: RString,
    profile: RString,
    seed: u64,
    threads: u32,
    device: RString,
    cache_folder: RString,
    classes: RVec<RString>,
    rescan: bool,
    host: HostObject,
}

impl From<&Context> for ContextAbi {
    fn from(context: &Context) -> Self {
        let settings = context.settings().clone();
        Self {
            plugin: settings.plugin.into(),
            profile: settings.profile.into(),
            seed: settings.seed,
            threads: settings.threads as u32,
            device: settings.device.into(),
            cache_folder: settings.cache_folder.to_string_lossy().into_owned().into(),
            classes: strings(settings.classes),
            rescan: settings.rescan,
            host: HostAbi_TO::from_ptr(RArc::new(Exported(context.host().clone())), sabi_trait::TD_Opaque),
        }
    }
}

impl From<ContextAbi> for Context {
    fn from(context: ContextAbi) -> Self {
        let settings = Settings {
            plugin: context.plugin.into(),
            profile: context.profile.into(),
            seed: context.seed,
            threads: context.threads as usize,
            device: context.device.into(),
            cache_folder: context.cache_folder.into_string().into(),
            classes: context.classes.into_iter().map(Into::into).collect(),
            rescan: context.rescan,
        };
        Context::new(settings, Arc::new(Foreign(context.host)))
    }
}
