//! An ssh key of a test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Result;
use sandbox::{Program, ToolRoot};

/// Makes `key` and `key.pub` in `folder`, and returns the public one.
pub(crate) fn generate(tools: &ToolRoot, folder: &Path) -> Result<String> {
    tools
        .command(Program::SshKeygen)
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "a test", "-f", "/work/client/key"])
        .bind_rw(folder, "/work/client")
        .bind_ro(folder.join("passwd"), "/etc/passwd")
        .run()?;
    fs::set_permissions(folder.join("key"), fs::Permissions::from_mode(0o600))?;
    Ok(fs::read_to_string(folder.join("key.pub"))?)
}
