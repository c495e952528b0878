//! A server on two disks: each boots alone, one that is replaced is rebuilt. And two disks that
//! have the same server without being a mirror.
//!
//! `cargo test -p webserver -F slow --test mirror` starts machines two dozen times, and takes an hour and
//! more without KVM.

#![cfg(test)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use deploy::disk::Survey;
use deploy::install::{check_mirror, install_mirror};
use deploy::{Ending, Options, Verdict, own};
use testbed::{Firmware, Group, Machine, Online, Remote, Testbed};

const MIB: u64 = 1 << 20;
/// Two disks of nominally the same size, which is not quite the same.
const SIZES: [u64; 2] = [1792 * MIB, 1792 * MIB + 5 * 512];

/// What the second generation has.
const UPDATE: &str = "/etc/second-generation";
/// Names what is mirrored.
const MARKS: &str = "/run/heirloom/data/state/marks";

/// A machine room: disks as files, and the machine that they are put into.
struct Room {
    testbed: Testbed,
    folder: tempfile::TempDir,
    firmware: Firmware,
}

impl Room {
    fn new(firmware: Firmware) -> Result<Self> {
        Ok(Self { testbed: Testbed::new("webserver")?, folder: tempfile::tempdir()?, firmware })
    }

    fn disk(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn new_disk(&self, name: &str, size: u64) -> Result<PathBuf> {
        let path = self.disk(name);
        File::create(&path)?.set_len(size)?;
        Ok(path)
    }

    /// A machine that boots from the disk `first`. What it writes there is not kept by itself;
    /// what it writes to `second` is.
    fn machine(&self, first: &Path, second: Option<&Path>) -> Result<Machine> {
        let qemu = self.testbed.tools(Group::Qemu)?;
        let machine = Machine::new(&qemu).firmware(self.firmware).disk(first).forward(22);
        Ok(match second {
            Some(second) => machine.second_disk(second),
            None => machine,
        })
    }

    fn start(&self, machine: &Machine) -> Result<Online<'_>> {
        self.testbed.clients().forget_hosts()?;
        Online::start(machine, self.testbed.clients())
    }

    /// Deploys another generation, which has [`UPDATE`].
    fn update(&self, server: &Online<'_>) -> Result<()> {
        self.testbed.write(&UPDATE[1..], "yes\n")?;
        let bundle = self.testbed.generation()?.bundle;
        let options = Options { boot: Duration::from_secs(450), ..Options::default() };
        let remote = Remote::new(self.testbed.clients(), server.port(22)?);
        let kept = self.testbed.kept()?;
        let outcome = deploy::deploy(&bundle, &remote, &kept, &BTreeMap::new(), &options)?;
        ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{outcome:?}");
        Ok(())
    }

    /// Makes the two disks a mirror, from our own live ISO.
    fn install(&self) -> Result<[PathBuf; 2]> {
        let [size, larger] = SIZES;
        let (blank, second) = (self.new_disk("blank", size)?, self.new_disk("second", larger)?);
        let image = self.testbed.machine()?.image().context("there is no image")?.to_owned();
        let rescue = self.testbed.live()?.disk(&blank).second_disk(&second).forward(22);
        let server = self.start(&rescue)?;
        let remote = Remote::new(self.testbed.clients(), server.port(22)?);
        let [one, other] = ["/dev/vda", "/dev/sda"].map(|disk| Survey::of(&remote, disk));
        let (one, other) = (one?, other?);
        let twice = Survey::of(&remote, "/dev/disk/../vda")?;
        ensure!(check_mirror([&one, &twice], 0).is_err(), "one disk was taken for two");
        install_mirror(&remote, [&one, &other], &image)?;
        server.power_off()?;
        let first = self.disk("first");
        rescue.copy_disk(&first)?;
        Ok([first, second])
    }
}

/// One half of a mirror as `install` writes it, without a rescue system.
fn half(image: &Path, disk: &Path, number: u32) -> Result<()> {
    let size = SIZES[number as usize];
    fs::copy(image, disk)?;
    let file = File::options().write(true).open(disk)?;
    file.set_len(size)?;
    let ids = own::Ids::random()?;
    let array = ids.data_filesystem;
    let half = own::Half { ids, disk: size, smaller: SIZES[0], array, number, now: 0 };
    let patches = own::half(image, &half)?;
    for patch in patches.inside.iter().chain(&patches.behind) {
        file.write_all_at(&patch.bytes, patch.offset)?;
    }
    Ok(())
}

/// What `heirloom status` says of the mirror, once it is as expected.
fn mirror(server: &mut Online<'_>, expected: &str) -> Result<()> {
    let start = Instant::now();
    loop {
        let status = server.run("heirloom status")?;
        if status.contains(expected) {
            return Ok(());
        }
        let (log, console) =
            ("dmesg | grep -E 'heirloom|md'; ls /sys/block/md127/md", server.console());
        ensure!(
            start.elapsed() < Duration::from_secs(300),
            "`{expected}` is not in\n{status}\n{}\n{console}",
            server.run(log)?
        );
        std::thread::sleep(Duration::from_secs(2));
    }
}

fn mark(server: &Online<'_>, mark: &str) -> Result<()> {
    server.run(&format!("echo {mark} >> {MARKS} && sync")).map(drop)
}

fn marks(server: &Online<'_>) -> Result<Vec<String>> {
    Ok(server.run(&format!("cat {MARKS}"))?.lines().map(str::to_owned).collect())
}

