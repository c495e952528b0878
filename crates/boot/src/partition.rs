//! The boot partition: a FAT, of which little can be relied on when the power fails.
//!
//! Replaying a FAT's writes up to each moment has shown what holds: a file that is written under a
//! new name and synced, and one sector that is overwritten. A rename does not, nor truncating a
//! file to write it again. So nothing else is offered.

use std::io::Read;

use crate::Result;

/// Bytes that a disk writes whole or not at all.
pub const SECTOR: usize = 512;

/// The longest file that [`Partition::read`] reads, in bytes.
pub const MAX_FILE: u64 = 1024 * 1024;

/// Files of a boot partition. Paths are relative to its root. What an operation has done is on the
/// disk when it returns; while it runs it may be done, not done, or in the state it names.
pub trait Partition {
    /// The names of the files in a folder, sorted; none when the folder is not there.
    fn list(&self, folder: &str) -> Result<Vec<String>>;

    /// A file's bytes; nothing when there is no such file, or it is longer than [`MAX_FILE`].
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>>;

    /// A file's length in bytes; nothing when there is no such file.
    fn size(&self, path: &str) -> Result<Option<u64>>;

    /// Reads a file from its beginning.
    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>>;

    /// Makes a file, which is not there yet. Meanwhile: a file of any length up to its own with
    /// any bytes that were free on the disk.
    fn create(&mut self, path: &str, content: &mut dyn Read) -> Result<()>;

    /// Overwrites bytes that lie in one sector of a file. Meanwhile: the old ones or the new.
    fn overwrite(&mut self, path: &str, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Removes a file; one that is not there is no error. Its bytes stay on the disk.
    fn remove(&mut self, path: &str) -> Result<()>;

    /// Bytes that are free.
    fn free(&self) -> Result<u64>;
}
