//! Builds a server twice in different surroundings and compares everything.
//!
//! Each build is a process of its own with a cache of its own; what they share is the store and
//! the tool root, whose files are known by hash. The second one has another workspace path, home,
//! umask, locale, time zone and environment, one processor, and its package tree on a disk instead
//! of in memory, which gives directories another order. Its workspace is in memory where the host
//! has such a place, for the same reason: ext4 lists names by their hash, in whatever order they
//! were written.
//!
//! The clock cannot be set for one process alone (time namespaces leave the time of day as it is),
//! so it is the time that the first build takes which makes the second one's clock another. That
//! is more than the two seconds that FAT counts in, for no build from nothing is faster. What
//! changes with the day, and what with the user, shows by `server.digest`, which somebody recorded
//! on another day.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use definition::{Server, Workspace};
use serde::Serialize;

use crate::difference::differences;
use crate::{Error, Record, Report, Session, locking};

/// Asks the second build for its other umask, processors and scratch: see `xtask`.
pub const SURROUNDINGS: &str = "--strange-surroundings";

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// The generation of the first build and its epoch.
    pub built: Record,
    /// What server.digest has.
    pub recorded: Option<Record>,
    /// What was compared, from the lock to the image.
    pub compared: Vec<String>,
    /// What differs between the two builds.
    pub differences: Vec<Difference>,
}

/// An artefact that differs.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// `config files`, `image`.
    pub artefact: String,
    /// Paths and fields.
    pub lines: Vec<String>,
}

impl Verified {
    /// Whether both builds are equal, and equal to the record if there is one.
    pub fn holds(&self) -> bool {
        self.differences.is_empty()
            && self.recorded.is_none_or(|record| record.is_same(&self.built))
    }
}

/// Verifies `server`; `program` is what to run as `program image SERVER --json`, with `arguments`
/// behind it.
///
/// # Errors
/// [`Error::Build`] when one of the builds fails. Builds that differ are no error.
pub fn verify(
    session: &Session,
    server: &Server,
    program: &Path,
    arguments: &[&str],
) -> Result<Verified, Error> {
    let recorded = Record::read(&server.digest_path())?;
    let lock = locking::current(&session.store, server, session.locked)?;
    let epoch = match recorded {
        Some(record) => record.epoch,
        None => session.epoch(server, lock.date)?.seconds(),
    };
    let here = session.cache.root().join("verify").join(server.name.as_str());
    remove(&here)?;
    let there = here.join("another place, with another name");
    fs::create_dir_all(&there).map_err(Error::io("create", &there))?;
    let place = place_for_workspace(&there)?;
    let elsewhere = place.path().join("workspace");
    copy_workspace(&session.workspace, &elsewhere)?;

    let build = Build { session, server, program, arguments, epoch };
    progress::done("Building", format!("{} as usual", server.name));
    let first = build.run(session.workspace.root(), &here.join("target"), &[], None)?;
    progress::done("Building", format!("{} in other surroundings", server.name));
    let home = here.join("home").to_string_lossy().into_owned();
    let second = build.run(&elsewhere, &there.join("target"), &[SURROUNDINGS], Some(&home))?;

    let mut verified = Verified {
        built: Record { generation: first.generation, epoch: first.epoch, packages: None },
        recorded,
        compared: Vec::new(),
        differences: Vec::new(),
    };
    let names = |report: &Report| -> Vec<_> {
        report.artefacts.iter().map(|artefact| artefact.name.clone()).collect()
    };
    if names(&first) != names(&second) {
        let lines = [names(&first), names(&second)].map(|names| names.join(", ")).to_vec();
        verified.differences.push(Difference { artefact: "what there is".to_owned(), lines });
    }
    for (one, other) in first.artefacts.iter().zip(&second.artefacts) {
        let lines = differences(&one.path, &other.path)?;
        verified.compared.push(one.name.clone());
        if !lines.is_empty() {
            verified.differences.push(Difference { artefact: one.name.clone(), lines });
        }
    }
    if verified.holds() {
        // Two builds take half a gigabyte each; those that differ are left to be looked at.
        remove(&here)?;
    }
    Ok(verified)
}

struct Build<'a> {
    session: &'a Session,
    server: &'a Server,
    program: &'a Path,
    arguments: &'a [&'a str],
    epoch: u64,
}

