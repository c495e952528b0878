//! A generation: an OCI image manifest, its config, its layers.
//!
//! [`manifest`] and [`config`] are what a generation's digest covers, [`verity`] how its
//! filesystem layers are checked at run time, [`cmdline`] how the boot entry names it. They know
//! no disk and no clock: they turn types into the bytes that digests cover and back, and refuse
//! what is not exactly such bytes. [`layout`] keeps generations on a disk as an OCI image layout:
//! in the build directory and under `/imgs` on the server, where [`progress`] says how far a generation
//! on trial has come, and [`filesystem`] what was wrong with the disk. [`unused()`] is what lies under `/state` there and is no generation's.
//! [`modules`] is what an initramfs says of the kernel modules that it has.
//!
//! The crate is linked into the static programs of the server, so it stays small.

#![warn(missing_docs)]

pub mod cmdline;
pub mod config;
mod error;
mod files;
pub mod filesystem;
pub mod layout;
pub mod manifest;
pub mod modules;
pub mod progress;
mod text;
pub mod unused;
pub mod verity;

pub use config::{Config, State, StateOption};
pub use error::{Chain, Error, Result};
pub use filesystem::Filesystem;
pub use layout::{Index, Layout};
pub use manifest::{Descriptor, Layer, LayerFormat, Manifest};
pub use modules::Modules;
pub use progress::{Progress, Step};
pub use unused::unused;
pub use verity::Verity;
