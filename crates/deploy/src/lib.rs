//! Generations onto servers.
//!
//! ```text
//! deploy    ssh to a running server: send, stage, boot on trial, wait for the verdict
//! install   ssh to a machine in rescue: its disk becomes the image
//! flash     a card or disk of this machine, or a file, becomes the image
//! ```
//!
//! What reaches a server goes through a [`Transport`]; [`Ssh`] is the owner's own `ssh`. Which disk
//! may be overwritten is decided in [`disk`] from what was read of it, here or there.

#![warn(missing_docs)]

mod agent;
pub mod disk;
mod error;
pub mod flash;
pub mod install;
mod kept;
mod local;
mod origin;
mod send;
mod ssh;
mod transport;
mod trial;
mod update;
mod written;

pub use agent::Agent;
pub use error::{Error, Result};
/// Identifiers that what is installed has and the image has not.
pub use image::own;
pub use kept::Kept;
pub use local::Local;
pub use origin::annotations;
pub use ssh::Ssh;
pub use transport::{Connection, Ended, Transport, Wait};
pub use trial::{Patience, Verdict};
pub use update::{Ending, Options, Outcome, Planned, deploy};
pub use written::Written;
