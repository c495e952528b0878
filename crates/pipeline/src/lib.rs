//! The stages in their order: from a definition to a generation and a medium.
//!
//! ```text
//! locking   server.toml → server.lock
//! tree      lock → package files → package tree
//! packages  package tree → package layer, kernel, initramfs
//! config    rootfs/, users, permissions, health check → config layer
//! generation  the four and their config → manifest
//! medium    a generation → disk image, ISO, qcow2, tar, container
//! ```
//!
//! Nothing is decided here that another crate could decide: this one maps the types of one stage
//! to those of the next, and names what each stage reads.

mod archive;
mod built;
pub mod cargo;
mod clean;
mod compare;
mod config;
mod difference;
mod error;
mod files;
pub mod first_boot;
mod generation_of;
pub mod locking;
mod medium;
mod own;
mod packages;
mod programs;
mod record;
mod replace;
mod report;
mod request;
mod session;
mod tree;
mod verify;
mod warnings;

pub use built::{Artefact, Built, Sizes};
pub use clean::{Caches, Shelf, caches};
pub use compare::only_packages;
pub use error::Error;
pub use files::files;
pub use generation_of::generation;
pub use medium::{Format, Medium, medium};
pub use programs::left_out;
pub use record::Record;
pub use report::Report;
pub use session::{Options, Session};
pub use verify::{Difference, SURROUNDINGS, Verified, copy_folder, copy_workspace, verify};
pub use warnings::{Warning, warnings};
