//! The host's side of a run, given to plugins.

use std::sync::Arc;

use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{RArc, ROption, RSlice, RStr};
use convert_abi::{abi_stable, Fallible, HostObject, HostSide, HostSide_TO, Message};

use super::guard::guard;
use super::message::received;
use crate::{Host, LogLevel, Result};

#[derive(Clone)]
struct Exported(Arc<dyn Host>);

const LEVELS: [LogLevel; 5] = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

impl HostSide for Exported {
    fn log(&self, level: u8, plugin: RStr<'_>, message: RStr<'_>) {
        self.0.log(LEVELS[usize::from(level).min(4)], plugin.as_str(), message.as_str());
    }
    fn progress(&self, position: u64, total: u64, message: RStr<'_>) {
        self.0.progress(position, total, message.as_str());
    }
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
    fn call(&self, method: RStr<'_>, message: RSlice<'_, u8>) -> Fallible<ROption<Message>> {
        guard(|| self.0.call(method.as_str(), &message), |answer| answer.map(Message::from).into())
    }
}

/// A host for the other side.
pub fn host_object(host: &Arc<dyn Host>) -> HostObject {
    HostSide_TO::from_ptr(RArc::new(Exported(host.clone())), TD_Opaque)
}

/// The host of the other side.
pub struct Foreign(pub HostObject);

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
    fn call(&self, method: &str, message: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(received(self.0.call(method.into(), message.into()))?.into_option().map(Into::into))
    }
}
