//! How deploy reaches a machine here: by the tool root's ssh, with the clients' key.

use std::io;

use deploy::{Connection, Ended, Error, Transport, Wait};
use sandbox::{Running, Sink, Stdin};

use crate::Clients;

/// Somebody on the server behind a port of this host.
pub struct Remote<'a> {
    clients: &'a Clients,
    port: u16,
    user: &'a str,
    name: String,
}

impl<'a> Remote<'a> {
    /// root on the server behind `port`.
    pub fn new(clients: &'a Clients, port: u16) -> Self {
        Self::of(clients, port, "root")
    }

    /// `user` on the server behind `port`.
    pub fn of(clients: &'a Clients, port: u16, user: &'a str) -> Self {
        Self { clients, port, user, name: format!("{user}@127.0.0.1:{port}") }
    }
}

impl Transport for Remote<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&self, command: &str) -> Result<Connection, Error> {
        let failed = |error: sandbox::Error| Error::Transport { source: io::Error::other(error) };
        let ssh = self.clients.remote(self.port, self.user, command);
        let ssh = ssh.stdin(Stdin::Piped).stdout(Sink::Piped).spawn().map_err(failed);
        let mut ssh = ssh?;
        let gone = || Error::Transport { source: io::ErrorKind::BrokenPipe.into() };
        let input = ssh.stdin.take().ok_or_else(gone)?;
        let output = ssh.stdout.take().ok_or_else(gone)?;
        Ok(Connection { input: Box::new(input), output: Box::new(output), end: Box::new(End(ssh)) })
    }
}

struct End(Running);

impl Wait for End {
    fn wait(self: Box<Self>) -> io::Result<Ended> {
        match self.0.wait() {
            Ok(output) => Ok(Ended {
                code: Some(output.code),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            }),
            Err(sandbox::Error::Failed { status, output, .. }) => {
                let code = match status {
                    sandbox::Status::Exited(code) => Some(code),
                    sandbox::Status::Signalled(_) => None,
                };
                Ok(Ended { code, stderr: output })
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }
}
