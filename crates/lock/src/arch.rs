//! What is asked of Arch's archive.

mod names;
mod request;
mod trust;
mod version;

pub use names::is_name;
pub use request::{KEYRING, Request, Wanted, WantedError};
pub use trust::main_keys;
pub use version::{compare, is_version};
