//! When the definition was last changed, as the host's git knows it.
//!
//! git is asked about history only: nothing that it says reaches an image but one date.

use std::io;
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
    root.ancestors().any(|dir| dir.join(".git").exists())
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
    Command::new("git")
        .arg("-C")
        .arg(dir)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|source: io::Error| Error::NoGit { source })
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
