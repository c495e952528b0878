//! From the initramfs to the server's own init: the new root becomes the root, and the initramfs
//! gives its memory back.

use std::env;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, open, openat, statat, unlinkat};
use rustix::io::Errno;
use rustix::mount::mount_move;
use rustix::process::{chdir, chroot};

use crate::error::{Context, Error, Result};
use crate::root::{INIT, ROOT};

/// Starts the server's own init, with the arguments that the kernel gave. Returns only to say why
/// that cannot be.
pub(crate) fn start() -> Error {
    let refused = Command::new(INIT).args(env::args_os().skip(1)).exec();
    Error::Io { action: "start", path: INIT.into(), source: refused }
}

/// Moves into the new root.
pub(crate) fn enter() -> Result<()> {
    for kernel in ["dev", "proc", "sys"] {
        let target = Path::new(ROOT).join(kernel);
        mount_move(Path::new("/").join(kernel), &target).on("move to", &target)?;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let initramfs = open("/", flags, Mode::empty()).on("open", "/")?;
    chdir(ROOT).on("enter", ROOT)?;
    mount_move(".", "/").on("move to /", ROOT)?;
    chroot(".").on("change root to", ROOT)?;
    chdir("/").on("enter", "/")?;
    // The files are out of sight already; one that stays costs memory and nothing else.
    let _ = empty(initramfs);
    Ok(())
}

/// Removes everything below `directory` on its own filesystem.
fn empty(directory: OwnedFd) -> rustix::io::Result<()> {
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
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            empty(openat(&directory, name.as_c_str(), flags, Mode::empty())?)?;
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_initramfs_goes_and_what_its_symlinks_point_to_stays() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        let inside = tempfile::tempdir().unwrap();
        fs::create_dir_all(inside.path().join("lib/modules/6.12")).unwrap();
        fs::write(inside.path().join("lib/modules/6.12/loop.ko"), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), inside.path().join("link")).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        empty(open(inside.path(), flags, Mode::empty()).unwrap()).unwrap();
        assert_eq!(fs::read_dir(inside.path()).unwrap().count(), 0);
        assert!(outside.path().join("kept").exists());
    }
}
