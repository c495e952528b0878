//! Whatever is staged, tried, confirmed, rolled back, removed and cut short: the next boot is of a
//! generation that was confirmed, or of one that is on its only trial, and all of it is there.

#![cfg(test)]

mod ground;

use std::collections::{BTreeMap, BTreeSet};

use agent::trials::Terms;
use agent::{Running, Server};
use boot::model::{Firmware, Memory, Started};
use digest::Digest;
use generation::Layout;
use generation::cmdline::Boot;
use ground::{data, generation, install, other, put, serve};
use proptest::prelude::*;
use tempfile::TempDir;

/// A server from its first boot on. What is on its disks outlives every [`World::boot`].
struct World {
    firmware: Firmware,
    disk: TempDir,
    state: TempDir,
    server: Server<Memory>,
    boots: u32,
    /// What was ever confirmed.
    confirmed: BTreeSet<Digest>,
    /// What was armed and not yet started.
    armed: BTreeSet<Digest>,
}

impl World {
    fn new(firmware: Firmware) -> Self {
        let (disk, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (manifest, partition) = install(disk.path());
        let running = Running { generation: manifest.digest(), trial: false, data: data() };
        let server = serve(firmware, &disk, &state, partition, running);
        let confirmed = [manifest.digest()].into();
        Self { firmware, disk, state, server, boots: 0, confirmed, armed: BTreeSet::new() }
    }

    /// Starts the machine; checks that it may start what it does.
    fn boot(&mut self, after: &str) {
        let mut partition = self.server.boot().partition().clone();
        partition.power(None, 0);
        let started = self.firmware.start(&mut partition);
        let boot = self.check(started, after);
        if boot.trial {
            assert!(self.armed.remove(&boot.generation), "a second trial after {after}");
        }
        self.boots += 1;
        let running = Running { generation: boot.generation, trial: boot.trial, data: boot.data };
        self.server = serve(self.firmware, &self.disk, &self.state, partition, running);
        if boot.trial {
            self.server.begin_trial(&self.boots.to_string()).unwrap();
        } else {
            self.server.settle().unwrap();
            // The same disk in a machine with other firmware starts the same.
            let mut elsewhere = self.server.boot().partition().clone();
            let started = other(self.firmware).start(&mut elsewhere).unwrap();
            let moved = Boot::parse(&started.cmdline).unwrap();
            assert_eq!(moved.generation, self.server.running().generation, "{after}");
            let armed = self.server.boot().read().unwrap().armed;
            let catalog = self.server.catalog().unwrap();
            let armed = armed.and_then(|number| catalog.get(number)).map(|held| held.generation);
            self.armed.retain(|it| Some(*it) == armed);
            let open = self.server.trials().last().is_some_and(|last| last.is_open());
            assert_eq!(open, armed.is_some(), "{:?} after {after}", self.server.trials().last());
        }
    }

    /// What the machine would start next is allowed, and whole.
    fn check(&self, started: Option<Started>, after: &str) -> Boot {
        let started = started.unwrap_or_else(|| panic!("nothing starts after {after}"));
        let boot = Boot::parse(&started.cmdline).unwrap();
        let allowed = if boot.trial { &self.armed } else { &self.confirmed };
        assert!(allowed.contains(&boot.generation), "{boot:?} starts after {after}");
        let layout = Layout::open(self.disk.path()).unwrap();
        let manifest = layout.manifest(boot.generation).unwrap();
        layout.verify(&manifest).unwrap();
        assert_eq!(manifest.kernel().unwrap().digest, Digest::of(&started.kernel), "{after}");
        let initramfs = manifest.initramfs().unwrap().digest;
        assert_eq!(initramfs, Digest::of(&started.initramfs), "{after}");
        boot
    }

    fn act(&mut self, action: &Action) -> agent::Result<()> {
        match action {
            Action::Deploy(version) => {
                let (manifest, _, blobs) = generation(*version);
                self.server.make_room(&manifest, 20_000)?;
                put(self.server.layout(), &manifest, &blobs);
                self.server.stage(&manifest, BTreeMap::new()).map(drop)
            }
            Action::Switch(number) => {
                let catalog = self.server.catalog()?;
                let held = catalog.get(*number);
                let undecided = self.armed.clone();
                self.armed.extend(held.map(|held| held.generation));
                let switched = self.server.switch(*number, Terms::default());
                if switched.is_ok() {
                    // It alone.
                    let held = catalog.get(*number).unwrap();
                    self.armed = [held.generation].into();
                } else if !self.is_off() {
                    self.armed = undecided;
                }
                switched.map(drop)
            }
            Action::Rollback => {
                let number = self.server.rollback_target()?;
                self.act(&Action::Switch(number))
            }
            Action::Confirm => {
                let running = self.server.running().clone();
                if running.trial {
                    self.confirmed.insert(running.generation);
                }
                self.server.confirm().map(drop)
            }
            Action::Fail => self.server.fail("it is not well", Vec::new()),
            Action::Leave => {
                let running = self.server.running().clone();
                if running.trial {
                    self.armed.insert(running.generation);
                }
                let left = self.server.rearm();
                if !matches!(left, Ok(true)) && !self.is_off() {
                    self.armed.remove(&running.generation);
                }
                left.map(drop)
            }
            Action::Pin(number, pinned) => self.server.pin(*number, *pinned),
            Action::Collect => self.server.collect().map(drop),
            Action::Reset => Ok(()),
        }
    }

    fn is_off(&self) -> bool {
        self.server.boot().partition().is_off()
    }
}

#[derive(Clone, Debug)]
enum Action {
    Deploy(u32),
    Switch(u64),
    Rollback,
    Confirm,
    Fail,
    Leave,
    Pin(u64, bool),
    Collect,
    Reset,
}

/// An action, and when the power fails during it.
type Step = (Action, Option<(usize, u8)>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let action = prop_oneof![
        6 => (1..12_u32).prop_map(Action::Deploy),
        6 => (1..16_u64).prop_map(Action::Switch),
        2 => Just(Action::Rollback),
        6 => Just(Action::Confirm),
        1 => Just(Action::Fail),
        2 => Just(Action::Leave),
        1 => (1..16_u64, any::<bool>()).prop_map(|(number, pinned)| Action::Pin(number, pinned)),
        2 => Just(Action::Collect),
        8 => Just(Action::Reset),
    ];
    let failure = proptest::option::weighted(0.3, (0_usize..10, any::<u8>()));
    prop::collection::vec((action, failure), 1..40)
}

fn run(firmware: Firmware, steps: Vec<Step>) {
    let mut world = World::new(firmware);
    let mut names = Vec::new();
    for (action, failure) in steps {
        // These belong to a trial.
        let trial = world.server.running().trial;
        let decided = !world.server.trials().last().is_some_and(|last| last.is_open());
        if matches!(action, Action::Confirm | Action::Fail | Action::Leave) && (!trial || decided) {
            continue;
        }
        names.push(format!("{action:?} {failure:?}"));
        let after = names.join(", ");
        let (left, torn) = failure.unzip();
        world.server.boot_mut().partition_mut().power(left, torn.unwrap_or(0));
        let result = world.act(&action);
        if let Err(error) = &result {
            let refused = matches!(
                error,
                agent::Error::NoGeneration(_)
                    | agent::Error::NotWhole { .. }
                    | agent::Error::Refused(_)
                    | agent::Error::OnTrial(_)
            );
            assert!(refused || world.is_off(), "{error:?} after {after}");
        }
        let reset = matches!(action, Action::Reset | Action::Fail | Action::Leave);
        if reset || world.is_off() {
            world.boot(&after);
        } else {
            let mut partition = world.server.boot().partition().clone();
            let started = firmware.start(&mut partition);
            world.check(started, &after);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn on_uefi(steps in steps()) {
        run(Firmware::Uefi, steps);
    }

    #[test]
    fn on_bios(steps in steps()) {
        run(Firmware::Bios, steps);
    }
}

#[test]
fn fifty_updates_in_a_row_leave_eight_generations() {
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        let mut world = World::new(firmware);
        for version in 1..=50 {
            let after = format!("update {version}");
            world.act(&Action::Deploy(version)).unwrap();
            let (manifest, ..) = generation(version);
            let number = world.server.catalog().unwrap().find(manifest.digest()).unwrap().number;
            world.act(&Action::Switch(number)).unwrap();
            world.boot(&after);
            world.act(&Action::Confirm).unwrap();
            world.boot(&after);
        }
        let catalog = world.server.catalog().unwrap();
        assert_eq!(catalog.all().len(), agent::keep::LIMIT);
        assert_eq!(catalog.confirmed()[0].number, 51);
        // Manifest, config and layer each; some share a kernel, all an initramfs.
        assert!(world.server.layout().blobs().unwrap().len() <= 8 * 4 + 1);
        let kernels = world.server.boot().partition().list_all().filter(|it| it.contains("linux-"));
        assert!(kernels.count() <= 8);
    }
}
