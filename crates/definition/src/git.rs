//! What the host's git knows: when the definition was last changed, and what of it is ignored.
//!
//! Nothing that git says reaches an image but one date, and which files are left out.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::{Error, Server};

/// What history says about a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastChange {
    /// There is no history.
    NoRepository,
    /// There is one, and the definition is not in it yet.
    NotCommitted,
    /// The committer's date of the last commit that touched it, in seconds since 1970.
    At(u64),
}

/// When a commit last touched what `server` is made of.
pub(crate) fn last_change(root: &Path, server: &Server) -> Result<LastChange, Error> {
    if !is_repository(root) {
        return Ok(LastChange::NoRepository);
    }
    let repository = git(root, &["rev-parse", "--show-toplevel", "--is-shallow-repository"])?;
    let text = lines(root, repository)?;
    let Some((top, shallow)) = text.trim_end().rsplit_once('\n') else {
        return Err(failed(root, format!("git rev-parse said `{}`", text.escape_debug())));
    };
    if shallow == "true" {
        return Err(Error::Shallow { dir: root.to_owned() });
    }
    let mut arguments = vec!["rev-list", "-1", "--timestamp", "HEAD", "--"];
    let paths = pathspecs(Path::new(top), root, server);
    arguments.extend(paths.iter().map(String::as_str));
    let found = git(Path::new(top), &arguments)?;
    if !found.status.success() {
        let head = git(root, &["rev-parse", "--verify", "--quiet", "HEAD"])?;
        if !head.status.success() {
            return Ok(LastChange::NotCommitted);
        }
    }
    let text = lines(root, found)?;
    match text.split_once(' ').map(|(seconds, _commit)| seconds.parse()) {
        None if text.trim().is_empty() => Ok(LastChange::NotCommitted),
        Some(Ok(seconds)) => Ok(LastChange::At(seconds)),
        _ => Err(failed(root, format!("git rev-list said `{}`", text.escape_debug()))),
    }
}

/// Whether `root` has a history.
pub(crate) fn is_repository(root: &Path) -> bool {
    repository(root).is_some()
}

/// The repository that `dir` lies in.
pub(crate) fn repository(dir: &Path) -> Option<PathBuf> {
    // git's own answers have no symlinks in them.
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    dir.ancestors().find(|dir| dir.join(".git").exists()).map(Path::to_owned)
}

/// What git ignores in `dir`: files, and directories of which nothing counts. Nothing where there
/// is no repository, and where all of `dir` is ignored: git knows nothing of it then.
pub(crate) fn ignored(dir: &Path) -> Result<BTreeSet<PathBuf>, Error> {
    let Some(top) = repository(dir) else { return Ok(BTreeSet::new()) };
    let real = dir.canonicalize().map_err(|error| Error::read(dir, error))?;
    let mut arguments = ["ls-files", "--others", "--ignored", "--exclude-standard"]
        .into_iter()
        .chain(["--directory", "-z", "--"])
        .map(OsStr::new)
        .collect::<Vec<_>>();
    let below = real.strip_prefix(&top).ok().filter(|below| *below != Path::new(""));
    arguments.extend(below.map(Path::as_os_str));
    let not_started = |source| Error::NoGitIgnored { dir: dir.to_owned(), source };
    let output =
        command(&top).arg("--literal-pathspecs").args(&arguments).output().map_err(not_started)?;
    if !output.status.success() {
        // In an ignored directory git fails, for want of a word for it.
        if below.is_some_and(|below| is_ignored(&top, below)) {
            return Ok(BTreeSet::new());
        }
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::GitIgnored { dir: dir.to_owned(), message });
    }
    let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let paths: Vec<_> = names.map(|name| top.join(OsStr::from_bytes(name))).collect();
    if paths.iter().any(|path| real.starts_with(path)) {
        return Ok(BTreeSet::new());
    }
    // A path without the slash at its end, in the terms of who asked.
    let asked = paths.iter().filter_map(|path| Some(dir.join(path.strip_prefix(&real).ok()?)));
    Ok(asked.map(|path| path.components().collect()).collect())
}

/// Whether git ignores the directory `below` of the repository at `top`.
fn is_ignored(top: &Path, below: &Path) -> bool {
    let output = command(top).args(["check-ignore", "--quiet", "--"]).arg(below).output();
    output.is_ok_and(|output| output.status.success())
}

/// What the server is made of, in the repository at `top`. A record of what came out is not what
/// goes in, nor is a test; what lies outside the repository has another history.
fn pathspecs(top: &Path, root: &Path, server: &Server) -> Vec<String> {
    let tools = root.join("tools.lock");
    let inside = |path: &Path| -> Option<String> {
        // git's own answer has no symlinks in it.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Some(path.strip_prefix(top).ok()?.to_str()?.to_owned())
    };
    let made_of = server.inputs.iter().map(PathBuf::as_path).chain([tools.as_path()]);
    let mut specs: Vec<String> =
        made_of.filter_map(inside).map(|path| format!(":(top,literal){path}")).collect();
    if let Some(dir) = inside(&server.dir) {
        let not = ["server.digest", "tests"];
        specs.extend(not.map(|name| format!(":(top,exclude,literal){dir}/{name}")));
    }
    specs
}

fn git(dir: &Path, arguments: &[&str]) -> Result<Output, Error> {
    let output = command(dir).args(arguments).output();
    output.map_err(|source: io::Error| Error::NoGit { source })
}

/// git in `dir`, whatever repository a hook that has started us names.
fn command(dir: &Path) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(dir).env("LC_ALL", "C").stdin(Stdio::null());
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        git.env_remove(variable);
    }
    git
}

fn lines(dir: &Path, output: Output) -> Result<String, Error> {
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(failed(dir, message));
    }
    String::from_utf8(output.stdout).map_err(|error| failed(dir, error.to_string()))
}

fn failed(dir: &Path, message: String) -> Error {
    Error::Git { dir: dir.to_owned(), message }
}
