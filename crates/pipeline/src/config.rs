//! The config layer: what the definition lays over the packages.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;

use definition::{Epoch, Kind, Origin, Problem, Server};
use image::bundle::Blob;
use rootfs::config::{self, Base, Begins, Config, Overlay, Permission, Source};
use rootfs::first_boot;
use rootfs::ids::Completed;
use rootfs::paths::Paths;
use sandbox::{Group, Tools};
use stage::{Done, Inputs};

use crate::packages::{describe, described, digest_of, groups, text_of, users};
use crate::programs::Programs;
use crate::tree::Tree;
use crate::{Error, Session};

/// Goes up when the same definition is laid differently.
const VERSION: u32 = 4;

/// Where the server's health check lies on the server.
const HEALTH: &str = "/usr/lib/heirloom/health";
/// Where the agent lies on the server.
const AGENT: &str = "/usr/bin/heirloom";

/// The archive of the layer, as `--format tar` has it in it.
pub(crate) const ARCHIVE: &str = "config.tar";

/// What state begins with: which files of the image a server that has it already does not get.
const BEGINS: &str = "begins.json";

/// The file system of a server's layers.
pub(crate) fn format(server: &Server) -> generation::LayerFormat {
    match server.layers {
        definition::LayerFormat::Squashfs => generation::LayerFormat::Squashfs,
        definition::LayerFormat::Erofs => generation::LayerFormat::Erofs,
    }
}

/// Makes the config layer and its archive, [`ARCHIVE`].
pub(crate) fn layer(
    session: &Session,
    tools: &Tools<'_>,
    server: &Server,
    tree: &Tree,
    ids: &Completed,
    programs: &Programs,
    epoch: Epoch,
) -> Result<(Blob, Done), Error> {
    let format = format(server);
    let mut config = of(server, epoch)?;
    for (path, program) in [(HEALTH, &programs.health), (AGENT, &programs.agent)] {
        let (file, digest) = (program.path.clone(), program.digest);
        let source = Source::File { file, digest, executable: true };
        config.overlay.push(Overlay { path: path.to_owned(), source });
    }
    let made =
        first_boot::overlay(&tree.own, &config.mounts).map_err(|error| placed(server, error))?;
    config.overlay.extend(made);
    if session.plant_clock {
        config.overlay.push(planted());
    }
    let mut inputs = Inputs::new("config", VERSION)
        .digest("tree", tree.done.key)
        .text("ids", text_of(&ids.all))
        .text("renumbering", text_of(&ids.renumbering))
        .text("users", text_of(&config.users))
        .text("groups", text_of(&config.groups))
        .text("permissions", format!("{:?}", config.permissions))
        .text("mount points", config.mounts.join("\n"))
        .text("hostname", config.hostname.clone().unwrap_or_default())
        .number("epoch", epoch.seconds())
        .number("layer version", u64::from(image::layer::VERSION))
        .text("format", format.name())
        .digest("tools", tools.key(Group::Image)?);
    // An input a file, so that `--explain` names the one that changed.
    for (path, content) in contents(&config) {
        inputs = inputs.text(&path, content);
    }
    let done = session.cache.run(server.name.as_str(), &inputs, |out| {
        let paths = Paths::read(&tree.paths())?;
        let base = Base { paths: &paths, accounts: &tree.facts.accounts, ids };
        let archive = out.join(ARCHIVE);
        let file = File::create(&archive).map_err(Error::io("create", &archive))?;
        config::write(&config, &base, &tree.tar(), BufWriter::new(file))
            .map_err(|error| placed(server, error))?
            .into_inner()
            .map_err(|error| Error::io("write", &archive)(error.into_error()))?;
        let begins = serde_json::to_vec(&config::begins(&config, &base)?)
            .map_err(|error| Error::io("write", out)(error.into()))?;
        fs::write(out.join(BEGINS), begins).map_err(Error::io("write", out))?;
        let blob = out.join("layer");
        let root = tools.root(Group::Image)?;
        let sealed = image::layer::build(&root, format, &archive, epoch.seconds(), &blob)?;
        describe(out, "layer", &Blob::layer(format, &sealed, &blob).descriptor)
    })?;
    Ok((described(&done, "layer")?, done))
}

