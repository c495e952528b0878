//! Trees as tar archives, in the one form that equal trees have.
//!
//! The canonical form: POSIX ustar (IEEE 1003.1, pax) sorted by path bytes, the root as `./`,
//! directories with a slash; numeric owners, empty names, no device numbers; a PAX header only for
//! what ustar cannot say (paths and links over 100 bytes, large numbers, extended attributes as
//! `SCHILY.xattr.NAME`), its records sorted, attributes last; the first path of a file with several names is the
//! file, the others are hard links to it; two zero blocks at the end. Two trees are equal exactly
//! when their archives are.

pub(crate) mod acl;
mod header;
mod read;
mod renumber;
mod walk;
mod write;

pub use header::{Header, Kind};
pub use read::{Content, find, read};
pub use renumber::renumber;
pub use walk::walk;
pub use write::Writer;
