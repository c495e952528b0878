//! What a definition asks of a package archive, and the lock that answers it.
//!
//! A [`Request`] (packages, suites, a day) goes to the archive, a [`Lock`] comes back: the exact
//! files, by hash. Here are both as data, read, checked, compared and written. How the one is made
//! from the other is the business of the crate `archive`, a program of its own that is sent a
//! [`job::Job`]: who builds from a lock needs neither the resolver nor OpenPGP.

pub mod arch;
mod check;
pub mod debian;
mod diff;
mod error;
mod extra;
mod form;
mod groups;
pub mod job;
mod read;
mod request;
mod salvage;
mod text;

pub use diff::{Diff, Outdated, outdated};
pub use error::Error;
pub use extra::{Extra, OWN, OwnFile};
pub use form::{FORMAT, Index, Lock, Package, Signature, Source};
pub use groups::{read_groups, write_groups};
pub use request::{Pin, Request};
pub use salvage::Ids;
