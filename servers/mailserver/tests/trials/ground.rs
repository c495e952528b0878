//! The ground on which faults are tried: a mail server with a letter in it, in QEMU.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use deploy::{Agent, Ending, Kept, Options, Outcome, Verdict};
use image::Bundle;
use machine::Machine;
use tempfile::TempDir;
use testbed::{Firmware, Group, Online, Remote, Testbed, ToolRoot};
use transfer::report::{Status, Trial, TrialState};

use crate::client::{Mail, PASSWORD, add_users, has_subject, keep_certificate};

/// Seconds in which a generation has to be healthy. Without KVM a boot takes a minute and more.
const WITHIN: u64 = 240;

/// The longest that a trial and the way back take.
const PATIENCE: Duration = Duration::from_secs(900);

/// What the server offers.
const PORTS: [u16; 4] = [22, 25, 587, 993];

const SUBJECT: &str = "from before the update";

/// A server whose generations have little time.
pub(crate) fn testbed() -> Result<Testbed> {
    let testbed = Testbed::new("mailserver")?;
    add_users(&testbed)?;
    testbed.edit("[kernel]", &format!("[health]\nwithin = \"{WITHIN}s\"\n\n[kernel]"))?;
    Ok(testbed)
}

/// A running server, and the generations that it gets.
pub(crate) struct Ground<'a> {
    testbed: &'a Testbed,
    machine: Machine,
    server: Option<Online<'a>>,
    kept: Kept,
    /// Counts the generations: each is another one.
    made: u32,
    /// Where on the console the present fault begins.
    mark: usize,
    firmware: Firmware,
    /// Disks that were changed.
    folders: Vec<TempDir>,
}

impl<'a> Ground<'a> {
    /// A new machine with a new server, which gets a letter.
    pub(crate) fn new(testbed: &'a Testbed, firmware: Firmware) -> Result<Self> {
        // Another generation than all that come.
        testbed.write("etc/trial", "the image\n")?;
        let machine = PORTS
            .into_iter()
            .fold(testbed.machine()?, Machine::forward)
            .firmware(firmware)
            .disk_size(4 << 30);
        testbed.clients().forget_hosts()?;
        let mut server = Online::start(&machine, testbed.clients())?;
        keep_certificate(&server, testbed.clients())?;
        let mail = Mail::of(&server, testbed.clients())?;
        mail.deliver("alice@example.org", SUBJECT)?;
        server.eventually("letter", || mail.read(PASSWORD, 1))?;
        let kept = testbed.kept()?;
        kept.add(&testbed.generation()?.bundle)?;
        Ok(Self {
            testbed,
            machine,
            server: Some(server),
            kept,
            made: 0,
            mark: 0,
            firmware,
            folders: Vec::new(),
        })
    }

    /// Another fault begins.
    pub(crate) fn mark(&mut self) {
        self.mark = self.server.as_mut().map(|server| server.console().len()).unwrap_or(0);
    }

