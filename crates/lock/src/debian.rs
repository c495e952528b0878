//! What is asked of Debian's archive.

mod names;
mod request;
mod version;

pub use names::{is_package_name, is_qualifier};
pub use request::{Pocket, Request, Wanted, WantedError};
pub use version::{Version, VersionError};