/// The definition, as `rootfs` has it.
fn of(server: &Server, epoch: Epoch) -> Result<Config, Error> {
    let overlay = server.overlay.iter().map(|entry| {
        let source = match &entry.kind {
            Kind::Directory => Source::Directory,
            Kind::Symlink { target } => Source::Symlink(target.clone()),
            Kind::File { executable, .. } => {
                let (file, executable) = (entry.source.clone(), *executable);
                Source::File { digest: digest_of(&file)?, file, executable }
            }
        };
        Ok(Overlay { path: entry.path.to_string(), source })
    });
    let permissions = server.permissions.iter().map(|permission| Permission {
        path: permission.path.to_string(),
        owner: permission.owner.as_ref().map(ToString::to_string),
        group: permission.group.as_ref().map(ToString::to_string),
        mode: permission.mode.map(definition::Mode::bits),
    });
    Ok(Config {
        overlay: overlay.collect::<Result<_, Error>>()?,
        permissions: permissions.collect(),
        users: users(server),
        groups: groups(server),
        mounts: server.state.iter().map(|state| state.path.to_string()).collect(),
        hostname: Some(server.hostname.to_string()),
        // No epoch is later than 2106.
        epoch: i64::try_from(epoch.seconds()).unwrap_or(i64::MAX),
    })
}

/// What each path is made from: kind, and the digest of a file's content. Where the file lies on
/// this machine is no input.
fn contents(config: &Config) -> BTreeMap<String, String> {
    let mut contents = BTreeMap::new();
    for overlay in &config.overlay {
        let text = match &overlay.source {
            Source::Directory => "directory".to_owned(),
            Source::Symlink(target) => format!("symlink {target}"),
            Source::File { digest, executable, .. } => {
                format!("file {} {digest}", if *executable { "x" } else { "-" })
            }
            Source::Bytes { bytes, executable } => {
                let digest = digest::Digest::of(bytes);
                format!("file {} {digest}", if *executable { "x" } else { "-" })
            }
        };
        contents.insert(overlay.path.clone(), text);
    }
    contents
}

/// A file that holds the time of day: what `verify` must catch.
fn planted() -> Overlay {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let text = format!("{}\n", now.map_or(0, |now| now.as_nanos()));
    let source = Source::Bytes { bytes: text.into_bytes(), executable: false };
    Overlay { path: "/etc/planted-clock".to_owned(), source }
}

/// The error with the place in the definition that is meant by it, where it is about a path.
fn placed(server: &Server, error: rootfs::Error) -> Error {
    let rootfs::Error::Path { path, reason, hint } = &error else { return error.into() };
    let written = server.permissions.iter().map(|it| (it.path.as_str(), it.origin.clone()));
    let state = server.state.iter().map(|it| (it.path.as_str(), it.origin.clone()));
    let laid = server.overlay.iter().map(|it| (it.path.as_str(), Origin::file(&it.source)));
    let own = server.first_boot.iter().map(|it| (it.path.as_str(), it.origin.clone()));
    match own.chain(written).chain(state).chain(laid).find(|(claimed, _)| claimed == path) {
        Some((_, origin)) => {
            let message = format!("`{path}`: {reason}");
            Error::Path(Problem::new(&origin, message).hint(hint.clone()))
        }
        None => error.into(),
    }
}

/// The config archive of a finished layer.
pub(crate) fn archive(done: &Done) -> PathBuf {
    done.dir.join(ARCHIVE)
}

/// The state of `server` that begins with files of the image, by a finished layer.
pub(crate) fn begins(server: &Server, done: &Done) -> Result<Vec<Begins>, Error> {
    let path = done.dir.join(BEGINS);
    let read = Error::io("read", &path);
    let found: Vec<Begins> =
        fs::read(&path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?)).map_err(read)?;
    let seeded = |begins: &Begins| {
        server.state.iter().any(|state| state.seed && state.path.as_str() == begins.path)
    };
    Ok(found.into_iter().filter(seeded).collect())
}
