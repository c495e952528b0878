//! From a package tree to its layer, kernel and initramfs.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use compile::Compiled;
use definition::{Epoch, Server};
use digest::Digest;
use generation::Descriptor;
use image::bundle::Blob;
use lock::Lock;
use rootfs::accounts::{Group, User};
use rootfs::ids::{self, Completed, Renumbering};
use sandbox::Tools;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stage::{Done, Inputs};

use crate::tree::Tree;
use crate::{Error, Session};

/// The ids of the finished system: those of the lock, completed by those met for the first time.
///
/// New ids are written to the lock, as Cargo completes its own.
pub(crate) fn complete_ids(
    session: &Session,
    server: &Server,
    lock: &mut Lock,
    tree: &Tree,
) -> Result<Completed, Error> {
    let recorded = lock.ids();
    let (users, groups) = (users(server), groups(server));
    let completed = ids::complete(&recorded, &tree.facts.accounts, &users, &groups)?;
    if completed.ids == recorded {
        return Ok(completed);
    }
    if session.locked {
        // A user's group often has the user's name.
        let names = completed.new.users.keys().chain(completed.new.groups.keys());
        let names = names.cloned().collect();
        return Err(Error::Ids { server: server.name.to_string(), names });
    }
    lock.users = completed.ids.users.clone();
    lock.groups = completed.ids.groups.clone();
    lock.write(&server.lock_path(), server.name.as_str())?;
    Ok(completed)
}

/// The users that the definition declares, as `rootfs` has them.
pub(crate) fn users(server: &Server) -> Vec<User> {
    let user = |user: &definition::User| User {
        name: user.name.to_string(),
        system: true,
        group: user.group.as_ref().map(ToString::to_string),
        groups: user.groups.iter().map(ToString::to_string).collect(),
        comment: user.comment.clone(),
        home: user.home.to_string(),
        shell: user.shell.to_string(),
        password: None,
    };
    server.users.iter().map(user).collect()
}

/// The groups that the definition declares, as `rootfs` has them.
pub(crate) fn groups(server: &Server) -> Vec<Group> {
    let group = |group: &definition::Group| Group { name: group.name.to_string(), system: true };
    server.groups.iter().map(group).collect()
}

/// The package layer: the tree with the lock's ids.
pub(crate) fn layer(
    session: &Session,
    tools: &Tools<'_>,
    server: &Server,
    lock: &Lock,
    tree: &Tree,
    ids: &Completed,
) -> Result<(Blob, Done), Error> {
    let format = crate::config::format(server);
    let epoch = Epoch::of_day(lock.date).seconds();
    let inputs = Inputs::new("layer", image::layer::VERSION)
        .text("format", format.name())
        .digest("tree", tree.done.key)
        .text("renumbering", text_of(&ids.renumbering))
        .digest("tools", tools.key(sandbox::Group::Image)?)
        .number("epoch", epoch);
    let done = session.cache.run(server.name.as_str(), &inputs, |out| {
        let root = tools.root(sandbox::Group::Image)?;
        let _spinner = progress::spinner("Packing", "package layer");
        let tar = numbered(&tree.tar(), &ids.renumbering, out)?;
        let blob = out.join("layer");
        let sealed = image::layer::build(&root, format, tar.path(), epoch, &blob)?;
        tar.discard()?;
        describe(out, "layer", &Blob::layer(format, &sealed, &blob).descriptor)
    })?;
    Ok((described(&done, "layer")?, done))
}

/// A tree's archive with the lock's ids.
pub(crate) enum Numbered {
    /// The tree has them already.
    Same(PathBuf),
    /// A copy, of use for one stage only.
    Copy(PathBuf),
}

impl Numbered {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Same(path) | Self::Copy(path) => path,
        }
    }

    /// Removes the copy, if it is one.
    pub(crate) fn discard(self) -> Result<(), Error> {
        match self {
            Self::Same(_) => Ok(()),
            Self::Copy(path) => std::fs::remove_file(&path).map_err(Error::io("remove", &path)),
        }
    }
}

