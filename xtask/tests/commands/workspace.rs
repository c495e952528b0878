//! A copy of this workspace, and `xtask` in it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use tempfile::TempDir;

/// The program under test.
pub(crate) const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

/// `SOURCE_DATE_EPOCH` of everything that is built here: a copy has no history.
pub(crate) const EPOCH: &str = "1795305600";

/// A workspace of its own with results of its own; both go with it.
pub(crate) struct Workspace {
    folder: TempDir,
}

impl Workspace {
    /// A copy of the workspace that this test belongs to.
    pub(crate) fn new() -> Result<Self> {
        Self::of(repository())
    }

    /// A copy of the workspace at `root`.
    pub(crate) fn of(root: &Path) -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("commands-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let workspace = definition::Workspace::load(root)?;
        pipeline::copy_workspace(&workspace, &folder.path().join("workspace"))?;
        Ok(Self { folder })
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    /// Where cargo and xtask put what they make.
    pub(crate) fn target(&self) -> PathBuf {
        self.folder.path().join("target")
    }

    /// Where finished stages are.
    pub(crate) fn stages(&self) -> PathBuf {
        self.target().join("heirloom/stages")
    }

    pub(crate) fn read(&self, path: &str) -> Result<String> {
        let path = self.root().join(path);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.root().join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// A workspace whose web server takes everything from a suite that changes no more, so that it
    /// can be locked at any date from any mirror: backports are signed anew every few hours, and
    /// only the dated archive has their index of a past day.
    pub(crate) fn of_final_suite() -> Result<Self> {
        let workspace = Self::new()?;
        let definition = "servers/webserver/server.toml";
        workspace.replace(definition, "pockets = [\"backports\"]", "pockets = []")?;
        workspace.replace(definition, "[kernel]\npocket = \"backports\"\n\n", "")?;
        Ok(workspace)
    }

    /// Replaces the one place of a file that says `from`.
    pub(crate) fn replace(&self, path: &str, from: &str, to: &str) -> Result<()> {
        let text = self.read(path)?;
        ensure!(text.matches(from).count() == 1, "{path} has not one `{from}`");
        self.write(path, &text.replace(from, to))
    }

    /// `xtask` in this workspace, not started.
    pub(crate) fn xtask<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Command {
        let mut command = Command::new(XTASK);
        command
            .args(arguments)
            .current_dir(self.root())
            .env("CARGO_TARGET_DIR", self.target())
            .env("SOURCE_DATE_EPOCH", EPOCH)
            .stdin(Stdio::null());
        command
    }

    /// What `xtask` says, and whether it succeeds.
    pub(crate) fn run<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Result<Ran> {
        Ok(self.xtask(arguments).output().context("starting xtask")?.into())
    }

    /// As Cargo does before it starts `cargo xtask`: a new member gets its place in Cargo.lock.
    pub(crate) fn update_cargo_lock(&self) -> Result<()> {
        let status = Command::new(cargo())
            .args(["update", "--workspace", "--offline", "--quiet"])
            .current_dir(self.root())
            .status()?;
        ensure!(status.success(), "cargo update failed");
        Ok(())
    }
}

/// The root of the workspace that this test belongs to.
pub(crate) fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The cargo that runs this test.
pub(crate) fn cargo() -> PathBuf {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()).into()
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// What it printed, if it succeeded.
    pub(crate) fn succeeded(self) -> Result<String> {
        ensure!(self.success, "the command failed: {}", self.stderr);
        Ok(self.stdout)
    }

    /// What it complained of, if it failed and printed nothing else.
    pub(crate) fn failed(self) -> Result<String> {
        ensure!(!self.success, "the command succeeded: {}", self.stdout);
        ensure!(self.stdout.is_empty(), "an error belongs on stderr: {}", self.stdout);
        Ok(self.stderr)
    }

    /// What it printed as JSON, if it succeeded.
    pub(crate) fn json<T: DeserializeOwned>(self) -> Result<T> {
        let stdout = self.succeeded()?;
        serde_json::from_str(&stdout).with_context(|| format!("not the JSON expected: {stdout}"))
    }
}

/// Asserts that `text` is exactly `expected`.
#[track_caller]
pub(crate) fn same(text: &str, expected: &str) -> Result<()> {
    ensure!(text.trim_end() == expected.trim_end(), "found\n{text}\nexpected\n{expected}");
    Ok(())
}

/// Asserts that `text` has each of `parts` in it.
pub(crate) fn has(text: &str, parts: &[&str]) -> Result<()> {
    for part in parts {
        ensure!(text.contains(part), "`{part}` is not in\n{text}");
    }
    Ok(())
}
