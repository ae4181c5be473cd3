//! `convert view`: a run's images with their regions and labels in a browser, where people look and correct.

mod access;
mod annotate;
mod details;
mod figures;
mod filter;
mod index;
mod pictures;
mod queue;
mod record;
mod refusal;
mod request;
mod reviewing;
mod server;
mod viewer;

pub use access::Access;
pub use annotate::Shape;
pub use record::FinishedRun;
pub use server::router;
pub use viewer::{Rules, Viewer, make_folder, note_place};
