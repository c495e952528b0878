//! Removes directories with all that they hold: the initramfs once it is out of use, and what an
//! unfinished copy left. No symlink is followed, no other filesystem entered.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat, unlinkat};
use rustix::io::{Errno, Result};

/// Removes `name` of a directory, whatever it is; what is not there is no error.
pub(crate) fn remove(parent: &OwnedFd, name: &Path) -> Result<()> {
    let found = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        found => found?,
    };
    let mut how = AtFlags::empty();
    if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
        empty(open(parent, name)?)?;
        how = AtFlags::REMOVEDIR;
    }
    unlinkat(parent, name, how)
}

/// Removes everything below `directory` on its own filesystem.
pub(crate) fn empty(directory: OwnedFd) -> Result<()> {
    let device = fstat(&directory)?.st_dev;
    let mut entries = Vec::new();
    for entry in Dir::read_from(&directory)? {
        entries.push(entry?.file_name().to_owned());
    }
    for name in entries.iter().filter(|name| !matches!(name.to_bytes(), b"." | b"..")) {
        let found = statat(&directory, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)?;
        if found.st_dev != device {
            continue;
        }
        let mut how = AtFlags::empty();
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            empty(open(&directory, name.as_c_str())?)?;
            how = AtFlags::REMOVEDIR;
        }
        match unlinkat(&directory, name.as_c_str(), how) {
            // A directory that is a mount point, or has one in it, stays.
            Ok(()) | Err(Errno::BUSY | Errno::NOTEMPTY) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn open(parent: impl AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn all_of_it_goes_and_what_its_symlinks_point_to_stays() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        let inside = tempfile::tempdir().unwrap();
        fs::create_dir_all(inside.path().join("lib/modules/6.12")).unwrap();
        fs::write(inside.path().join("lib/modules/6.12/loop.ko"), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), inside.path().join("link")).unwrap();
        let directory = OwnedFd::from(fs::File::open(inside.path()).unwrap());
        remove(&directory, Path::new("link")).unwrap();
        remove(&directory, Path::new("nothing")).unwrap();
        std::os::unix::fs::symlink(outside.path(), inside.path().join("lib/link")).unwrap();
        fs::write(inside.path().join("file"), "").unwrap();
        remove(&directory, Path::new("lib")).unwrap();
        assert_eq!(fs::read_dir(inside.path()).unwrap().count(), 1);
        empty(directory).unwrap();
        assert_eq!(fs::read_dir(inside.path()).unwrap().count(), 0);
        assert!(outside.path().join("kept").exists());
    }
}
