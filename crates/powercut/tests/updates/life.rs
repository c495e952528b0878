//! A server is updated, step by step, and all that it writes is recorded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use deploy::{Agent, Kept, Options};
use generation::cmdline::{Boot, Data};
use image::Bundle;
use machine::Machine;
use powercut::Log;
use testbed::{Firmware, Online, Remote, Testbed};
use transfer::report::{Status, TrialState};

use crate::initramfs::with_empty_archives;
use crate::record::{Known, Phase, Record, Starts, Step};

/// Bytes of the disk: the data partition grows at the first boot.
const SIZE: u64 = 3 << 30;

/// The longest that a trial takes; without KVM a boot takes a minute and more.
const PATIENCE: Duration = Duration::from_secs(600);

/// Files of state, here and on the data partition.
const STATE: [(&str, &str); 3] = [
    ("/srv/html/index.html", "/state/html/index.html"),
    ("/etc/machine-id", "/state/machine-id"),
    ("/var/lib/ssh/ssh_host_ed25519_key.pub", "/state/ssh/ssh_host_ed25519_key.pub"),
];

/// A server in the middle of its recorded life.
struct Life<'a> {
    testbed: &'a Testbed,
    server: Online<'a>,
    kept: Kept,
    log: PathBuf,
    folder: &'a Path,
    record: Record,
    /// Counts the generations: each is another one.
    made: u32,
}

/// Starts a server from `testbed`, updates it in every way, and cuts its power; `log` becomes the
/// record of its writes, and files that it is sent lie in `folder`. Also the image that it was.
pub(crate) fn record(
    testbed: &Testbed,
    firmware: Firmware,
    log: &Path,
    folder: &Path,
) -> Result<(PathBuf, Record)> {
    let machine = testbed.machine()?.record(log).disk_size(SIZE).firmware(firmware).forward(22);
    let mut life = Life::begin(testbed, &machine, firmware, log, folder)?;
    life.staging()?;
    life.trials()?;
    life.collecting()?;
    life.server.cut();
    let image = machine.image().context("the machine has no disk")?;
    Ok((image.to_owned(), life.record))
}

impl<'a> Life<'a> {
    fn begin(
        testbed: &'a Testbed,
        machine: &Machine,
        firmware: Firmware,
        log: &Path,
        folder: &'a Path,
    ) -> Result<Self> {
        let first = testbed.generation()?.bundle;
        let kept = testbed.kept()?;
        kept.add(&first)?;
        testbed.clients().forget_hosts()?;
        let server = Online::start(machine, testbed.clients())?;
        server.run("echo '<p>kept</p>' >/srv/html/index.html; sync")?;
        let mut state = BTreeMap::new();
        for (here, there) in STATE {
            let text = server.run(&format!("cat {here}"))?;
            state.insert(there.to_owned(), text);
        }
        let Data::Ext4(data) = Boot::parse(&server.run("cat /proc/cmdline")?)?.data else {
            bail!("the server runs from no disk");
        };
        let begin = Log::position(log)?;
        let starts = Starts { armed: None, default: 1 };
        let record = Record {
            uefi: firmware == Firmware::Uefi,
            size: SIZE,
            data,
            generations: [(1, Known::of(&first)?)].into(),
            steps: Vec::new(),
            phases: vec![Phase { begin: 0, reached: begin, starts }],
            state,
        };
        let log = log.to_owned();
        Ok(Self { testbed, server, kept, log, folder, record, made: 0 })
    }

    fn staging(&mut self) -> Result<()> {
        let config = self.next()?;
        ensure!(self.stage("stage, config only", &config)? == 2, "it is not the second");
        let next = self.next()?;
        let initramfs = with_empty_archives(&next, 1, self.folder)?;
        ensure!(self.stage("stage, other initramfs", &initramfs)? == 3, "it is not the third");
        Ok(())
    }

    fn trials(&mut self) -> Result<()> {
        self.arm("arm, config only", "heirloom switch 2", 2)?;
        self.try_out(2)?;
        self.arm("arm, other initramfs", "heirloom switch 3", 3)?;
        self.try_out(3)?;
        self.arm("roll back", "heirloom rollback", 2)?;
        self.try_out(2)
    }