    /// The server.
    pub(crate) fn server(&mut self) -> Result<&mut Online<'a>> {
        self.server.as_mut().context("the server is off")
    }

    /// Runs a command on it.
    pub(crate) fn run(&mut self, command: &str) -> Result<String> {
        self.server()?.run(command)
    }

    /// The number of the generation that runs.
    pub(crate) fn booted(&mut self) -> Result<u64> {
        self.status()?.booted.context("what runs has no number")
    }

    /// What the server says of itself.
    pub(crate) fn status(&mut self) -> Result<Status> {
        let remote = self.remote()?;
        Ok(Agent::new(&remote).status()?)
    }

    /// Puts a file into the next generation's rootfs/; a unit is wanted by `target`.
    pub(crate) fn unit(&self, name: &str, target: &str, text: &str) -> Result<()> {
        self.testbed.write(&format!("etc/systemd/system/{name}"), text)?;
        let wants = format!("etc/systemd/system/{target}.wants/{name}");
        self.testbed.link(&wants, &format!("../{name}"))
    }

    /// Takes such a unit out again.
    pub(crate) fn without_unit(&self, name: &str, target: &str) -> Result<()> {
        self.testbed.remove(&format!("etc/systemd/system/{target}.wants/{name}"))?;
        self.testbed.remove(&format!("etc/systemd/system/{name}"))
    }

    /// A file of the next generation's rootfs/.
    pub(crate) fn file(&self, path: &str, text: &str) -> Result<()> {
        self.testbed.write(path, text)
    }

    /// Takes one out again.
    pub(crate) fn without_file(&self, path: &str) -> Result<()> {
        self.testbed.remove(path)
    }

    /// The key of who deploys.
    pub(crate) fn public_key(&self) -> &str {
        self.testbed.clients().public_key()
    }

    /// Changes the next generation's server.toml.
    pub(crate) fn edit(&self, from: &str, to: &str) -> Result<()> {
        self.testbed.edit(from, to)
    }

    /// Deploys what the definition says now, as another generation than any before.
    pub(crate) fn deploy(&mut self, reboot: bool) -> Result<Outcome> {
        let bundle = self.next()?;
        self.deploy_bundle(&bundle, reboot)
    }

    /// The generation that the definition says now, as another one than any before.
    pub(crate) fn next(&mut self) -> Result<Bundle> {
        self.made += 1;
        self.testbed.write("etc/trial", &format!("{}\n", self.made))?;
        Ok(self.testbed.generation()?.bundle)
    }

    /// Deploys a generation.
    pub(crate) fn deploy_bundle(&mut self, bundle: &Bundle, reboot: bool) -> Result<Outcome> {
        let options = Options { reboot, boot: PATIENCE / 2, ..Options::default() };
        let annotations = BTreeMap::new();
        let remote = self.remote()?;
        Ok(deploy::deploy(bundle, &remote, &self.kept, &annotations, &options)?)
    }

    /// Deploys a generation that fails; why it did, when the server is on its old one again with
    /// all that it had.
    pub(crate) fn fails(&mut self) -> Result<String> {
        let bundle = self.next()?;
        self.bundle_fails(&bundle)
    }

    /// The same with a given generation.
    pub(crate) fn bundle_fails(&mut self, bundle: &Bundle) -> Result<String> {
        let before = self.booted()?;
        let outcome = self.deploy_bundle(bundle, true)?;
        let Ending::Tried(Verdict::FellBack { reason, .. }) = &outcome.ending else {
            bail!("it did not fall back: {outcome:?}");
        };
        let reason = reason.clone();
        self.is_back_on(before)?;
        Ok(reason)
    }

    /// Stages a generation, arms it, lets `sabotage` do something to the server, which is given
    /// the generation's digest, and reboots; why the trial failed.
    pub(crate) fn fails_after(
        &mut self,
        sabotage: impl FnOnce(&mut Self, &str) -> Result<()>,
    ) -> Result<String> {
        let before = self.booted()?;
        let outcome = self.deploy(false)?;
        let number = outcome.number.context("it has no number")?;
        self.run(&format!("heirloom switch {number} --no-reboot"))?;
        sabotage(self, &outcome.generation.hex())?;
        let _ = self.run("systemctl reboot");
        let trial = self.decided(number)?;
        ensure!(trial.state == TrialState::Failed, "it did not fail: {trial:?}");
        self.is_back_on(before)?;
        Ok(trial.reason.unwrap_or_default())
    }

    /// Waits until the trial of `number` is decided, and the server up.
    pub(crate) fn decided(&mut self, number: u64) -> Result<Trial> {
        let start = Instant::now();
        let mut last = String::new();
        while start.elapsed() < PATIENCE {
            match self.status() {
                Ok(Status { trial: Some(trial), booted, .. }) if trial.number == number => {
                    let runs = booted == Some(number);
                    match trial.state {
                        TrialState::Confirmed if runs => return Ok(trial),
                        TrialState::Failed if !runs => return Ok(trial),
                        state => last = format!("{state:?}, generation {booted:?} runs"),
                    }
                }
                Ok(status) => last = format!("{status:?}"),
                Err(error) => last = format!("{error:#}"),
            }
            thread::sleep(Duration::from_secs(2));
        }
        bail!("the trial of generation {number} is not decided: {last}\n{}", self.last_words())
    }

    /// Waits for something that takes its time.
    pub(crate) fn wait_for(
        &mut self,
        what: &str,
        mut done: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if done(self).unwrap_or(false) {
                return Ok(());
            }
            thread::sleep(Duration::from_secs(2));
        }
        bail!("waited in vain: {what}\n{}", self.last_words())
    }

    /// Cuts the power, and switches the machine on again.
    pub(crate) fn cut_power(&mut self) -> Result<()> {
        drop(self.server.take());
        self.mark = 0;
        self.server = Some(Online::switch_on(&self.machine, self.testbed.clients())?);
        Ok(())
    }

    /// Switches the machine off, lets `change` have its disk as a raw image, and switches it on
    /// with that.
    pub(crate) fn with_disk(
        &mut self,
        change: impl FnOnce(&ToolRoot, &Path) -> Result<()>,
    ) -> Result<()> {
        self.server.take().context("the server is off")?.power_off()?;
        let folder = tempfile::tempdir()?;
        let disk = folder.path().join("disk");
        self.machine.copy_disk(&disk)?;
        change(&self.testbed.tools(Group::Image)?, &disk)?;
        self.machine = PORTS
            .into_iter()
            .fold(Machine::new(&self.testbed.tools(Group::Qemu)?).disk(disk), Machine::forward)
            .firmware(self.firmware);
        self.folders.push(folder);
        self.mark = 0;
        self.server = Some(Online::switch_on(&self.machine, self.testbed.clients())?);
        Ok(())
    }

    /// Whether generation `number` runs and is the default, and the letter is there.
    pub(crate) fn is_back_on(&mut self, number: u64) -> Result<()> {
        self.server()?.settle()?;
        let status = self.status()?;
        ensure!(status.booted == Some(number), "another generation runs: {status:?}");
        ensure!(status.default == Some(number), "another one is the default: {status:?}");
        self.has_mail()
    }

    /// Whether the letter is there, and another one is taken.
    pub(crate) fn has_mail(&mut self) -> Result<()> {
        let clients = self.testbed.clients();
        let server = self.server.as_mut().context("the server is off")?;
        let mail = Mail::of(server, clients)?;
        has_subject(&server.eventually("letter", || mail.read(PASSWORD, 1))?, SUBJECT)?;
        mail.submit(PASSWORD, "alice@example.org", "and after it")
    }

    /// The end of what the console has said.
    pub(crate) fn last_words(&mut self) -> String {
        let console = self.server.as_mut().map(Online::console).unwrap_or_default();
        let lines: Vec<&str> = console.lines().collect();
        lines[lines.len().saturating_sub(150)..].join("\n")
    }

    /// All that the console has said since the present fault began.
    pub(crate) fn console(&mut self) -> Result<String> {
        let mark = self.mark;
        let console = self.server()?.console();
        Ok(console.get(mark..).unwrap_or_default().to_owned())
    }

    fn remote(&self) -> Result<Remote<'a>> {
        let server = self.server.as_ref().context("the server is off")?;
        Ok(Remote::new(self.testbed.clients(), server.port(22)?))
    }
}
