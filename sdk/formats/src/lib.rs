//! Files that host and plugins read and write: how they are opened and written at all ([`files`], [`whole_file`], [`storage`]), and the forms that several of them know.
//!
//! Plugin authors need nothing of it, and may use all of it.
#![warn(missing_docs)]

pub mod coco;
pub mod exchange;
pub mod files;
pub mod html;
pub mod imagenet;
pub mod imagenet_s;
pub mod label_sets;
pub mod outline;
pub mod reviews;
pub mod storage;
pub mod tensors;
pub mod whole_file;
