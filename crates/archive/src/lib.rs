//! Package archives: signed indexes, resolver, lock.
//!
//! A request (packages, suites, a day) goes in, a [`lock::Lock`] comes out: the exact files, by
//! hash. Everything in between is a function of the request and of the archive's signed indexes of
//! that day; nothing here installs or unpacks anything.
//!
//! [`debian`] knows Debian's archive. Other distributions get a module of their own beside it and
//! write the same locks.

pub mod debian;
mod diff;
mod error;
pub mod lock;

pub use diff::{Diff, Outdated, outdated};
pub use error::{Cause, Error, WhyNot};
