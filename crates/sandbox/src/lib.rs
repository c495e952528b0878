//! Namespaces, the pinned tool root, and the one place that starts programs.
//!
//! The host gives the kernel. Every program of a build comes from the tool root and runs in
//! namespaces of its own: it sees neither the host's files nor its network, environment, users or
//! processes, only what it is given.
//!
//! An executable that uses this crate calls [`serve`] first in its `main`: to enter namespaces it
//! starts itself once more.

mod command;
pub mod doctor;
mod error;
mod furnish;
mod idmap;
mod init;
mod job;
mod mount_calls;
mod mounts;
mod namespace;
mod process;
mod program;
mod protocol;
mod root_command;
mod scratch;
mod seccomp;
mod serve;
mod tools;
mod traces;
mod worker;

pub use command::Command;
pub use error::{Error, Result};
pub use job::{
    Cause, Job, JobEntry, JobFailure, in_namespace, set_scratch_on_disk, set_scratch_parent,
};
pub use process::{Output, Running, Sink, Stdin};
pub use program::{Group, Program};
pub use protocol::{Status, Step};
pub use root_command::RootCommand;
pub use scratch::{Scratch, scratch};
pub use serve::serve;
pub use tools::{LockedGroup, ToolRoot, Tools, lock_tools, remove_root, roots};
pub use worker::set_worker;
