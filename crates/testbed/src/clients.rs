//! ssh, git and curl, as a user of the server would have them.

use std::fs;
use std::path::Path;

use anyhow::Result;
use sandbox::{Command, Output, Program, ToolRoot};
use tempfile::TempDir;

use crate::key;

/// How ssh finds its key, and believes a server that it has never seen.
const SSH: &str = "-F none -i /work/client/key -o BatchMode=yes -o ConnectTimeout=20 \
                   -o StrictHostKeyChecking=no -o UserKnownHostsFile=/work/client/known_hosts \
                   -o LogLevel=ERROR";

/// Programs that see one folder of theirs, `/work/client`, and the machines on this host.
pub struct Clients {
    tools: ToolRoot,
    folder: TempDir,
    public_key: String,
}

impl Clients {
    pub(crate) fn new(tools: ToolRoot) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // ssh wants to know who it is.
        fs::write(folder.path().join("passwd"), "root:x:0:0:root:/work/client:/bin/sh\n")?;
        let public_key = key::generate(&tools, folder.path())?;
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

    /// Forgets the host keys that were seen.
    pub fn forget_hosts(&self) -> Result<()> {
        Ok(fs::write(self.folder.path().join("known_hosts"), "")?)
    }

    /// Runs `command` on the server behind `port`, as `user`; its standard output.
    pub fn ssh(&self, port: u16, user: &str, command: &str) -> Result<String, sandbox::Error> {
        let port = port.to_string();
        let login = format!("{user}@127.0.0.1");
        let arguments = SSH.split_whitespace().chain(["-p", &port, &login, command]);
        Ok(self.command(Program::Ssh).args(arguments).run()?.text())
    }

    /// Runs git with `arguments` in `folder` of `/work/client`.
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
    pub fn curl(&self, arguments: &[&str]) -> Result<String, sandbox::Error> {
        let quiet = ["--silent", "--show-error", "--fail", "--max-time", "60"];
        let output: Output = self.command(Program::Curl).args(quiet).args(arguments).run()?;
        Ok(output.text())
    }

    fn command(&self, program: Program) -> Command {
        self.tools
            .command(program)
            .network(true)
            .bind_rw(self.folder.path(), "/work/client")
            .bind_ro(self.folder.path().join("passwd"), "/etc/passwd")
            .env("HOME", "/work/client")
            .cwd("/work/client")
    }
}
