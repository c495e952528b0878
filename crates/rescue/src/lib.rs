//! The disk of a server that does not come up: its generations, journal and state, read from an
//! image file or a device of the machine that it was moved to.
//!
//! Nothing is mounted and nothing is written: the file is opened to be read, the ext4 is read by
//! this process, and what its journal has not yet put in its place is put there in memory. The
//! content of such a disk is hostile: names and sizes are checked, what is copied lands below one
//! new folder, and what is shown is made safe for a terminal.

mod copy;
mod disk;
mod error;
mod filesystem;
mod journal;
mod report;
mod shown;
mod walk;

pub use copy::{Copied, copy};
pub use disk::is_qcow2;
pub use error::{Error, Result};
pub use filesystem::Filesystem;
pub use journal::{Line, journal};
pub use report::{Report, StateReport, report};
pub use shown::safe;
pub use walk::{Found, list};
