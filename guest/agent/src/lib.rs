//! `heirloom`, the command on a server.
//!
//! It keeps the server's generations ([`catalog`], [`keep`]), puts one on trial and confirms it
//! ([`server`], [`watch`]), says why one failed ([`reason`]), takes new ones from `cargo xtask
//! deploy` ([`receive`]) and lists what the next boot will not have ([`audit`]).
//!
//! [`Server`] is the whole of it without a machine: an OCI layout, a boot partition, a file of
//! trials. [`machine`] finds these on a real one; systemd and the health check are asked in
//! [`checks`].
//!
//! Order of every change, so that a power cut at any moment leaves a server that boots: what is
//! new is written before anything refers to it; the bootloader's word comes before the index's;
//! what is old goes last. [`Server::settle`] brings the index up to the bootloader's word.

#![warn(missing_docs)]

mod anew;
pub mod audit;
pub mod catalog;
pub mod checks;
pub mod cli;
pub mod disk;
mod disks;
mod error;
mod failed;
pub mod fat;
pub mod first_aid;
mod hidden;
mod ioctl;
pub mod keep;
mod lock;
pub mod machine;
pub mod memory;
mod mounts;
pub mod new_disk;
pub mod patient;
pub mod print;
pub mod reason;
pub mod receive;
mod restarts;
pub mod rights;
pub mod scrub;
pub mod server;
pub mod status;
pub mod trials;
pub mod verity;
pub mod watch;

pub use error::{Error, Result};
pub use server::{Running, Server};