    /// More generations than are kept: some go, among them one with an initramfs of its own.
    fn collecting(&mut self) -> Result<()> {
        let next = self.next()?;
        let initramfs = with_empty_archives(&next, 2, self.folder)?;
        let fourth = self.stage("stage, third initramfs", &initramfs)?;
        self.arm("arm, third initramfs", &format!("heirloom switch {fourth}"), fourth)?;
        let next = self.next()?;
        let fifth = self.stage("stage while armed", &next)?;
        self.arm("arm instead", &format!("heirloom switch {fifth}"), fifth)?;
        self.simple("pin and unpin", "heirloom pin 1 && heirloom unpin 1 && heirloom pin 1")?;
        for _ in 6..=8 {
            let next = self.next()?;
            self.stage("stage, as many as are kept", &next)?;
        }
        // The first is pinned, the second runs, the third ran before it: the fourth goes.
        let next = self.next()?;
        self.stage("stage, the fourth goes", &next)?;
        self.simple("unpin", "heirloom unpin 1")?;
        let next = self.next()?;
        self.stage("stage, the first goes", &next)?;
        self.simple("gc", "heirloom gc")?;
        let left = self.server.run("heirloom list --json")?;
        for number in [1, 4] {
            ensure!(!left.contains(&format!("\"number\":{number},")), "{number} is there: {left}");
        }
        Ok(())
    }

    /// The generation that the definition says now, as another one than any before.
    fn next(&mut self) -> Result<Bundle> {
        self.made += 1;
        self.testbed.write("etc/update", &format!("{}\n", self.made))?;
        Ok(self.testbed.generation()?.bundle)
    }

    /// Deploys a generation without booting it; its number.
    fn stage(&mut self, name: &str, bundle: &Bundle) -> Result<u64> {
        let begin = self.position()?;
        let options = Options { reboot: false, ..Options::default() };
        let remote = Remote::new(self.testbed.clients(), self.server.port(22)?);
        let outcome = deploy::deploy(bundle, &remote, &self.kept, &BTreeMap::new(), &options)?;
        let number = outcome.number.context("it has no number")?;
        self.record.generations.insert(number, Known::of(bundle)?);
        self.step(name, begin)?;
        Ok(number)
    }

    /// Gives an order that arms `number`.
    fn arm(&mut self, name: &str, order: &str, number: u64) -> Result<()> {
        let begin = self.position()?;
        self.server.run(&format!("{order} --no-reboot"))?;
        let default = self.starts().default;
        if self.starts().armed.is_some() {
            // What was armed is given up first.
            self.phase(begin, Starts { armed: None, default })?;
        }
        self.phase(begin, Starts { armed: Some(number), default })?;
        self.step(name, begin)
    }

    /// Reboots into what is armed, and waits until it is confirmed.
    fn try_out(&mut self, number: u64) -> Result<()> {
        let begin = self.position()?;
        let _ = self.server.run("systemctl reboot");
        let start = Instant::now();
        let mut last = String::new();
        // What was asked before the answer: at that entry it was not confirmed yet.
        let mut running = begin;
        let mut tried = false;
        loop {
            ensure!(start.elapsed() < PATIENCE, "not confirmed: {last}\n{}", self.server.console());
            let before = self.position()?;
            match self.status() {
                Ok(Status { booted, trial: Some(trial), .. }) if booted == Some(number) => {
                    let default = self.starts().default;
                    if !tried {
                        // The mark went before the kernel was started.
                        self.phase(begin, Starts { armed: None, default })?;
                        tried = true;
                    }
                    match trial.state {
                        TrialState::Running => running = before,
                        TrialState::Confirmed => break,
                        state => last = format!("{state:?}"),
                    }
                }
                Ok(status) => last = format!("{status:?}"),
                Err(error) => last = format!("{error:#}"),
            }
            thread::sleep(Duration::from_millis(300));
        }
        self.phase(running, Starts { armed: None, default: number })?;
        self.step(&format!("boot and confirm {number}"), begin)?;
        self.server.settle()
    }

    /// Gives an order that changes nothing of what is started.
    fn simple(&mut self, name: &str, order: &str) -> Result<()> {
        let begin = self.position()?;
        self.server.run(order)?;
        self.step(name, begin)
    }

    fn status(&self) -> Result<Status> {
        let remote = Remote::new(self.testbed.clients(), self.server.port(22)?);
        Ok(Agent::new(&remote).status()?)
    }

    fn starts(&self) -> Starts {
        let last = self.record.phases.last().map(|phase| phase.starts);
        last.unwrap_or(Starts { armed: None, default: 1 })
    }

    fn phase(&mut self, begin: u64, starts: Starts) -> Result<()> {
        let reached = self.position()?;
        self.record.phases.push(Phase { begin, reached, starts });
        Ok(())
    }

    fn step(&mut self, name: &str, begin: u64) -> Result<()> {
        let end = self.position()?;
        eprintln!("recorded: {name}, entries {begin} to {end}");
        self.record.steps.push(Step { name: name.to_owned(), begin, end });
        Ok(())
    }

    fn position(&self) -> Result<u64> {
        Ok(Log::position(&self.log)?)
    }
}

impl Known {
    fn of(bundle: &Bundle) -> Result<Self> {
        let manifest = bundle.manifest();
        Ok(Self {
            generation: manifest.digest(),
            kernel: manifest.kernel()?.digest,
            initramfs: manifest.initramfs()?.digest,
            base: bundle.config().cmdline.clone(),
        })
    }
}
