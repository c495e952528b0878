//! The package tree and the config layer.

pub mod accounts;
pub mod arch;
pub mod config;
pub mod debian;
mod error;
mod facts;
pub mod first_boot;
pub mod ids;
pub mod packages;
pub mod paths;
pub mod secrets;
mod similar;
pub mod tarball;

pub use error::Error;
pub use facts::{Facts, Kernel};