impl Build<'_> {
    fn run(
        &self,
        workspace: &Path,
        target: &Path,
        more: &[&str],
        home: Option<&str>,
    ) -> Result<Report, Error> {
        let mut command = Command::new(self.program);
        command
            .args(["image", self.server.name.as_str(), "--json", "--quiet", "--no-record"])
            .args(self.arguments)
            .args(more)
            .args(self.session.flags())
            .current_dir(workspace)
            .env("HEIRLOOM_CACHE", self.session.store.cache_dir())
            .env("CARGO_TARGET_DIR", target)
            .env(definition::EPOCH_VARIABLE, self.epoch.to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
        if let Some(home) = home {
            strange(&mut command, home)?;
        }
        let output = command.output().map_err(Error::io("start", self.program))?;
        if !output.status.success() {
            return Err(Error::Build { server: self.server.name.to_string() });
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|source| Error::Damaged { path: self.program.to_owned(), source })
    }
}

/// Gives a command the environment of somebody else, elsewhere.
pub(crate) fn strange<'c>(command: &'c mut Command, home: &str) -> Result<&'c mut Command, Error> {
    Ok(command
        // Where cargo and its toolchains are does not depend on HOME.
        .env("CARGO_HOME", below_home("CARGO_HOME", ".cargo")?)
        .env("RUSTUP_HOME", below_home("RUSTUP_HOME", ".rustup")?)
        .env("HOME", home)
        .envs([
            ("LANG", "tr_TR.UTF-8"),
            ("LC_ALL", "tr_TR.UTF-8"),
            ("TZ", "Pacific/Kiritimati"),
            ("USER", "somebody"),
            ("ZSTD_CLEVEL", "19"),
            ("MKE2FS_CONFIG", "/nonexistent"),
            ("MTOOLSRC", "/nonexistent"),
        ]))
}

/// The folder that `variable` names, or that is called `name` in the home directory.
fn below_home(variable: &str, name: &str) -> Result<PathBuf, Error> {
    if let Some(folder) = std::env::var_os(variable) {
        return Ok(folder.into());
    }
    let home = std::env::home_dir().ok_or_else(|| {
        Error::io("find", Path::new("the home directory"))(io::ErrorKind::NotFound.into())
    })?;
    Ok(home.join(name))
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", folder)(error))
        }
        _ => Ok(()),
    }
}

/// Where the second workspace goes: into memory, or else below `there`.
fn place_for_workspace(there: &Path) -> Result<tempfile::TempDir, Error> {
    let in_memory = Path::new("/dev/shm");
    let mut place = tempfile::Builder::new();
    place.prefix("heirloom-");
    place
        .tempdir_in(in_memory)
        .or_else(|_| place.tempdir_in(there))
        .map_err(Error::io("create", there))
}

/// Files that a build reads also where git ignores them.
const LOCKS: [&str; 3] = ["Cargo.lock", "server.lock", "tools.lock"];

/// Copies what a workspace consists of: not what was built, nor its history, nor what git ignores,
/// which the copy could not know. Links stay links.
///
/// # Errors
/// When something cannot be read or written, or git does not say what it ignores.
pub fn copy_workspace(workspace: &Workspace, to: &Path) -> Result<(), Error> {
    let root = workspace.root();
    // Cargo's usual target folder may be there from a time when it was not elsewhere.
    let left_out = [root.join(".git"), root.join("target"), workspace.target().to_owned()];
    let ignored = workspace.ignored()?;
    let is_lock = |path: &Path| LOCKS.iter().any(|lock| path.ends_with(lock));
    copy(root, to, &|path| {
        left_out.iter().any(|left| left == path) || (ignored.has(path) && !is_lock(path))
    })
}

/// Copies a folder with all that is in it. Links stay links.
///
/// # Errors
/// When something cannot be read or written.
pub fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    copy(from, to, &|_| false)
}

fn copy(from: &Path, to: &Path, left_out: &dyn Fn(&Path) -> bool) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::io("create", to))?;
    for entry in fs::read_dir(from).map_err(Error::io("read", from))? {
        let entry = entry.map_err(Error::io("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if left_out(&source) {
            continue;
        }
        let kind = entry.file_type().map_err(Error::io("read", &source))?;
        if kind.is_dir() {
            copy(&source, &target, left_out)?;
        } else if kind.is_symlink() {
            let link = fs::read_link(&source).map_err(Error::io("read", &source))?;
            std::os::unix::fs::symlink(link, &target).map_err(Error::io("create", &target))?;
        } else {
            fs::copy(&source, &target).map_err(Error::io("copy", &source))?;
        }
    }
    Ok(())
}
