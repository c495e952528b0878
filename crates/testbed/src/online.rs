//! A server that is up.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use machine::{Machine, Running};

use crate::Clients;

/// How long a machine may take to start or to stop: without KVM and beside other work, a start has
/// been seen to take two minutes.
const PATIENCE: Duration = Duration::from_secs(300);

/// The time in which a service that was restarted shows whether it will be again.
const STEADY: Duration = Duration::from_secs(20);

/// What ssh says when the host key is not the one that it knows (OpenSSH, sshconnect.c).
const ANOTHER: &str = "HOST IDENTIFICATION HAS CHANGED";

/// What tells a server from all others, and from itself after it was made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// machine-id(5).
    pub machine: String,
    /// Its public ssh host key.
    pub host_key: String,
}

/// A server that is up, and those who use it. Dropped, its power is cut.
pub struct Online<'a> {
    running: Running,
    clients: &'a Clients,
    /// Where its ssh is reached, when another machine is the way to it.
    way_in: Option<u16>,
}

impl<'a> Online<'a> {
    /// Switches `machine` on and waits until it is up. Its port 22 has to be forwarded.
    ///
    /// # Errors
    /// When it does not come up, or has units that failed.
    pub fn start(machine: &Machine, clients: &'a Clients) -> Result<Self> {
        let mut server = Self { running: machine.start()?, clients, way_in: None };
        server.wait_for_boot("")?;
        Ok(server)
    }

