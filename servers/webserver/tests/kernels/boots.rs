//! One kernel on its machines.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testbed::{DiskKind, Firmware, Machine, Online, Testbed};

use crate::initramfs::Initramfs;
use crate::sorts::{Hardware, Kernel};

/// For a boot up to the handover; without KVM and beside other work it has taken a minute.
const PATIENCE: Duration = Duration::from_secs(300);

/// What init says last, and what it says instead.
const HANDOVER: &str = "heirloom: starting /sbin/init";
const FAILURE: &str = "heirloom: cannot boot: ";

/// The kernel of the test that runs without arguments, as server.lock would have it.
const LOCKED: &str = include_str!("linux-image-amd64.lock");

/// What became of a machine.
pub(crate) struct Boot {
    pub(crate) hardware: Hardware,
    /// The kernel's release.
    pub(crate) release: String,
    pub(crate) result: Result<Handover>,
}

/// A boot up to the handover.
pub(crate) struct Handover {
    /// The device that has the data filesystem.
    pub(crate) device: String,
    /// From the start of init, in seconds.
    pub(crate) seconds: f64,
}

impl Boot {
    /// Whether it came to the handover.
    pub(crate) fn is_good(&self) -> bool {
        self.result.is_ok()
    }
}

/// The kernel on those of its machines whose disk is one of `disks`; where none is named, on all.
pub(crate) fn of(kernel: &Kernel, disks: &[DiskKind]) -> Result<Vec<Boot>> {
    let testbed = Testbed::new("webserver")?;
    kernel.choose(&testbed)?;
    let image = testbed.machine()?.image().context("there is no image")?.to_owned();
    let qemu = testbed.tools(testbed::Group::Qemu)?;
    let release = Initramfs::of(&testbed.generation()?.bundle)?.release;
    let boot = |hardware: Hardware| {
        let Hardware { disk, firmware } = hardware;
        let machine = Machine::new(&qemu).disk(&image).disk_kind(disk).firmware(firmware);
        let result = up_to_handover(&machine);
        let said = match &result {
            Ok(Handover { device, seconds }) => format!("{device}, {seconds:.2} s"),
            Err(error) => format!("{error:#}"),
        };
        eprintln!("{} on {} {firmware:?}: {said}", kernel.name(), disk.name());
        Boot { hardware, release: release.clone(), result }
    };
    let asked = |hardware: &Hardware| disks.is_empty() || disks.contains(&hardware.disk);
    Ok(kernel.machines().into_iter().filter(asked).map(boot).collect())
}

fn up_to_handover(machine: &Machine) -> Result<Handover> {
    let mut running = machine.start()?;
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let said = running.console().transcript();
        if let Some(at) = said.find(FAILURE) {
            let line = said[at..].lines().next().unwrap_or_default();
            anyhow::bail!("{line}");
        }
        if said.contains(HANDOVER) {
            return handover(&said).context("the console lacks what init says");
        }
        let last = || said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
        if running.has_ended()? {
            anyhow::bail!(
                "the machine ended before the handover; its console said last: {}",
                last()
            );
        }
        ensure!(
            std::time::Instant::now() < deadline,
            "no handover within {} s; the console said last: {}\n{}",
            PATIENCE.as_secs(),
            last(),
            tail(&said)
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn tail(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// Reads the kernel's timestamps before the lines.
fn handover(said: &str) -> Option<Handover> {
    let line = |text: &str| said.lines().find(|line| line.contains(text));
    let time = |text: &str| -> Option<f64> {
        line(text)?.split_once('[')?.1.split_once(']')?.0.trim().parse().ok()
    };
    let data = line("heirloom: data on ")?.rsplit_once(' ')?.1.to_owned();
    Some(Handover { device: data, seconds: time(HANDOVER)? - time("Run /init as init process")? })
}

/// linux-image-amd64 on a disk that the cloud kernel has no driver for: the server is healthy, and
/// what its initramfs has is what modprobe on the server takes for what was asked for.
pub(crate) fn is_healthy() -> Result<()> {
    let testbed = Testbed::new("webserver")?;
    testbed.edit(
        "pocket = \"backports\"\n",
        "pocket = \"backports\"\npackage = \"linux-image-amd64\"\n",
    )?;
    testbed.relock("linux-image-", LOCKED)?;
    let machine =
        testbed.machine()?.disk_kind(DiskKind::Megasas).firmware(Firmware::Bios).forward(22);
    let server = Online::start(&machine, testbed.clients())?;
    let initramfs = Initramfs::of(&testbed.generation()?.bundle)?;
    ensure!(server.run("uname -r")? == initramfs.release, "another kernel runs");
    initramfs.is_what_modprobe_finds(&server)?;
    server.power_off()
}