/// Gives the archive `tar` the lock's ids, in `out` if that takes a copy.
pub(crate) fn numbered(
    tar: &Path,
    renumbering: &Renumbering,
    out: &Path,
) -> Result<Numbered, Error> {
    if renumbering.is_identity() {
        return Ok(Numbered::Same(tar.to_owned()));
    }
    let copy = out.join("numbered.tar");
    let from = File::open(tar).map_err(Error::io("open", tar))?;
    let to = File::create(&copy).map_err(Error::io("create", &copy))?;
    rootfs::tarball::renumber(BufReader::new(from), BufWriter::new(to), renumbering)?
        .into_inner()
        .map_err(|error| Error::io("write", &copy)(error.into_error()))?;
    Ok(Numbered::Copy(copy))
}

/// The kernel and the initramfs.
pub(crate) fn boot(
    session: &Session,
    tools: &Tools<'_>,
    server: &Server,
    tree: &Tree,
    init: &Compiled,
) -> Result<(Blob, Blob, Done), Error> {
    let kernel = tree.facts.kernel.clone();
    let kernel = kernel.ok_or_else(|| Error::NoKernel { server: server.name.to_string() })?;
    let names = |modules: &[definition::Module]| -> Vec<String> {
        modules.iter().map(definition::Module::canonical).collect()
    };
    let first = names(&server.board.initramfs.watchdog);
    let required = names(&server.board.initramfs.required);
    let optional: Vec<String> =
        server.board.initramfs.optional.iter().map(ToString::to_string).collect();
    let layers = crate::config::format(server);
    let inputs = Inputs::new("initramfs", image::initramfs::VERSION)
        .digest("tree", tree.done.key)
        .digest("init", init.digest)
        .digest("tools", tools.key(sandbox::Group::Image)?)
        .text("layers", layers.name())
        .text("first modules", first.join(" "))
        .text("required modules", required.join(" "))
        .text("optional modules", optional.join(" "));
    let done = session.cache.run(server.name.as_str(), &inputs, |out| {
        let archive = image::Tree::open(&tree.tar())?;
        let linux = image::initramfs::kernel(&archive, &kernel.vmlinuz, &out.join("linux"))?;
        describe(out, "linux", &linux)?;
        let package = server.kernel.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let wanted = image::modules::Wanted { package, layers, first, required, optional };
        // The tool root is of the architecture that builds: of tools.toml's, x86-64.
        let e2fsck = match server.board.architecture {
            definition::Architecture::X86_64 => {
                Some(tools.root(sandbox::Group::Image)?.path().join(image::initramfs::E2FSCK))
            }
            definition::Architecture::Aarch64 => None,
        };
        let programs = image::initramfs::Programs { init: &init.path, e2fsck: e2fsck.as_deref() };
        let initrd = image::initramfs::build(
            &archive,
            &kernel.version,
            &wanted,
            programs,
            &out.join("initrd"),
        )?;
        describe(out, "initrd", &initrd)
    })?;
    Ok((described(&done, "linux")?, described(&done, "initrd")?, done))
}

/// Keeps a blob's descriptor beside it, so that a later run need not hash it again.
pub(crate) fn describe(out: &Path, name: &str, descriptor: &Descriptor) -> Result<(), Error> {
    let path = out.join(format!("{name}.json"));
    std::fs::write(&path, text_of(descriptor)).map_err(Error::io("write", &path))
}

/// A blob that [`describe`] described.
pub(crate) fn described(done: &Done, name: &str) -> Result<Blob, Error> {
    let descriptor = read_json(&done.dir.join(format!("{name}.json")))?;
    Ok(Blob::new(descriptor, done.dir.join(name)))
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = std::fs::read(path).map_err(Error::io("read", path))?;
    serde_json::from_slice(&text).map_err(|source| Error::Damaged { path: path.to_owned(), source })
}

/// Maps, lists and strings as JSON, which is one text for one value: maps are sorted.
pub(crate) fn text_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The digest of a file.
pub(crate) fn digest_of(path: &Path) -> Result<Digest, Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    Ok(Digest::of_reader(file).map_err(Error::io("read", path))?.0)
}
