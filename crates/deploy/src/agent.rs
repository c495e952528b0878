//! The agent's commands.

use serde::de::DeserializeOwned;
use transfer::report::{Listed, Status, Switched};

use crate::{Error, Result, Transport};

/// The `heirloom` command on a server.
#[derive(Clone, Copy)]
pub struct Agent<'a> {
    transport: &'a dyn Transport,
}

impl<'a> Agent<'a> {
    /// The agent that `transport` leads to.
    pub fn new(transport: &'a dyn Transport) -> Self {
        Self { transport }
    }

    /// What runs, what boots by itself, what became of the last trial.
    pub fn status(&self) -> Result<Status> {
        self.ask("heirloom status --json")
    }

    /// As [`Agent::status`], and an error unless it is `server`.
    pub fn status_of(&self, server: &str) -> Result<Status> {
        let status = self.status()?;
        if status.server == server {
            return Ok(status);
        }
        Err(Error::OtherServer {
            host: self.transport.name().to_owned(),
            found: status.server.escape_debug().to_string(),
            wanted: server.to_owned(),
        })
    }

    /// The generations on the server.
    pub fn list(&self) -> Result<Listed> {
        self.ask("heirloom list --json")
    }

    /// Boots a generation on trial. When the answer was lost to the reboot it is taken as given.
    pub fn switch(&self, number: u64) -> Result<Switched> {
        match self.order(&format!("heirloom switch {number} --json")) {
            Err(error) if is_lost(&error) => Ok(Switched { number, rebooting: true }),
            answer => answer,
        }
    }

    /// Boots an older generation on trial; without a number the one that was the default before.
    pub fn rollback(&self, number: Option<u64>) -> Result<Switched> {
        let number = number.map(|number| format!(" {number}")).unwrap_or_default();
        self.order(&format!("heirloom rollback{number} --json"))
    }

    fn ask<T: DeserializeOwned>(&self, command: &str) -> Result<T> {
        read(command, &self.transport.run(command)?)
    }

    /// Asks what ends with a reboot: an answer counts that came before the connection went.
    fn order<T: DeserializeOwned>(&self, command: &str) -> Result<T> {
        let (answer, ended) = self.transport.hear(command)?;
        match read(command, &answer) {
            Ok(answer) if ended.is_connection() => Ok(answer),
            answer => {
                ended.check(self.transport.name(), command)?;
                answer
            }
        }
    }
}

fn read<T: DeserializeOwned>(command: &str, answer: &str) -> Result<T> {
    serde_json::from_str(answer)
        .map_err(|error| Error::Answer { command: command.to_owned(), why: error.to_string() })
}

/// Whether a connection ended that had been there.
fn is_lost(error: &Error) -> bool {
    match error {
        Error::Transport { .. } => true,
        Error::Ssh { hint: None, why, .. } => !why.starts_with("ssh: connect to host"),
        _ => false,
    }
}
