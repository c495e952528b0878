//! The place of a new server: free and well named before, a whole server afterwards.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, PartName, Refused, Workspace};

/// Names that Cargo or rustc keep for themselves.
const RESERVED: [&str; 40] = [
    "alloc",
    "as",
    "async",
    "await",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "match",
    "mod",
    "move",
    "mut",
    "pub",
    "ref",
    "return",
    "static",
    "std",
    "struct",
    "test",
    "type",
    "use",
    "where",
];

/// Where a new server goes.
pub(crate) struct Place {
    /// The server's name.
    pub(crate) name: PartName,
    /// Its directory, which is not there yet.
    pub(crate) dir: PathBuf,
    servers: PathBuf,
    unfinished: PathBuf,
}

impl Place {
    /// The place of `name`, if it can be had.
    pub(crate) fn new(workspace: &Workspace, name: &str) -> Result<Self, Error> {
        let wrong = |refused: Refused| Error::Name {
            name: name.to_owned(),
            message: refused.message,
            hint: refused.hint,
        };
        let name: PartName = name.parse().map_err(wrong)?;
        if RESERVED.contains(&name.as_str()) {
            return Err(wrong(Refused::new("is a name that Cargo or Rust uses", "choose another")));
        }
        if workspace.has_package(name.as_str()) {
            let hint = "`cargo xtask list` shows the servers that there are";
            return Err(wrong(Refused::new("is a package of this workspace already", hint)));
        }
        let servers = workspace.root().join("servers");
        let dir = servers.join(name.as_str());
        if dir.symlink_metadata().is_ok() {
            return Err(Error::Exists { path: dir });
        }
        // Made near its place and renamed: a directory of this name is a whole server. It is not
        // below `servers`, where Cargo would take the half of it for a member, nor below `target`,
        // which may be on another file system.
        let unfinished = workspace.root().join(format!(".new-{name}"));
        Ok(Self { name, dir, servers, unfinished })
    }

    /// Has `write` fill an empty directory and puts that in its place, or leaves nothing behind.
    pub(crate) fn fill(&self, write: impl FnOnce(&Path) -> Result<(), Error>) -> Result<(), Error> {
        let Self { dir, servers, unfinished, .. } = self;
        let filled = empty(unfinished).and_then(|()| write(unfinished)).and_then(|()| {
            fs::create_dir_all(servers).map_err(|error| Error::write(servers, error))?;
            fs::rename(unfinished, dir).map_err(|error| Error::write(dir, error))
        });
        if filled.is_err() {
            // The first error is the one to report; what cannot be removed is removed next time.
            let _ = fs::remove_dir_all(unfinished);
        }
        filled
    }
}

/// Makes an empty directory, whatever an earlier run has left there.
fn empty(dir: &Path) -> Result<(), Error> {
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(|error| Error::write(dir, error))?;
    }
    fs::create_dir_all(dir).map_err(|error| Error::write(dir, error))
}
