//! Whether a result is safe from a power cut.
//!
//! A killed process cannot harm a result: it gets its name by a rename when it is whole. A power
//! cut can: the rename may reach the disk before the bytes. Syncing hundreds of megabytes before
//! going on would double the time of a build, so a result carries the id of the boot in which it
//! was written and is trusted in that boot; in the background it is synced and marked so. What a
//! later boot finds unmarked is made again.

use std::fs::{self, File};
use std::io;
use std::path::Path;

const MARK: &str = "durable";
const SYNCED: &str = "synced";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Marks a fresh result as written in this boot.
pub(crate) fn mark(result: &Path) -> io::Result<()> {
    fs::write(result.join(MARK), fs::read_to_string(BOOT_ID)?.trim())
}

/// Whether the bytes of a result are certain to be there.
pub(crate) fn is_trusted(result: &Path) -> bool {
    match fs::read_to_string(result.join(MARK)) {
        Ok(mark) if mark == SYNCED => true,
        Ok(mark) => fs::read_to_string(BOOT_ID).is_ok_and(|boot| boot.trim() == mark),
        Err(_) => false,
    }
}

/// Syncs a result in the background. If the process ends first, the mark stays as it is and the
/// result is trusted until the machine restarts. `in_use` is held until then, so that nobody
/// collects a result while its mark is written.
pub(crate) fn sync_later(result: &Path, in_use: File) {
    let result = result.to_owned();
    std::thread::spawn(move || {
        // A failure leaves the mark of this boot: the safe side.
        if sync_folder(&result).is_ok() {
            let _ = write_synced(&result);
        }
        drop(in_use);
    });
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_folder(&entry.path())?;
        } else if kind.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(folder)?.sync_all()
}

fn write_synced(result: &Path) -> io::Result<()> {
    let temporary = result.join("durable.new");
    fs::write(&temporary, SYNCED)?;
    File::open(&temporary)?.sync_all()?;
    fs::rename(&temporary, result.join(MARK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_of_another_boot_is_trusted_only_once_synced() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_trusted(folder.path()));
        mark(folder.path()).unwrap();
        assert!(is_trusted(folder.path()));
        fs::write(folder.path().join(MARK), "another-boot").unwrap();
        assert!(!is_trusted(folder.path()));
        write_synced(folder.path()).unwrap();
        assert!(is_trusted(folder.path()));
    }
}
