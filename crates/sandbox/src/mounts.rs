//! What is seen inside: the root, what is bound into it, and nothing of the host else.
//!
//! Sources are opened while the host's files are still in sight, as detached mounts
//! (open_tree(2)); then the new root becomes `/` (pivot_root(2)), and everything is put in its
//! place from inside. So no path of the new root, symbolic links included, can lead to the host.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{
    MountAttrFlags, MountPropagationFlags, MoveMountFlags, UnmountFlags, mount_change, move_mount,
    unmount,
};
use serde::{Deserialize, Serialize};

use crate::mount_calls::{
    EMPTY_PATH, NO_SET_ID, READ_ONLY, RECURSIVE, attach, clone_tree, failed, file_system,
    set_attributes,
};
use crate::protocol::SetupFailure;
use crate::traces::{Traces, make_directory, make_target};

/// The devices that every program may expect.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Directories of a tool root that are never shown: the sandbox makes its own.
const OWN: [&str; 6] = ["proc", "sys", "dev", "tmp", "run", "work"];

/// What a program sees.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct View {
    pub(crate) root: Root,
    pub(crate) binds: Vec<Bind>,
    /// Files that lie over those of the root.
    pub(crate) files: Vec<Laid>,
    /// Devices besides [`DEVICES`], by their names in `/dev`. The host may lack them.
    pub(crate) devices: Vec<String>,
}

/// What `/` is made of.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Root {
    /// A tool root: its directories, read-only, in an otherwise empty root.
    Tools(PathBuf),
    /// A package tree itself, to be changed.
    Tree(PathBuf),
}

/// A file or directory of the host, seen at `target`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Bind {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) writable: bool,
}

/// A file that is seen at `path` and leaves nothing behind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Laid {
    pub(crate) path: PathBuf,
    pub(crate) content: String,
    pub(crate) mode: u32,
}

type Result<T, E = SetupFailure> = std::result::Result<T, E>;

/// Keeps what happens to mounts here from every other namespace.
pub(crate) fn make_private() -> Result<()> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(failed("make the mounts of / private"))
}

/// Shows the processes of this pid namespace in `/proc`.
///
/// The kernel allows it to an unprivileged namespace only as long as another `/proc`, with nothing
/// of it covered, is mounted.
pub(crate) fn mount_proc() -> Result<()> {
    let proc = file_system("proc", &[], MountAttrFlags::MOUNT_ATTR_NODEV)
        .map_err(failed("mount proc on /proc"))?;
    attach(proc.as_fd(), Path::new("/proc"))
}

