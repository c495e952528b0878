//! Checks of systemd's units.

use std::process::{Command, Stdio};

use crate::Failure;

/// systemd has the unit `name` as `active` (`systemctl is-active`, systemctl(1)).
pub fn unit(name: &str) -> Result<(), Failure> {
    let failure = |state: String| Failure::Unit { name: name.into(), state };
    let output = Command::new("systemctl")
        .args(["is-active", "--", name])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failure(format!("systemctl does not start: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Err(failure(if state.is_empty() { output.status.to_string() } else { state }))
}
