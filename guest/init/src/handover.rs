//! From the initramfs to the server's own init: the new root becomes the root, and the initramfs
//! gives its memory back.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{Mode, OFlags, open};
use rustix::mount::mount_move;
use rustix::process::{chdir, chroot};

use crate::clear;
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
    let _ = clear::empty(initramfs);
    Ok(())
}
