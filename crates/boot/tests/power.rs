//! Whenever the power fails, the next boot is of a generation that was confirmed, or of one that is
//! on its only trial.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use boot::model::{Firmware, Memory, Started};
use boot::{BootControl, BootPartition, Entry, Syslinux, SystemdBoot};
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

fn entry(number: u64) -> Entry {
    let (kernel, initramfs) = contents(number);
    Entry {
        number,
        title: format!("mail, generation {number}"),
        // Longer than a sector: an entry can be torn.
        cmdline: format!("number={number} {}", "padding ".repeat(70)),
        trial_cmdline: format!("number={number} {} heirloom.trial", "padding ".repeat(70)),
        kernel: Digest::of(kernel),
        initramfs: Digest::of(initramfs),
    }
}

/// A disk as it comes from `cargo xtask image`: generation 1, confirmed, for both bootloaders.
fn image() -> Memory {
    let first = entry(1);
    let (kernel, initramfs) = contents(1);
    let mut files = vec![
        (first.kernel_path(), kernel),
        (first.initramfs_path(), initramfs),
        ("ldlinux.sys".to_owned(), vec![0; 2048]),
    ];
    let texts = Syslinux::first(&first).into_iter().chain([SystemdBoot::first(&first)]);
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
    Arm(u64),
    Disarm,
    Confirm(u64),
    Remove(u64),
    Boot,
}

/// An action, and when the power fails during it.
type Step = (Action, Option<(usize, u8)>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let action = prop_oneof![
        4 => NUMBERS.prop_map(Action::Arm),
        1 => Just(Action::Disarm),
        3 => NUMBERS.prop_map(Action::Confirm),
        2 => NUMBERS.prop_map(Action::Remove),
        4 => Just(Action::Boot),
    ];
    let failure = proptest::option::weighted(0.5, (0_usize..12, any::<u8>()));
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
        let whole = if trial { entry(number).trial_cmdline } else { entry(number).cmdline };
        assert_eq!(started.cmdline, whole, "half a command line after {after}");
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
            Action::Arm(number) => {
                expected.trials.insert(*number);
                let [kernel, initramfs] = blobs.files(*number);
                disk.arm(&entry(*number), &kernel, &initramfs)
            }
            Action::Disarm => disk.disarm(),
            Action::Confirm(number) => {
                expected.defaults.insert(*number);
                let [kernel, initramfs] = blobs.files(*number);
                disk.confirm(&entry(*number), &kernel, &initramfs)
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
                Action::Arm(number) => expected.trials = [number].into(),
                Action::Disarm => expected.trials.clear(),
                Action::Confirm(number) => {
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
