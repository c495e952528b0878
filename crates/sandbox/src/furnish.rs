//! What is put into a root: parts and binds, `/proc`, `/dev`, `/run`, `/tmp`, and files that are laid
//! over others.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::mount::MountAttrFlags;

use crate::mount_calls::{attach, clone_tree, failed, file_system};
use crate::mounts::{Laid, Part, Root, Sources, View, mount_proc_on};
use crate::protocol::SetupFailure;
use crate::traces::{Traces, make_directory, make_target};

type Result<T> = std::result::Result<T, SetupFailure>;

/// Puts everything of a view into its place below the new `/`.
pub(crate) fn furnish(view: &View, sources: &Sources, traces: &mut Traces) -> Result<()> {
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
    show_proc("/proc", traces)?;
    // The files that are laid over others come from here: they are bound, then unlinked.
    mount_own("/tmp", "1777", traces)?;
    if matches!(view.root, Root::Tree(_)) {
        mount_own("/run", "0755", traces)?;
    }
    lay(&view.files, traces)?;
    show_dev("/dev", &sources.devices, traces)?;
    if view.null_keeps {
        let making = || failed("make /dev/null");
        fs::write("/dev/null", "").map_err(making())?;
        fs::set_permissions("/dev/null", fs::Permissions::from_mode(0o666)).map_err(making())?;
    }
    for (bind, mount) in view.binds.iter().zip(&sources.binds) {
        make_target(&bind.target, is_directory(mount)?, traces)?;
        attach(mount.as_fd(), &bind.target)?;
        traces.mounts.push(bind.target.clone());
    }
    Ok(())
}

/// What programs find that are chrooted into a tree, as if it were the root.
pub(crate) fn furnish_tree(
    tree: &Path,
    devices: &[(String, OwnedFd)],
    traces: &mut Traces,
) -> Result<()> {
    for name in ["proc", "tmp", "run", "dev"] {
        // Mounts must not land behind a link that a package has laid.
        if fs::symlink_metadata(tree.join(name)).is_ok_and(|found| !found.is_dir()) {
            let error = io::Error::from(io::ErrorKind::NotADirectory);
            return Err(failed(format!("mount on /{name} of the tree"))(error));
        }
    }
    show_proc(tree.join("proc"), traces)?;
    mount_own(tree.join("tmp"), "1777", traces)?;
    mount_own(tree.join("run"), "0755", traces)?;
    show_dev(tree.join("dev"), devices, traces)
}

fn show_proc(path: impl AsRef<Path>, traces: &mut Traces) -> Result<()> {
    make_directory(path.as_ref(), traces)?;
    mount_proc_on(path.as_ref())?;
    traces.mounts.push(path.as_ref().to_owned());
    Ok(())
}

fn show_dev(
    path: impl AsRef<Path>,
    devices: &[(String, OwnedFd)],
    traces: &mut Traces,
) -> Result<()> {
    mount_own(path.as_ref(), "0755", traces)?;
    fill_dev(path.as_ref(), devices)
}

fn mount_own(path: impl AsRef<Path>, mode: &str, traces: &mut Traces) -> Result<()> {
    let path = path.as_ref();
    let flags = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
    let mount = file_system("tmpfs", &[("mode", mode)], flags)
        .map_err(failed(format!("mount a tmpfs on {}", path.display())))?;
    make_directory(path, traces)?;
    attach(mount.as_fd(), path)?;
    traces.mounts.push(path.to_owned());
    Ok(())
}

fn fill_dev(dev: &Path, devices: &[(String, OwnedFd)]) -> Result<()> {
    for (name, mount) in devices {
        let path = dev.join(name);
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
        symlink(target, dev.join(name)).map_err(failed(format!("link /dev/{name}")))?;
    }
    let shm = dev.join("shm");
    DirBuilder::new().create(&shm).map_err(failed("make /dev/shm"))?;
    fs::set_permissions(&shm, fs::Permissions::from_mode(0o1777)).map_err(failed("make /dev/shm"))
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
        let covered = file.covered.as_ref().filter(|_| file.path.is_file());
        let covered = covered.map(|seen| Ok((seen, clone_tree(&file.path)?))).transpose()?;
        make_target(&file.path, false, traces)?;
        attach(mount.as_fd(), &file.path)?;
        traces.mounts.push(file.path.clone());
        if let Some((seen, mount)) = covered {
            make_target(seen, false, traces)?;
            attach(mount.as_fd(), seen)?;
            traces.mounts.push(seen.clone());
        }
        // What is unlinked can no longer be attached, but stays where it is.
        fs::remove_file(source).map_err(laying())?;
    }
    Ok(())
}

fn is_directory(mount: &OwnedFd) -> Result<bool> {
    let found = rustix::fs::fstat(mount).map_err(failed("look at a bind's source"))?;
    Ok(rustix::fs::FileType::from_raw_mode(found.st_mode).is_dir())
}
