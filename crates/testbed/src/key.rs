//! The clients' ssh key, made once in a target folder: an image that lets it in is the same image in
//! the next run, and need not be built again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sandbox::{Program, ToolRoot};

/// The folder in `folder` that has `key` and `key.pub`; made if there is none yet.
pub(crate) fn lasting(tools: &ToolRoot, folder: &Path) -> Result<PathBuf> {
    let keys = folder.join("keys");
    if keys.is_dir() {
        return Ok(keys);
    }
    let new = tempfile::tempdir_in(folder)?;
    tools
        .command(Program::SshKeygen)
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", "/work/keys/key"])
        .bind_rw(new.path(), "/work/keys")
        .run()?;
    match fs::rename(new.path(), &keys) {
        // Another test was faster.
        Err(_) if keys.is_dir() => Ok(keys),
        renamed => renamed.map(|()| keys).context("keeping the clients' key"),
    }
}

/// Puts the key of `keys` into `folder`, and returns the public one.
pub(crate) fn put(keys: &Path, folder: &Path) -> Result<String> {
    let key = folder.join("key");
    fs::copy(keys.join("key"), &key)?;
    // ssh refuses a key that others can read.
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    Ok(fs::read_to_string(keys.join("key.pub"))?)
}
