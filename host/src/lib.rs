//! The host of `convert`: command line, recipe, plugin loading, stage engine, reports. It knows no algorithm: everything that touches pixels,
//! masks or labels in a particular way is a plugin. `docs/architecture.md` is the map.

pub mod cli;
mod command_name;
mod commands;
mod crashes;
pub mod engine;
mod errors;
mod evaluate;
mod failure;
mod fetch;
mod logging;
mod named_files;
mod named_objects;
mod pipeline;
mod plugins;
mod recipe;
mod sha256;
pub mod storage;
mod terminal;
mod thumbnail;
mod view;

pub use commands::execute;
pub use crashes::listen as say_crashes;
pub use engine::images::is_decoding;
pub use failure::Failure;
