//! Whenever the power fails, the next boot is of a generation that was confirmed, or of one that is
//! on its only trial.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use boot::model::{Firmware, Memory, Started};
use boot::{BootControl, BootPartition, Editing, Entry, Syslinux, SystemdBoot};
use digest::Digest;
use proptest::prelude::*;
use tempfile::TempDir;

/// Generations of these tests: two share a kernel, as those do that differ in a config file.
const NUMBERS: std::ops::Range<u64> = 1..7;

/// A folder with the kernels and initramfs.
struct Blobs {
    folder: TempDir,
}

impl Blobs {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for number in NUMBERS {
            let (kernel, initramfs) = contents(number);
            fs::write(folder.path().join(format!("linux-{number}")), kernel).unwrap();
            fs::write(folder.path().join(format!("initrd-{number}")), initramfs).unwrap();
        }
        Self { folder }
    }

    fn files(&self, number: u64) -> [PathBuf; 2] {
        ["linux", "initrd"].map(|name| self.folder.path().join(format!("{name}-{number}")))
    }
}

fn contents(number: u64) -> (Vec<u8>, Vec<u8>) {
    let text = |what: &str| format!("{what} {}", number / 2).into_bytes();
    (text("kernel"), text("initramfs"))
}

/// The entry of a generation as one version of the agent writes it, or another.
fn entry(number: u64, agent: usize) -> Entry {
    let (kernel, initramfs) = contents(number);
    let padding = ["padding ", "PADDING "][agent % 2].repeat(70 + agent);
    Entry {
        number,
        title: format!("mail, generation {number}"),
        // Longer than a sector: an entry can be torn.
        cmdline: format!("number={number} {padding}"),
        trial_cmdline: format!("number={number} {padding} heirloom.trial"),
        kernel: Digest::of(kernel),
        initramfs: Digest::of(initramfs),
    }
}

/// A disk as it comes from `cargo xtask image`: generation 1, confirmed, for both bootloaders.
fn image() -> Memory {
    let first = entry(1, 0);
    let (kernel, initramfs) = contents(1);
    let mut files = vec![
        (first.kernel_path(), kernel),
        (first.initramfs_path(), initramfs),
        ("ldlinux.sys".to_owned(), vec![0; 2048]),
    ];
    let texts = Syslinux::first(&first);
    let texts = texts.into_iter().chain(SystemdBoot::first(&first, Editing::Refused));
    files.extend(texts.map(|(path, text)| (path, text.into_bytes())));
    Memory::new(files)
}

fn partition(firmware: Firmware, memory: Memory) -> BootPartition<Memory> {
    let (uefi, bios): (Box<dyn BootControl>, Box<dyn BootControl>) =
        (Box::new(SystemdBoot), Box::new(Syslinux));
    match firmware {
        Firmware::Uefi => BootPartition::new(memory, uefi, vec![bios]),
        Firmware::Bios => BootPartition::new(memory, bios, vec![uefi]),
    }
}

#[derive(Clone, Debug)]
enum Action {
    Arm(u64, usize),
    Disarm,
    Confirm(u64, usize),
    Remove(u64),
    Boot,
}

/// An action, and when the power fails during it.
type Step = (Action, Option<(usize, u8)>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let action = prop_oneof![
        4 => (NUMBERS, 0_usize..2).prop_map(|(number, agent)| Action::Arm(number, agent)),
        1 => Just(Action::Disarm),
        3 => (NUMBERS, 0_usize..2).prop_map(|(number, agent)| Action::Confirm(number, agent)),
        2 => NUMBERS.prop_map(Action::Remove),
        4 => Just(Action::Boot),
    ];
    let failure = proptest::option::weighted(0.5, (0_usize..24, any::<u8>()));
    prop::collection::vec((action, failure), 1..25)
}

/// What may be started.
struct Expected {
    /// Once there are two only for as long as a change between them is unfinished.
    defaults: BTreeSet<u64>,
    trials: BTreeSet<u64>,
}

