//! From a generation to something that can be written, booted or loaded.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use definition::Server;
use image::Editing;
use sandbox::{Group, Tools};
use stage::{Done, Inputs};

use crate::packages::{numbered, text_of};
use crate::{Built, Error, Session};

/// What an image is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A GPT disk image, sparse.
    Raw,
    /// The same for QEMU.
    Qcow2,
    /// A hybrid ISO that boots live.
    Iso,
    /// The server's root as a tar archive.
    Tar,
    /// The server's root as a container image.
    Oci,
}

impl Format {
    /// The end of the file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Iso => "iso",
            Self::Tar => "tar",
            Self::Oci => "oci.tar",
        }
    }
}

/// A finished image.
#[derive(Debug)]
pub struct Medium {
    /// The file, by the server's name.
    pub path: PathBuf,
    /// Its length in bytes, holes included.
    pub size: u64,
    /// Bytes that it takes on this machine's disk.
    pub allocated: u64,
}

/// Writes the image of a generation in `format` to the session's folder of images.
///
/// # Errors
/// Those of the stage; an older image of that name stays then.
pub fn medium(
    session: &Session,
    server: &Server,
    built: &Built,
    format: Format,
) -> Result<Medium, Error> {
    let tools = session.tools()?;
    let done = match format {
        Format::Raw => raw(session, &tools, server, built)?,
        Format::Qcow2 => qcow2(session, &tools, server, built)?,
        Format::Iso => iso(session, &tools, server, built)?,
        Format::Tar => tar(session, server, built)?,
        Format::Oci => oci(session, server, built)?,
    };
    publish(session, server, &done.dir.join(FILE), format)
}

/// The name of a medium in its stage's result.
const FILE: &str = "medium";

fn raw(
    session: &Session,
    tools: &Tools<'_>,
    server: &Server,
    built: &Built,
) -> Result<Done, Error> {
    let editing = editing(server);
    let inputs = Inputs::new("disk", image::disk::VERSION)
        .digest("generation", built.generation)
        .digest("tools", tools.key(Group::Image)?)
        .text("editing", text_of(&server.editable_cmdline))
        .number("epoch", built.epoch);
    run(session, server, &inputs, "disk image", |out| {
        let (root, bundle) = (tools.root(Group::Image)?, &built.bundle);
        Ok(image::disk::build(&root, bundle, editing, built.epoch, out)?)
    })
}

fn qcow2(
    session: &Session,
    tools: &Tools<'_>,
    server: &Server,
    built: &Built,
) -> Result<Done, Error> {
    let disk = raw(session, tools, server, built)?;
    let inputs = Inputs::new("qcow2", image::qcow2::VERSION)
        .digest("disk", disk.key)
        .digest("tools", tools.key(Group::Qemu)?);
    run(session, server, &inputs, "qcow2 image", |out| {
        Ok(image::qcow2::build(&tools.root(Group::Qemu)?, &disk.dir.join(FILE), out)?)
    })
}

fn iso(
    session: &Session,
    tools: &Tools<'_>,
    server: &Server,
    built: &Built,
) -> Result<Done, Error> {
    let editing = editing(server);
    let inputs = Inputs::new("iso", image::iso::VERSION)
        .digest("generation", built.generation)
        .digest("tools", tools.key(Group::Image)?)
        .text("editing", text_of(&server.editable_cmdline))
        .number("epoch", built.epoch);
    run(session, server, &inputs, "ISO image", |out| {
        let (root, bundle) = (tools.root(Group::Image)?, &built.bundle);
        Ok(image::iso::build(&root, bundle, editing, built.epoch, out)?)
    })
}

/// Whether who is at the console may change the kernel's command line.
fn editing(server: &Server) -> Editing {
    match server.editable_cmdline {
        true => Editing::Allowed,
        false => Editing::Refused,
    }
}

fn tar(session: &Session, server: &Server, built: &Built) -> Result<Done, Error> {
    // The generation's layers were made of the two archives and of nothing else.
    let inputs = Inputs::new("tar", image::root_tar::VERSION)
        .digest("generation", built.generation)
        .text("renumbering", text_of(&built.renumbering));
    run(session, server, &inputs, "tar archive", |out| {
        let tree = numbered(&built.tree, &built.renumbering, folder(out))?;
        image::root_tar::build(tree.path(), &built.config, out)?;
        tree.discard()
    })
}

fn oci(session: &Session, server: &Server, built: &Built) -> Result<Done, Error> {
    let inputs = Inputs::new("oci", image::container::VERSION)
        .digest("generation", built.generation)
        .text("renumbering", text_of(&built.renumbering))
        .number("epoch", built.epoch);
    run(session, server, &inputs, "container image", |out| {
        let tree = numbered(&built.tree, &built.renumbering, folder(out))?;
        let tars = [tree.path(), built.config.as_path()];
        image::container::build(&tars, built.bundle.config(), out)?;
        tree.discard()
    })
}

fn run(
    session: &Session,
    server: &Server,
    inputs: &Inputs,
    what: &str,
    produce: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<Done, Error> {
    let done = session.cache.run(server.name.as_str(), inputs, |out| {
        let _spinner = progress::spinner("Writing", what);
        let file = out.join(FILE);
        produce(&file)?;
        // The published file is a link to this one: who wants to change it has to copy it.
        let read_only = fs::Permissions::from_mode(0o444);
        fs::set_permissions(&file, read_only).map_err(Error::io("change", &file))
    })?;
    Ok(done)
}

fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("."))
}

/// Gives the result its place among the images, by a hard link.
fn publish(
    session: &Session,
    server: &Server,
    file: &Path,
    format: Format,
) -> Result<Medium, Error> {
    use std::os::unix::fs::MetadataExt;

    let folder = session.images();
    fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let path = folder.join(format!("{}.{}", server.name, format.extension()));
    let metadata = fs::metadata(file).map_err(Error::io("read", file))?;
    let same = fs::symlink_metadata(&path)
        .is_ok_and(|old| (old.dev(), old.ino()) == (metadata.dev(), metadata.ino()));
    if !same {
        let temporary = folder.join(format!(".{}.{}.new", server.name, std::process::id()));
        // A leftover of a killed process of the same id.
        let _ = fs::remove_file(&temporary);
        fs::hard_link(file, &temporary).map_err(Error::io("link", &temporary))?;
        fs::rename(&temporary, &path).map_err(Error::io("rename", &temporary))?;
    }
    Ok(Medium { path, size: metadata.len(), allocated: metadata.blocks() * 512 })
}
