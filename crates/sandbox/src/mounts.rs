//! What is seen inside: the root, what is bound into it, and nothing of the host else.
//!
//! Sources are opened while the host's files are still in sight, as detached mounts
//! (open_tree(2)); then the new root becomes `/` (pivot_root(2)), and everything is put in its
//! place from inside. So no path of the new root, symbolic links included, can lead to the host.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{
    MountAttrFlags, MountPropagationFlags, MoveMountFlags, UnmountFlags, mount_change, move_mount,
    unmount,
};
use serde::{Deserialize, Serialize};

use crate::furnish::{furnish, furnish_tree};
use crate::mount_calls::{
    EMPTY_PATH, NO_SET_ID, READ_ONLY, RECURSIVE, attach, clone_tree, failed, file_system,
    set_attributes,
};
use crate::protocol::SetupFailure;
use crate::traces::{Traces, make_directory};

/// The devices that every program may expect.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Directories of a tool root that are never shown: the sandbox makes its own.
const OWN: [&str; 6] = ["proc", "sys", "dev", "tmp", "run", "work"];

/// What a program sees.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct View {
    pub(crate) root: Root,
    /// A package tree that is seen below a tool root, to be changed.
    pub(crate) tree: Option<SeenTree>,
    pub(crate) binds: Vec<Bind>,
    /// Files that lie over those of the root.
    pub(crate) files: Vec<Laid>,
    /// Devices besides [`DEVICES`], by their names in `/dev`. The host may lack them.
    pub(crate) devices: Vec<String>,
    /// Whether `/dev/null` is a file, which keeps what was written to it last.
    pub(crate) null_keeps: bool,
}

/// What `/` is made of.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Root {
    /// A tool root: its directories, read-only, in an otherwise empty root.
    Tools(PathBuf),
    /// A package tree itself, to be changed.
    Tree(PathBuf),
}

/// A package tree, seen at `target`, in which programs will be chrooted.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SeenTree {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
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
    /// Where the file that it lies over is seen, if there is one.
    pub(crate) covered: Option<PathBuf>,
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
    mount_proc_on(Path::new("/proc"))
}

pub(crate) fn mount_proc_on(path: &Path) -> Result<()> {
    let proc = file_system("proc", &[], MountAttrFlags::MOUNT_ATTR_NODEV)
        .map_err(failed(format!("mount proc on {}", path.display())))?;
    attach(proc.as_fd(), path)
}

/// Mounts an empty tmpfs on `path`, which may grow to `bytes`.
pub(crate) fn mount_tmpfs(path: &Path, bytes: u64) -> io::Result<()> {
    let size = bytes.to_string();
    let options = [("mode", "0755"), ("size", size.as_str()), ("nr_inodes", "0")];
    let mount = file_system("tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NODEV)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(move_mount(mount.as_fd(), c"", CWD, path, flags)?)
}

/// Makes `view` the whole of what this process and its children see. What comes back has to be
/// taken away from package trees afterwards; a tool root is only looked at.
pub(crate) fn enter(view: &View) -> Result<Traces> {
    let sources = Sources::open(view)?;
    pivot(sources.root.as_fd())?;
    let mut traces = Traces::default();
    furnish(view, &sources, &mut traces)?;
    if matches!(view.root, Root::Tools(_)) {
        traces = Traces::default();
    }
    if let (Some(seen), Some(mount)) = (&view.tree, &sources.tree) {
        make_directory(&seen.target, &mut Traces::default())?;
        attach(mount.as_fd(), &seen.target)?;
        furnish_tree(&seen.target, &sources.tree_devices, &mut traces)?;
    }
    unmount("/", UnmountFlags::DETACH).map_err(failed("leave the host's files"))?;
    if matches!(view.root, Root::Tools(_)) {
        set_attributes(CWD, c"/", 0, READ_ONLY).map_err(failed("make / read-only"))?;
    }
    Ok(traces)
}

/// Everything that is to be seen, as detached mounts.
pub(crate) struct Sources {
    pub(crate) root: OwnedFd,
    /// The parts of a tool root: name, and a mount or the target of a symbolic link.
    pub(crate) parts: Vec<(PathBuf, Part)>,
    pub(crate) tree: Option<OwnedFd>,
    pub(crate) binds: Vec<OwnedFd>,
    pub(crate) devices: Vec<(String, OwnedFd)>,
    pub(crate) tree_devices: Vec<(String, OwnedFd)>,
}

pub(crate) enum Part {
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
        let tree = view.tree.as_ref().map(|seen| clone_tree(&seen.source)).transpose()?;
        let devices = DEVICES.into_iter().filter(|name| !(view.null_keeps && *name == "null"));
        let devices = open_devices(devices.chain(view.devices.iter().map(String::as_str)))?;
        let tree_devices = if tree.is_some() { open_devices(DEVICES)? } else { vec![] };
        Ok(Self { root, parts, tree, binds, devices, tree_devices })
    }
}

/// The host's devices of these names, as far as it has them.
fn open_devices<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<(String, OwnedFd)>> {
    let mut devices = Vec::new();
    for name in names {
        let path = Path::new("/dev").join(name);
        if path.exists() {
            devices.push((name.to_owned(), clone_tree(&path)?));
        }
    }
    Ok(devices)
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