impl Expected {
    fn check(&self, started: Option<&Started>, after: &str) -> (u64, bool) {
        let started = started.unwrap_or_else(|| panic!("nothing starts after {after}"));
        let number: u64 =
            started.cmdline.split(' ').next().unwrap()["number=".len()..].parse().unwrap();
        let trial = started.cmdline.ends_with(" heirloom.trial");
        let whole = [0, 1].map(|agent| entry(number, agent)).map(|entry| match trial {
            true => entry.trial_cmdline,
            false => entry.cmdline,
        });
        let cmdline = &started.cmdline;
        assert!(whole.contains(cmdline), "half a command line, {cmdline}, after {after}");
        let files = (started.kernel.clone(), started.initramfs.clone());
        assert_eq!(files, contents(number), "other files after {after}");
        let allowed = if trial { &self.trials } else { &self.defaults };
        assert!(allowed.contains(&number), "{number} (trial: {trial}) starts after {after}");
        (number, trial)
    }
}

fn run(firmware: Firmware, steps: Vec<Step>) {
    let blobs = Blobs::new();
    let mut disk = partition(firmware, image());
    let mut expected = Expected { defaults: [1].into(), trials: BTreeSet::new() };
    let mut names = Vec::new();
    for (action, failure) in steps {
        names.push(format!("{action:?} {failure:?}"));
        let after = names.join(", ");
        disk.partition_mut().power(failure.map(|it| it.0), failure.map_or(0, |it| it.1));
        let result = match &action {
            Action::Arm(number, agent) => {
                expected.trials.insert(*number);
                let [kernel, initramfs] = blobs.files(*number);
                disk.arm(&entry(*number, *agent), &kernel, &initramfs)
            }
            Action::Disarm => disk.disarm(),
            Action::Confirm(number, agent) => {
                expected.defaults.insert(*number);
                let [kernel, initramfs] = blobs.files(*number);
                disk.confirm(&entry(*number, *agent), &kernel, &initramfs)
            }
            Action::Remove(number) => match disk.remove(*number) {
                Err(boot::Error::InUse(_)) => Ok(()),
                removed => removed,
            },
            Action::Boot => Ok(()),
        };
        let failed = disk.partition_mut().is_off();
        disk.partition_mut().power(None, 0);
        assert!(result.is_ok() || failed, "{:?} after {after}", result.err());
        if result.is_ok() && !failed {
            match action {
                Action::Arm(number, _) => expected.trials = [number].into(),
                Action::Disarm => expected.trials.clear(),
                Action::Confirm(number, _) => {
                    expected.defaults = [number].into();
                    expected.trials.clear();
                }
                Action::Remove(_) | Action::Boot => {}
            }
        }
        if failed || matches!(action, Action::Boot) {
            let (number, trial) =
                expected.check(firmware.start(disk.partition_mut()).as_ref(), &after);
            if trial {
                // It was the only one: another reset is the default.
                expected.trials.clear();
            } else {
                expected.defaults = [number].into();
                let armed = disk.read().unwrap().armed;
                expected.trials.retain(|it| Some(*it) == armed);
            }
            if !trial {
                assert_eq!(disk.read().unwrap().default, Some(number), "{after}");
            }
        }
        // What would be started now, without starting it.
        let mut copy = disk.partition().clone();
        expected.check(firmware.start(&mut copy).as_ref(), &after);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn on_uefi(steps in steps()) {
        run(Firmware::Uefi, steps);
    }

    #[test]
    fn on_bios(steps in steps()) {
        run(Firmware::Bios, steps);
    }
}

/// Of every moment in which the default's own entry is written anew.
#[test]
fn a_default_that_is_written_anew_starts_at_every_moment() {
    let blobs = Blobs::new();
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        for (left, torn) in (0..40).flat_map(|left| (0..24).map(move |torn| (left, torn))) {
            let mut disk = partition(firmware, image());
            let [kernel, initramfs] = blobs.files(1);
            disk.partition_mut().power(Some(left), torn);
            // The power fails somewhere in it, or behind its end.
            let _ = disk.arm(&entry(1, 1), &kernel, &initramfs);
            disk.partition_mut().power(None, 0);
            let expected = Expected { defaults: [1].into(), trials: [1].into() };
            let after = format!("power {left} {torn}");
            expected.check(firmware.start(disk.partition_mut()).as_ref(), &after);
            expected.check(firmware.start(disk.partition_mut()).as_ref(), &after);
        }
    }
}
