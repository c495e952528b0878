//! From trees and kernels to media: layers, initramfs, disk, ISO, container image.
//!
//! Every module makes one thing, as a function of what it is given: files, digests, an epoch. None
//! knows of definitions, locks or caches, and none reads the clock into what it writes. Each has a
//! `VERSION` that is part of its stage's key.

#![warn(missing_docs)]

pub mod bundle;
pub mod container;
mod cpio;
pub mod disk;
mod erofs;
mod error;
#[cfg(test)]
mod fixture;
pub mod identity;
pub mod initramfs;
pub mod iso;
pub mod layer;
mod modinfo;
pub mod modules;
pub mod own;
mod place;
pub mod qcow2;
pub mod root_tar;
mod staging;
pub mod tree;
mod unpacked;
pub mod verity;

pub use boot::Editing;
pub use bundle::{Blob, Bundle};
pub use erofs::Erofs;
pub use error::{Error, Result};
pub use identity::Identity;
pub use tree::Tree;
