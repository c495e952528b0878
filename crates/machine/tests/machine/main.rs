//! QEMU of the tool root with a guest of one sector.

#![cfg(test)]

mod boot_sector;

use std::error::Error as StdError;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use machine::{DiskKind, Error, Firmware, Machine};
use powercut::{Action, Log, Plan, Replay};
use sandbox::{Group, ToolRoot, Tools};
use store::{Options, Store};

/// The guest is there in a second; a loaded machine may need many.
const PATIENCE: Duration = Duration::from_secs(120);
/// What does not happen is not waited for any longer.
const MOMENT: Duration = Duration::from_secs(2);

type Outcome = Result<(), Box<dyn StdError>>;

fn main() {
    sandbox::serve(&[]);
    let trials = vec![
        Trial::test("the_image_is_never_changed", || with_qemu(image_is_kept)),
        Trial::test("what_was_written_outlives_reset_and_power_cut", || with_qemu(disk_is_kept)),
        Trial::test("the_console_is_typed_to_and_read", || with_qemu(console)),
        Trial::test("a_machine_that_hangs_is_told_with_its_last_words", || with_qemu(hangs)),
        Trial::test("ports_are_forwarded_or_named", || with_qemu(ports)),
        Trial::test("the_firmware_starts_disks_of_every_kind", || with_qemu(kinds)),
        Trial::test("what_qemu_is_told_besides_counts", || with_qemu(more)),
        Trial::test("a_record_replayed_is_the_disk", || with_qemu(record)),
        Trial::test("uefi_starts_from_its_own_firmware", || with_qemu(uefi)),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn with_qemu(test: fn(&ToolRoot, &Path) -> Outcome) -> Result<(), Failed> {
    let run = || -> Outcome {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let store = Store::open(Options::from_environment()?)?;
        let qemu = Tools::open(workspace, &store)?.root(Group::Qemu)?;
        let directory = tempfile::tempdir()?;
        let disk = directory.path().join("disk.img");
        boot_sector::write_disk(&disk);
        test(&qemu, &disk)
    };
    run().map_err(|error| error.to_string().into())
}

fn image_is_kept(qemu: &ToolRoot, disk: &Path) -> Outcome {
    let before = fs::read(disk)?;
    let machine = Machine::new(qemu).disk(disk).memory(64).disk_size(8 << 20);
    let mut running = machine.start()?;
    running.console().wait_for("starts: 0", PATIENCE)?;
    running.kill();
    assert!(fs::read(disk)? == before, "the image changed");
    let mut another = Machine::new(qemu).disk(disk).memory(64).start()?;
    another.console().wait_for("starts: 0", PATIENCE)?;
    Ok(())
}

fn disk_is_kept(qemu: &ToolRoot, disk: &Path) -> Outcome {
    let machine = Machine::new(qemu).disk(disk).memory(64);
    let mut running = machine.start()?;
    running.console().wait_for("starts: 0", PATIENCE)?;
    running.reset()?;
    running.console().wait_for("starts: 1", PATIENCE)?;
    running.kill();
    let mut running = machine.start()?;
    running.console().wait_for("starts: 2", PATIENCE)?;
    Ok(())
}

fn console(qemu: &ToolRoot, disk: &Path) -> Outcome {
    let mut running = Machine::new(qemu).disk(disk).memory(64).start()?;
    running.console().wait_for("starts:", PATIENCE)?;
    running.console().send("ab")?;
    running.console().wait_for("a!b!", PATIENCE)?;
    assert!(running.console().transcript().contains("starts: 0\na!b!"));
    Ok(())
}

fn hangs(qemu: &ToolRoot, disk: &Path) -> Outcome {
    let mut running = Machine::new(qemu).disk(disk).memory(64).start()?;
    running.console().wait_for("starts:", PATIENCE)?;
    let start = Instant::now();
    let error = running.console().wait_for("login:", MOMENT).unwrap_err();
    assert!(start.elapsed() >= MOMENT);
    assert!(matches!(error, Error::Timeout { .. }));
    let text = error.to_string();
    assert!(text.contains("login:") && text.contains("starts: 0"), "{text}");
    // Nobody listens to the power button.
    let error = running.power_off(MOMENT).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    Ok(())
}

fn kinds(qemu: &ToolRoot, disk: &Path) -> Outcome {
    for kind in DiskKind::ALL {
        let machine = Machine::new(qemu).disk(disk).disk_kind(kind).memory(64);
        let mut running = machine.start()?;
        let said = running.console().wait_for("starts: 0", PATIENCE);
        said.map_err(|error| format!("{}: {error}", kind.name()))?;
    }
    Ok(())
}

fn more(qemu: &ToolRoot, disk: &Path) -> Outcome {
    let machine = Machine::new(qemu).disk(disk).memory(64);
    let mut silent = machine.arguments(["-serial", "none"]).start()?;
    let error = silent.console().wait_for("starts", MOMENT).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "it has a serial port: {error}");
    silent.kill();

    let machine = Machine::new(qemu).disk(disk).memory(64).arguments(["-device", "no-such"]);
    let error = machine.start()?.console().wait_for("starts", PATIENCE).unwrap_err();
    assert!(matches!(error, Error::Ended { .. }), "{error}");
    Ok(())
}

fn ports(qemu: &ToolRoot, disk: &Path) -> Outcome {
    let machine = Machine::new(qemu).disk(disk).memory(64).forward(25).forward(143);
    let mut running = machine.start()?;
    assert_ne!(running.port(25)?, running.port(143)?);
    assert!(matches!(running.port(80), Err(Error::NotForwarded { port: 80 })));
    running.console().wait_for("starts:", PATIENCE)?;
    let taken = TcpListener::bind(running.address(25)?);
    assert!(taken.is_err(), "QEMU listens there");
    // Nobody in the machine answers, and an attempt that fails is told.
    let refused = || Err::<(), _>(std::io::Error::other("no greeting"));
    let error = running.wait_until("mail server", MOMENT, refused).unwrap_err().to_string();
    assert!(error.contains("mail server") && error.contains("no greeting"), "{error}");
    Ok(())
}

fn record(qemu: &ToolRoot, disk: &Path) -> Outcome {
    let [log, copy, replayed] = ["log", "copy", "replayed"].map(|name| disk.with_file_name(name));
    let size = 8 << 20;
    let machine = Machine::new(qemu).disk(disk).disk_size(size).memory(64).record(&log);
    for starts in [0, 2] {
        // The disk before each record: the image at first, then what the last one left.
        let before = if starts == 0 { disk } else { &copy };
        let mut running = machine.start()?;
        running.console().wait_for(&format!("starts: {starts}"), PATIENCE)?;
        running.reset()?;
        running.console().wait_for(&format!("starts: {}", starts + 1), PATIENCE)?;
        assert!(Log::position(&log)? >= 2, "the record is not kept while the machine runs");
        running.kill();

        let done: Vec<Action> = actions(&log)?;
        let writes = done.iter().filter(|done| matches!(done, Action::Write { at: 512, .. }));
        assert_eq!(writes.count(), 2, "{done:?}");
        assert!(done.contains(&Action::Flush), "SeaBIOS writes through the cache: {done:?}");
        let replay = Replay::open(before, Some(size), &log, Plan::default())?;
        replay.end()?.materialize(&replayed)?;
        machine.copy_disk(&copy)?;
        let [found, expected] = [&replayed, &copy].map(fs::read);
        assert!(found? == expected?, "replayed it is another disk");
    }
    Ok(())
}

fn actions(log: &Path) -> Result<Vec<Action>, powercut::Error> {
    Log::open(log)?.entries().map(|entry| Ok(entry?.action)).collect()
}

fn uefi(qemu: &ToolRoot, disk: &Path) -> Outcome {
    // The guest is none of UEFI's, so it is the firmware that speaks.
    let machine = Machine::new(qemu).disk(disk).firmware(Firmware::Uefi).memory(256);
    let mut running = machine.start()?;
    running.console().wait_for("BdsDxe", PATIENCE)?;
    Ok(())
}
