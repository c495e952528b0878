//! The kernel's calls for mounts, as this crate needs them: fsopen(2), open_tree(2), move_mount(2),
//! mount_setattr(2).

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use crate::protocol::{SetupFailure, Step};

/// Says what failed.
pub(crate) fn failed<E: Into<io::Error>>(
    what: impl Into<String>,
) -> impl FnOnce(E) -> SetupFailure {
    |error| SetupFailure::new(Step::Mounts, what, error)
}

/// A new file system, mounted nowhere.
pub(crate) fn file_system(
    kind: &str,
    options: &[(&str, &str)],
    flags: MountAttrFlags,
) -> Result<OwnedFd, Errno> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(context.as_fd(), *key, *value)?;
    }
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, flags)
}

/// What is at `path`, mounts below it included, mounted nowhere.
pub(crate) fn clone_tree(path: &Path) -> Result<OwnedFd, SetupFailure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, path, flags).map_err(failed(format!("open {}", path.display())))
}

/// Mounts what is mounted nowhere on `target`.
pub(crate) fn attach(mount: BorrowedFd<'_>, target: &Path) -> Result<(), SetupFailure> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
    move_mount(mount, c"", CWD, target, flags)
        .map_err(failed(format!("attach {}", target.display())))
}

/// `struct mount_attr` of linux/mount.h.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// `MOUNT_ATTR_RDONLY`.
pub(crate) const READ_ONLY: u64 = 1;
/// `MOUNT_ATTR_NOSUID`.
pub(crate) const NO_SET_ID: u64 = 2;
/// The descriptor itself is meant.
pub(crate) const EMPTY_PATH: i32 = libc::AT_EMPTY_PATH;
/// Mounts below are meant, too.
pub(crate) const RECURSIVE: i32 = libc::AT_RECURSIVE;

/// mount_setattr(2): adds attributes and keeps those that are there, which an unprivileged
/// namespace must not take away.
pub(crate) fn set_attributes(
    at: BorrowedFd<'_>,
    path: &CStr,
    flags: i32,
    set: u64,
) -> io::Result<()> {
    let attributes = MountAttributes { set, clear: 0, propagation: 0, user_namespace: 0 };
    // SAFETY: the path is a C string, and the kernel reads a `struct mount_attr` of the size that
    // it is told, while `attributes` lives.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            at.as_raw_fd(),
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
