//! Machines with the disk that a power cut has left: what their own firmware makes of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use deploy::Agent;
use generation::cmdline::on_trial;
use machine::Machine;
use powercut::State;
use sandbox::Group;
use testbed::{Firmware, Online, Remote, Testbed};

use crate::record::Record;
use crate::start::Outcome;

/// The longest until init runs, without KVM and beside other work.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) struct Machines<'a> {
    pub(crate) testbed: &'a Testbed,
    pub(crate) record: &'a Record,
    pub(crate) scratch: &'a Path,
}

impl Machines<'_> {
    /// Starts the generation that `outcome` says, with its whole command line, up to init, which
    /// has its manifest then.
    pub(crate) fn starts(&self, state: &State, outcome: &Outcome) -> Result<()> {
        let mut running = self.machine(state)?.start()?;
        let trial = outcome.starts.armed.is_some();
        let number = outcome.starts.armed.unwrap_or(outcome.starts.default);
        let cmdline = self.record.cmdline(number, trial)?;
        running.console().wait_for("Kernel command line: ", PATIENCE)?;
        running.console().wait_for("\n", PATIENCE)?;
        let said = running.console().transcript();
        let mut lines = said.lines().filter(|line| line.contains("Kernel command line: "));
        let line = lines.next().unwrap_or_default();
        // Bootloaders put the files' names before it.
        let whole = line.contains(&cmdline) && on_trial(line) == trial;
        ensure!(whole, "`{line}` instead of `{cmdline}`");
        let short = self.record.generations[&number].generation.short();
        running.console().wait_for(&format!(", generation {short}"), PATIENCE)?;
        running.kill();
        Ok(())
    }

    /// Starts it, comes up, is well, and can be updated.
    pub(crate) fn comes_up(&self, state: &State, outcome: &Outcome) -> Result<()> {
        let machine = self.machine(state)?.forward(22);
        self.testbed.clients().forget_hosts()?;
        let server = Online::start(&machine, self.testbed.clients())?;
        let remote = Remote::new(self.testbed.clients(), server.port(22)?);
        let status = Agent::new(&remote).status()?;
        let number = outcome.starts.armed.unwrap_or(outcome.starts.default);
        ensure!(status.booted == Some(number), "it started {:?}, not {number}", status.booted);
        server.cut();
        Ok(())
    }

    fn machine(&self, state: &State) -> Result<Machine> {
        let disk: PathBuf = self.scratch.join("state");
        state.materialize(&disk)?;
        let firmware = if self.record.uefi { Firmware::Uefi } else { Firmware::Bios };
        Ok(Machine::new(&self.testbed.tools(Group::Qemu)?).disk(disk).firmware(firmware))
    }
}
