//! Package archives: signed indexes, signatures, resolver.
//!
//! A request (packages, suites, a day) goes in, a [`lock::Lock`] comes out: the exact files, by
//! hash. Everything in between is a function of the request and of the archive's signed indexes of
//! that day; nothing here installs or unpacks anything.
//!
//! [`debian`] knows Debian's archive, [`arch`] that of Arch Linux. Both write the same locks.

pub mod arch;
mod armor;
mod deb;
pub mod debian;
mod error;
mod extra;
mod files;
mod openpgp;
mod resolve;
mod similar;
mod solving;

pub use error::{Cause, Error, WhyNot};
pub use files::{Accept, Files};
pub use resolve::{resolve, update};