fn two_disks_are_one_server(firmware: Firmware) -> Result<()> {
    let room = Room::new(firmware)?;
    let [first, second] = room.install()?;

    // Both. An update goes to both boot partitions.
    let machine = room.machine(&first, Some(&second))?;
    let mut server = room.start(&machine)?;
    mirror(&mut server, "sda and vda, complete")?;
    let mounted =
        server.run("findmnt -no SOURCE /run/heirloom/data || mount | grep heirloom/data")?;
    ensure!(mounted.contains("/dev/md127"), "{mounted}");
    mark(&server, "both")?;
    room.update(&server)?;
    // A mark that a bootloader took from one disk is taken from the other.
    mirror(&mut server, "sda and vda, complete")?;
    server.reboot()?;
    ensure!(server.has(UPDATE)?, "the update is gone");
    let listed = server.run("heirloom list")?;
    ensure!(!listed.contains("on trial") && !listed.contains("is its trial"), "{listed}");
    server.power_off()?;
    let both = room.disk("both");
    machine.copy_disk(&both)?;
    fs::remove_file(&first)?;

    // Either alone.
    let alone = room.machine(&both, None)?;
    let mut server = room.start(&alone)?;
    mirror(&mut server, "vda alone, a disk is missing")?;
    ensure!(marks(&server)? == ["both"], "{:?}", marks(&server));
    server.power_off()?;
    drop(alone);
    let alone = room.machine(&second, None)?;
    let mut server = room.start(&alone)?;
    mirror(&mut server, "vda alone, a disk is missing")?;
    ensure!(marks(&server)? == ["both"], "{:?}", marks(&server));
    mark(&server, "second alone")?;
    server.power_off()?;
    let newer = room.disk("newer");
    alone.copy_disk(&newer)?;
    drop(alone);
    fs::remove_file(&second)?;

    // The one that missed writes never leads, though the machine boots from it.
    let machine = room.machine(&both, Some(&newer))?;
    let mut server = room.start(&machine)?;
    ensure!(marks(&server)? == ["both", "second alone"], "{:?}", marks(&server));
    mirror(&mut server, "sda and vda, complete")?;
    server.power_off()?;
    drop(machine);
    fs::remove_file(&both)?;

    // A new disk takes the place of a lost one.
    let new = room.new_disk("new", SIZES[0] - MIB)?;
    let machine = room.machine(&newer, Some(&new))?;
    let mut server = room.start(&machine)?;
    let refused = server.run("heirloom mirror add /dev/vda");
    ensure!(refused.is_err(), "{refused:?}");
    server.run("heirloom mirror add /dev/sda")?;
    mirror(&mut server, "sda and vda, complete")?;
    mark(&server, "replaced")?;
    server.reboot()?;
    mirror(&mut server, "sda and vda, complete")?;
    server.power_off()?;
    drop(machine);
    fs::remove_file(&newer)?;
    let machine = room.machine(&new, None)?;
    let mut server = room.start(&machine)?;
    mirror(&mut server, "vda alone, a disk is missing")?;
    ensure!(marks(&server)? == ["both", "second alone", "replaced"], "{:?}", marks(&server));
    server.power_off()
}

#[test]
fn either_disk_of_a_mirror_boots_alone_with_bios() -> Result<()> {
    two_disks_are_one_server(Firmware::Bios)
}

#[test]
fn either_disk_of_a_mirror_boots_alone_with_uefi() -> Result<()> {
    two_disks_are_one_server(Firmware::Uefi)
}

/// The power fails while a new disk is rebuilt: that goes on, and the disk boots alone afterwards,
/// with other firmware too.
#[test]
fn a_rebuild_that_the_power_ended_goes_on() -> Result<()> {
    let mut room = Room::new(Firmware::Bios)?;
    let old = room.disk("old");
    half(room.testbed.machine()?.image().context("there is no image")?, &old, 0)?;
    let new = room.new_disk("new", SIZES[1])?;
    let machine = room.machine(&old, Some(&new))?;
    let mut server = room.start(&machine)?;
    mark(&server, "old")?;
    // A mirror that has lost a disk takes updates, and says in its health what it lacks.
    room.update(&server)?;
    let status = server.run("heirloom status --json")?;
    ensure!(status.contains("mirror: vda alone, a disk is missing"), "{status}");
    let speed = "for it in min max; do echo 20000 >/sys/block/md127/md/sync_speed_$it; done";
    server.run(&format!("{speed} && heirloom mirror add /dev/sda"))?;
    mirror(&mut server, "vda alone, sda is rebuilt: ")?;
    let twice = server.run("heirloom mirror add /dev/sda");
    ensure!(twice.is_err_and(|error| format!("{error:#}").contains("being rebuilt already")));
    server.cut();
    let mut server = room.start(&machine)?;
    let console = server.console();
    ensure!(console.contains("md127 is a mirror on vda2 and sda2"), "{console}");
    mirror(&mut server, "sda and vda, complete")?;
    server.power_off()?;
    drop(machine);
    fs::remove_file(&old)?;
    room.firmware = Firmware::Uefi;
    let machine = room.machine(&new, None)?;
    let mut server = room.start(&machine)?;
    mirror(&mut server, "vda alone, a disk is missing")?;
    ensure!(marks(&server)? == ["old"], "{:?}", marks(&server));
    ensure!(server.has(UPDATE)?, "the update is gone");
    server.power_off()
}
