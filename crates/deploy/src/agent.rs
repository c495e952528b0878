//! The agent's commands.

use std::thread;
use std::time::Instant;

use serde::de::DeserializeOwned;
use transfer::report::{Listed, Status, Switched};

use crate::{Error, Patience, Result, Transport};

/// As often a server says that nothing has changed before it is believed: an order whose answer was
/// lost may still be at work.
const UNCHANGED: u32 = 10;

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
    /// With `acknowledge` it is kept only when somebody logs in anew and hands its token over.
    pub fn switch(&self, number: u64, acknowledge: bool) -> Result<Switched> {
        let option = if acknowledge { " --acknowledge" } else { "" };
        match self.order(&format!("heirloom switch {number}{option} --json")) {
            Err(error) if is_lost(&error) => Ok(Switched { number, rebooting: true }),
            answer => answer,
        }
    }

    /// Hands over the token of a trial, over a connection that is new: the server can be reached.
    pub(crate) fn acknowledge(&self, token: &str) -> Result<()> {
        self.transport.run(&format!("heirloom acknowledge {token}")).map(drop)
    }

    /// Boots an older generation on trial; without a number the one that was the default before.
    /// When the answer was lost to the reboot the server is asked, until `patience` ends, which
    /// trial it has begun.
    ///
    /// # Errors
    /// The answer was lost, and the server goes on as it did before the order.
    pub fn rollback(&self, number: Option<u64>, patience: Patience) -> Result<Switched> {
        let number = number.map(|number| format!(" {number}")).unwrap_or_default();
        let before = self.status()?;
        let option = if before.acknowledges { " --acknowledge" } else { "" };
        match self.order(&format!("heirloom rollback{number}{option} --json")) {
            Err(error) if is_lost(&error) => self.new_trial(&before, patience).ok_or(error),
            answer => answer,
        }
    }

    /// The trial that the server has begun since `before`.
    fn new_trial(&self, before: &Status, patience: Patience) -> Option<Switched> {
        let start = Instant::now();
        let mut unchanged = 0;
        while unchanged < UNCHANGED && start.elapsed() < patience.deadline {
            match self.status() {
                Ok(now) if now.trial != before.trial || now.uptime < before.uptime => {
                    return now.trial.map(|it| Switched { number: it.number, rebooting: true });
                }
                Ok(_) => unchanged += 1,
                // It is rebooting.
                Err(_) => {}
            }
            thread::sleep(patience.interval);
        }
        None
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
    transfer::answer(answer)
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