/// Mounts an empty tmpfs on `path`, which may grow to `bytes`.
pub(crate) fn mount_tmpfs(path: &Path, bytes: u64) -> io::Result<()> {
    let size = bytes.to_string();
    let options = [("mode", "0755"), ("size", size.as_str()), ("nr_inodes", "0")];
    let mount = file_system("tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NODEV)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(move_mount(mount.as_fd(), c"", CWD, path, flags)?)
}

/// Makes `view` the whole of what this process and its children see.
pub(crate) fn enter(view: &View) -> Result<Traces> {
    let sources = Sources::open(view)?;
    pivot(sources.root.as_fd())?;
    let mut traces = Traces::default();
    furnish(view, &sources, &mut traces)?;
    unmount("/", UnmountFlags::DETACH).map_err(failed("leave the host's files"))?;
    if matches!(view.root, Root::Tools(_)) {
        set_attributes(CWD, c"/", 0, READ_ONLY).map_err(failed("make / read-only"))?;
    }
    Ok(traces)
}

/// Everything that is to be seen, as detached mounts.
struct Sources {
    root: OwnedFd,
    /// The parts of a tool root: name, and a mount or the target of a symbolic link.
    parts: Vec<(PathBuf, Part)>,
    binds: Vec<OwnedFd>,
    devices: Vec<(String, OwnedFd)>,
}

enum Part {
    Directory(OwnedFd),
    Link(PathBuf),
}

impl Sources {
    fn open(view: &View) -> Result<Self> {
        let (root, parts) = match &view.root {
            Root::Tools(path) => {
                let root = file_system("tmpfs", &[("mode", "0755")], MountAttrFlags::empty())
                    .map_err(failed("make an empty root"))?;
                (root, tool_parts(path)?)
            }
            Root::Tree(path) => (clone_tree(path)?, Vec::new()),
        };
        let mut binds = Vec::new();
        for bind in &view.binds {
            let mount = clone_tree(&bind.source)?;
            let writable = if bind.writable { 0 } else { READ_ONLY };
            set_attributes(mount.as_fd(), c"", EMPTY_PATH | RECURSIVE, writable | NO_SET_ID)
                .map_err(failed(format!("restrict {}", bind.source.display())))?;
            binds.push(mount);
        }
        let mut devices = Vec::new();
        for name in DEVICES.into_iter().chain(view.devices.iter().map(String::as_str)) {
            let path = Path::new("/dev").join(name);
            if path.exists() {
                devices.push((name.to_owned(), clone_tree(&path)?));
            }
        }
        Ok(Self { root, parts, binds, devices })
    }
}

/// The directories and links at the top of a tool root.
fn tool_parts(root: &Path) -> Result<Vec<(PathBuf, Part)>> {
    let reading = || format!("read the tool root {}", root.display());
    let mut parts = Vec::new();
    for entry in fs::read_dir(root).map_err(failed(reading()))? {
        let entry = entry.map_err(failed(reading()))?;
        let kind = entry.file_type().map_err(failed(reading()))?;
        let name = PathBuf::from(entry.file_name());
        if OWN.iter().any(|own| name.as_os_str() == *own) {
            continue;
        }
        if kind.is_symlink() {
            let target = fs::read_link(entry.path()).map_err(failed(reading()))?;
            parts.push((name, Part::Link(target)));
        } else if kind.is_dir() {
            let mount = clone_tree(&entry.path())?;
            set_attributes(mount.as_fd(), c"", EMPTY_PATH | RECURSIVE, READ_ONLY | NO_SET_ID)
                .map_err(failed(format!("make {} read-only", entry.path().display())))?;
            parts.push((name, Part::Directory(mount)));
        }
    }
    Ok(parts)
}

/// Makes `root` the root; the host's is still mounted beneath it.
fn pivot(root: BorrowedFd<'_>) -> Result<()> {
    let pivoting = || failed::<rustix::io::Errno>("make the new root /");
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(root, c"", CWD, "/", flags).map_err(pivoting())?;
    // The new root covers the old one, and lookups of `/` still find the old: only the descriptor
    // leads there. pivot_root(2), "pivot_root(".", ".")", swaps the two.
    rustix::process::fchdir(root).map_err(pivoting())?;
    rustix::process::pivot_root(".", ".").map_err(pivoting())?;
    rustix::process::chdir("/").map_err(pivoting())
}

fn furnish(view: &View, sources: &Sources, traces: &mut Traces) -> Result<()> {
    for (name, part) in &sources.parts {
        let path = Path::new("/").join(name);
        match part {
            Part::Directory(mount) => {
                make_directory(&path, traces)?;
                attach(mount.as_fd(), &path)?;
            }
            Part::Link(target) => {
                symlink(target, &path).map_err(failed(format!("link {}", path.display())))?
            }
        }
    }
    make_directory(Path::new("/proc"), traces)?;
    mount_proc()?;
    traces.mounts.push("/proc".into());
    // The files that are laid over others come from here: they are bound, then unlinked.
    mount_own("/tmp", "1777", traces)?;
    lay(&view.files, traces)?;
    if matches!(view.root, Root::Tree(_)) {
        mount_own("/run", "0755", traces)?;
    }
    mount_own("/dev", "0755", traces)?;
    fill_dev(&sources.devices)?;
    for (bind, mount) in view.binds.iter().zip(&sources.binds) {
        make_target(&bind.target, is_directory(mount)?, traces)?;
        attach(mount.as_fd(), &bind.target)?;
        traces.mounts.push(bind.target.clone());
    }
    Ok(())
}

fn mount_own(path: &str, mode: &str, traces: &mut Traces) -> Result<()> {
    let flags = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
    let mount = file_system("tmpfs", &[("mode", mode)], flags)
        .map_err(failed(format!("mount a tmpfs on {path}")))?;
    make_directory(Path::new(path), traces)?;
    attach(mount.as_fd(), Path::new(path))?;
    traces.mounts.push(path.into());
    Ok(())
}

fn fill_dev(devices: &[(String, OwnedFd)]) -> Result<()> {
    for (name, mount) in devices {
        let path = Path::new("/dev").join(name);
        let making = || failed(format!("make {}", path.display()));
        OpenOptions::new().create_new(true).write(true).open(&path).map_err(making())?;
        attach(mount.as_fd(), &path)?;
    }
    for (target, name) in [
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
    ] {
        symlink(target, Path::new("/dev").join(name))
            .map_err(failed(format!("link /dev/{name}")))?;
    }
    let shm = "/dev/shm";
    DirBuilder::new().create(shm).map_err(failed("make /dev/shm"))?;
    fs::set_permissions(shm, fs::Permissions::from_mode(0o1777)).map_err(failed("make /dev/shm"))
}

/// Binds each file over its path, where an empty one is made for the time if there is none.
fn lay(files: &[Laid], traces: &mut Traces) -> Result<()> {
    for file in files {
        let laying = || failed(format!("lay {}", file.path.display()));
        let source = Path::new("/tmp/.laid");
        let mut open = OpenOptions::new();
        let mut written =
            open.create_new(true).write(true).mode(file.mode).open(source).map_err(laying())?;
        written.write_all(file.content.as_bytes()).map_err(laying())?;
        // A file that is open for writing cannot be executed.
        drop(written);
        let mount = clone_tree(source)?;
        make_target(&file.path, false, traces)?;
        attach(mount.as_fd(), &file.path)?;
        traces.mounts.push(file.path.clone());
        // What is unlinked can no longer be attached, but stays where it is.
        fs::remove_file(source).map_err(laying())?;
    }
    Ok(())
}

fn is_directory(mount: &OwnedFd) -> Result<bool> {
    let found = rustix::fs::fstat(mount).map_err(failed("look at a bind's source"))?;
    Ok(rustix::fs::FileType::from_raw_mode(found.st_mode).is_dir())
}
