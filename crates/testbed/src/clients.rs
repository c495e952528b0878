//! ssh, git and curl, as a user of the server would have them.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use anyhow::Result;
use sandbox::{Command, Program, ToolRoot};
use tempfile::TempDir;

use crate::key;

/// How ssh finds its key. A server's host key is believed the first time and has to stay the same
/// from then on, at whatever port the server is.
const SSH: &str = "-F none -i /work/client/key -o BatchMode=yes -o ConnectTimeout=30 \
                   -o ServerAliveInterval=15 -o HostKeyAlias=server \
                   -o StrictHostKeyChecking=accept-new \
                   -o UserKnownHostsFile=/work/client/known_hosts -o LogLevel=ERROR";

/// Programs that see one folder of theirs, `/work/client`, and the machines on this host.
pub struct Clients {
    tools: ToolRoot,
    folder: TempDir,
    public_key: String,
}

impl Clients {
    /// `tools` is the root of the group Check; `keys` has the ssh key.
    pub(crate) fn new(tools: ToolRoot, keys: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let public_key = key::put(keys, folder.path())?;
        Ok(Self { tools, folder, public_key })
    }

    /// The key that they log in with.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// The folder that programs see as `/work/client`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Forgets the host key: the next one that is seen is believed.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn forget_hosts(&self) -> Result<()> {
        Ok(fs::write(self.folder.path().join("known_hosts"), "")?)
    }

    /// Runs `command` on the server behind `port`, as `user`; its standard output.
    ///
    /// # Errors
    /// No connection; another host key than before; a command that fails.
    pub fn ssh(&self, port: u16, user: &str, command: &str) -> Result<String, sandbox::Error> {
        Ok(self.remote(port, user, command).run()?.text())
    }

    /// The same, with `input` for the command to read.
    ///
    /// # Errors
    /// Those of [`Clients::ssh`].
    pub fn ssh_with(
        &self,
        port: u16,
        user: &str,
        command: &str,
        input: impl Into<Vec<u8>>,
    ) -> Result<String, sandbox::Error> {
        let input = Cursor::new(input.into());
        Ok(self.remote(port, user, command).stdin_from(input).run()?.text())
    }

    /// Runs ssh to the server behind `port` with `arguments` of its own: options, `user@127.0.0.1`,
    /// and a command. What it says on both streams.
    ///
    /// # Errors
    /// Those of [`Clients::ssh`], and what else ssh takes for a failure.
    pub fn ssh_as_told(&self, port: u16, arguments: &[&str]) -> Result<String, sandbox::Error> {
        let port = port.to_string();
        // The first value counts: what is refused is said at this level.
        let level = ["-o", "LogLevel=INFO", "-p", &port];
        let all = level.into_iter().chain(SSH.split_whitespace()).chain(arguments.iter().copied());
        let output = self.command(Program::Ssh).args(all).run()?;
        Ok(output.text() + &String::from_utf8_lossy(&output.stderr))
    }

    /// ssh as `user` to the server behind `port`, to run `command`.
    pub(crate) fn remote(&self, port: u16, user: &str, command: &str) -> Command {
        let port = port.to_string();
        let login = format!("{user}@127.0.0.1");
        let arguments = SSH.split_whitespace().chain(["-p", &port, &login, command]);
        self.command(Program::Ssh).args(arguments)
    }

    /// Runs git with `arguments` in `folder` of `/work/client`.
    ///
    /// # Errors
    /// When git fails.
    pub fn git(&self, folder: &str, arguments: &[&str]) -> Result<String, sandbox::Error> {
        let command = self
            .command(Program::Git)
            .env("GIT_SSH_COMMAND", format!("ssh {SSH}"))
            .env("GIT_AUTHOR_NAME", "A. Tester")
            .env("GIT_AUTHOR_EMAIL", "tester@example.org")
            .env("GIT_COMMITTER_NAME", "A. Tester")
            .env("GIT_COMMITTER_EMAIL", "tester@example.org")
            .cwd(format!("/work/client/{folder}"))
            .args(arguments);
        Ok(command.run()?.text())
    }

    /// Runs curl with `arguments`; its standard output.
    ///
    /// # Errors
    /// When curl fails, as it does when the server answers with an error.
    pub fn curl(&self, arguments: &[&str]) -> Result<String, sandbox::Error> {
        let quiet = ["--silent", "--show-error", "--fail", "--max-time", "60"];
        Ok(self.command(Program::Curl).args(quiet).args(arguments).run()?.text())
    }

    fn command(&self, program: Program) -> Command {
        self.tools
            .command(program)
            .network(true)
            .bind_rw(self.folder.path(), "/work/client")
            .env("HOME", "/work/client")
            .cwd("/work/client")
    }
}