    /// Switches `machine` on and waits for nothing: it may have something else in mind than to come
    /// up.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn switch_on(machine: &Machine, clients: &'a Clients) -> Result<Self> {
        Ok(Self { running: machine.start()?, clients, way_in: None })
    }

    /// The same, for a machine that is in a network of its own: `way_in` is the port of this host
    /// behind which somebody leads to its ssh.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn behind(machine: &Machine, clients: &'a Clients, way_in: u16) -> Result<Self> {
        Ok(Self { way_in: Some(way_in), ..Self::switch_on(machine, clients)? })
    }

    /// Waits until it is up, after [`Online::switch_on`].
    ///
    /// # Errors
    /// When it does not come up, or has units that failed.
    pub fn come_up(&mut self) -> Result<()> {
        self.wait_for_boot("")
    }

    /// The port of this host at which the server's port `guest` is reached.
    ///
    /// # Errors
    /// When it is not forwarded.
    pub fn port(&self, guest: u16) -> Result<u16> {
        match self.way_in {
            Some(port) if guest == 22 => Ok(port),
            _ => Ok(self.running.port(guest)?),
        }
    }

    /// Runs `command` as root; its standard output, without the end of the last line.
    ///
    /// # Errors
    /// Those of [`Clients::ssh`].
    pub fn run(&self, command: &str) -> Result<String> {
        Ok(self.clients.ssh(self.port(22)?, "root", command)?.trim_end().to_owned())
    }

    /// Whether `path` is there.
    ///
    /// # Errors
    /// Those of [`Clients::ssh`].
    pub fn has(&self, path: &str) -> Result<bool> {
        Ok(self.run(&format!("if test -e {path}; then echo yes; else echo no; fi"))? == "yes")
    }

    /// Tries until `attempt` succeeds: for what a server does in its own time.
    ///
    /// # Errors
    /// The last of `attempt`, after a minute, with the end of the console.
    pub fn eventually<T>(
        &mut self,
        what: &str,
        mut attempt: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        let attempt = || attempt().map_err(|error| io::Error::other(format!("{error:#}")));
        Ok(self.running.wait_until(what, Duration::from_secs(60), attempt)?)
    }

    /// Who it is.
    ///
    /// # Errors
    /// When it does not say so, or is nobody.
    pub fn identity(&self) -> Result<Identity> {
        let machine = self.run("cat /etc/machine-id")?;
        let hex = machine.len() == 32 && machine.bytes().all(|byte| byte.is_ascii_hexdigit());
        ensure!(hex, "`{machine}` is no machine id");
        let host_key = self.run("cat /var/lib/ssh/ssh_host_ed25519_key.pub")?;
        ensure!(host_key.starts_with("ssh-ed25519 "), "`{host_key}` is no host key");
        Ok(Identity { machine, host_key })
    }

    /// Reboots as an administrator does, and waits until it is up again.
    ///
    /// # Errors
    /// When it does not come up, or has units that failed.
    pub fn reboot(&mut self) -> Result<()> {
        let before = self.boot()?;
        // The connection may end before the command does.
        let _ = self.run("systemctl reboot");
        self.wait_for_boot(&before)
    }

    /// Presses the power button and waits until the machine is off.
    ///
    /// # Errors
    /// When it does not switch itself off.
    pub fn power_off(self) -> Result<()> {
        Ok(self.running.power_off(PATIENCE)?)
    }

    /// Cuts the power: nothing is written any more.
    pub fn cut(self) {
        self.running.kill();
    }

    /// Waits until the console says `text`, from now on.
    ///
    /// # Errors
    /// When it does not.
    pub fn wait_for_console(&mut self, text: &str) -> Result<()> {
        self.running.console().skip();
        self.running.console().wait_for(text, PATIENCE)?;
        Ok(())
    }

    /// Types a line on the console and waits until it says `text` after that.
    ///
    /// # Errors
    /// When it does not.
    pub fn type_on_console(&mut self, line: &str, text: &str) -> Result<()> {
        self.running.console().skip();
        self.running.console().send(&format!("{line}\n"))?;
        self.running.console().wait_for(text, PATIENCE)?;
        Ok(())
    }

    /// All that the console has said.
    pub fn console(&mut self) -> String {
        self.running.console().transcript()
    }

    /// A number that is new at each start (random(4)).
    fn boot(&self) -> Result<String> {
        self.run("cat /proc/sys/kernel/random/boot_id")
    }

    /// Waits for a boot that is another than `before`, to its end, and sees whether it is well.
    fn wait_for_boot(&mut self, before: &str) -> Result<()> {
        self.wait_for_ssh(before)?;
        self.settle()
    }

    /// Waits until root may log in, of a boot that is another than `before`.
    fn wait_for_ssh(&mut self, before: &str) -> Result<()> {
        let (port, clients) = (self.port(22)?, self.clients);
        let booted = || match clients.ssh(port, "root", "cat /proc/sys/kernel/random/boot_id") {
            Ok(boot) if boot.trim_end() == before => Err(io::Error::other("it did not reboot yet")),
            Ok(_) => Ok(Ok(())),
            // Patience does not help here.
            Err(error) if error.to_string().contains(ANOTHER) => Ok(Err(error)),
            Err(error) => Err(io::Error::other(error)),
        };
        Ok(self.running.wait_until("ssh", PATIENCE, booted)??)
    }

    /// Waits until it has come up; the lines of systemctl(1) about units that have failed.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn failed_units(&mut self) -> Result<Vec<String>> {
        self.wait_for_ssh("")?;
        Ok(self.failed()?.lines().map(str::to_owned).collect())
    }

    fn failed(&self) -> Result<String> {
        // It fails when units have failed: they are named.
        let _ = self.run("systemctl is-system-running --wait");
        let failed = self.run("systemctl --failed --plain --no-legend")?;
        Ok(format!("{failed}\n{}", self.restarting()?).trim().to_owned())
    }

    /// Lines about services that are restarted again and again: systemd does not call them failed.
    fn restarting(&self) -> Result<String> {
        let before = self.restarts()?;
        if before.is_empty() {
            return Ok(String::new());
        }
        std::thread::sleep(STEADY);
        let mut after = self.restarts()?;
        after.retain(|unit, times| before.get(unit) != Some(times));
        Ok(after.iter().map(|(unit, times)| format!("{unit} restarted {times} times\n")).collect())
    }

    /// The services that were restarted, and how often.
    fn restarts(&self) -> Result<BTreeMap<String, u64>> {
        let shown = self.run("systemctl show --property=Id,NRestarts '*.service'")?;
        let restarts = shown.split("\n\n").filter_map(|unit| {
            let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key));
            Some((value("Id=")?.to_owned(), value("NRestarts=")?.parse().ok()?))
        });
        Ok(restarts.filter(|(_, times)| *times > 0).collect())
    }

    /// Waits until it has come up, and sees whether it is well.
    ///
    /// # Errors
    /// When units have failed, or the health check does.
    pub fn settle(&mut self) -> Result<()> {
        let failed = self.failed()?;
        if !failed.is_empty() {
            let journal = self.run("journalctl --boot --no-pager --lines=150")?;
            anyhow::bail!("units have failed:\n{failed}\n{journal}");
        }
        let state = self.run("systemctl is-system-running")?;
        ensure!(state == "running", "the server is {state}");
        self.run("/usr/lib/heirloom/health").context("the health check").map(drop)
    }
}
