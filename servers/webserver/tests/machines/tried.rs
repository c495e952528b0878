//! What every machine has to do: boot, be healthy, be reached, take an update.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use deploy::{Agent, Ending, Kept, Options, Verdict};
use machine::Machine;
use testbed::{Online, Remote, Testbed};
use transfer::report::Status;

use crate::first_aid;
use crate::poor::Poor;

/// The longest that a machine takes to boot. Without KVM and beside other work that is long.
const PATIENCE: Duration = Duration::from_secs(600);

/// The server as its image has it, and its next generation.
pub(crate) struct Ground<'a> {
    pub(crate) testbed: &'a Testbed,
    machine: Box<dyn Fn() -> Machine + 'a>,
    next: image::Bundle,
    kept: Kept,
}

impl<'a> Ground<'a> {
    pub(crate) fn new(testbed: &'a Testbed) -> Result<Self> {
        testbed.edit("[kernel]", "[health]\nwithin = \"600s\"\n\n[kernel]")?;
        testbed.write("etc/heirloom/first-aid", first_aid::HASH)?;
        let machine = testbed.machine()?;
        let image = machine.image().context("there is no image")?.to_owned();
        let qemu = testbed.tools(testbed::Group::Qemu)?;
        let kept = testbed.kept()?;
        kept.add(&testbed.generation()?.bundle)?;
        testbed.write("etc/next", "the next generation\n")?;
        let next = testbed.generation()?.bundle;
        let machine = Box::new(move || Machine::new(&qemu).disk(&image).disk_size(2 << 30));
        Ok(Self { testbed, machine, next, kept })
    }

    /// A machine that is switched off, with the image on its disk.
    pub(crate) fn machine(&self, poor: &Poor) -> Machine {
        self.rich().arguments(poor.qemu.iter().copied())
    }

    /// One that lacks nothing.
    pub(crate) fn rich(&self) -> Machine {
        (self.machine)()
    }

    /// Switches a machine on; it is up and healthy.
    pub(crate) fn start(&self, poor: &Poor) -> Result<Online<'a>> {
        self.testbed.clients().forget_hosts()?;
        Online::start(&self.machine(poor).forward(22), self.testbed.clients())
    }

    /// Deploys the next generation; it is confirmed.
    pub(crate) fn update(&self, server: &mut Online<'_>) -> Result<()> {
        let remote = Remote::new(self.testbed.clients(), server.port(22)?);
        let options = Options { boot: PATIENCE, ..Options::default() };
        let annotations = BTreeMap::new();
        let outcome = deploy::deploy(&self.next, &remote, &self.kept, &annotations, &options)?;
        ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{outcome:?}");
        server.settle()?;
        ensure!(server.has("/etc/next")?, "another generation runs");
        Ok(())
    }

    /// What the server says of itself.
    pub(crate) fn status(&self, server: &Online<'_>) -> Result<Status> {
        let remote = Remote::new(self.testbed.clients(), server.port(22)?);
        Ok(Agent::new(&remote).status()?)
    }
}

/// It does what every machine does.
pub(crate) fn plain(ground: &Ground<'_>, poor: &Poor) -> Result<String> {
    let mut server = ground.start(poor)?;
    let consoles = consoles(&server)?;
    ground.update(&mut server)?;
    let cores = server.run("nproc")?;
    let memory = server.run("sed -n 's/MemTotal: *//p' /proc/meminfo")?;
    server.cut();
    Ok(format!("{cores} cores, {memory}, {consoles}"))
}

/// The consoles that the kernel has, which a getty is on.
fn consoles(server: &Online<'_>) -> Result<String> {
    let active = server.run("cat /sys/class/tty/console/active")?;
    let gettys =
        server.run("systemctl list-units --plain --no-legend '*getty@*' | cut -d' ' -f1")?;
    let gettys: Vec<&str> = gettys.lines().map(|unit| unit.trim_end_matches(".service")).collect();
    let active = if active.is_empty() { "none".into() } else { active.replace(' ', ", ") };
    Ok(format!(
        "consoles: {active}; logins: {}",
        if gettys.is_empty() { "none".into() } else { gettys.join(", ") }
    ))
}

/// Its clock is no earlier than the image.
pub(crate) fn clock(ground: &Ground<'_>, poor: &Poor) -> Result<String> {
    let mut server = ground.start(poor)?;
    // journald takes the prefix off what init says.
    let said = server.run("journalctl --boot --identifier heirloom --output cat --no-pager")?;
    ensure!(said.contains("it is set to the image's date"), "init does not say so:\n{said}");
    let first = server.run("journalctl --boot --output short-iso --no-pager | sed -n 2p")?;
    ensure!(!first.starts_with("1970"), "the journal begins so: {first}");
    let now: u64 = server.run("date +%s")?.parse()?;
    ensure!(now > 1_700_000_000, "its clock says {now}");
    ground.update(&mut server)?;
    server.cut();
    Ok("set to the image's date before anything else starts".into())
}

/// It has an address on each of its networks that gives one, and names both cards.
pub(crate) fn two_cards(ground: &Ground<'_>, poor: &Poor) -> Result<String> {
    let mut server = ground.start(poor)?;
    ground.update(&mut server)?;
    let addresses = server.run("ip -4 -o addr show scope global | awk '{print $2, $4}'")?;
    let waited =
        server.run("systemctl show -P ActiveState systemd-networkd-wait-online.service")?;
    server.cut();
    Ok(format!("{}; network-online is {waited}", addresses.replace('\n', ", ")))
}
