//! This machine, where a script runs without ssh.

use std::process::Command;

use crate::ssh::running;
use crate::transport::{Connection, Transport};
use crate::{Error, Result};

/// This machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

impl Transport for Local {
    fn name(&self) -> &str {
        "this machine"
    }

    fn start(&self, command: &str) -> Result<Connection> {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]);
        running(shell).map_err(|source| Error::Transport { source })
    }
}
