//! A trial is decided by the health of what runs, and by nothing that other commands do meanwhile.

#![cfg(test)]

mod ground;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::process;
use std::rc::Rc;
use std::time::Duration;

use agent::checks::Look;
use agent::server::Opened;
use agent::trials::Trials;
use agent::watch::{self, Place};
use agent::{Error, Result, Running, Server};
use boot::model::{Firmware, Memory};
use digest::Digest;
use generation::cmdline::Boot;
use generation::progress::Step;
use generation::{Layout, Progress};
use ground::{data, generation, serve, switched};
use tempfile::TempDir;
use transfer::report::{Health, TrialState};

/// What is looked at after everything that was to be seen has been.
const LIMIT: usize = 400;

const WITHIN: Duration = Duration::from_secs(60);

struct Played {
    disk: TempDir,
    state: TempDir,
    partition: Rc<RefCell<Memory>>,
    running: Running,
    /// How often the server can still not be opened.
    busy: Cell<u32>,
    /// What is still to be seen; then it stays at the last.
    looks: RefCell<VecDeque<Look>>,
    clock: Cell<Duration>,
    notes: RefCell<Vec<Health>>,
    /// A directory in the way of what is to be written, from the first look on, for three times as
    /// long as a trial may take.
    hindrance: RefCell<Option<PathBuf>>,
    going_down: bool,
    rebooted: Cell<bool>,
    said: RefCell<Vec<String>>,
}

struct Open {
    server: Server<Memory>,
    partition: Rc<RefCell<Memory>>,
}

impl Opened for Open {
    type Partition = Memory;

    fn server(&mut self) -> &mut Server<Memory> {
        &mut self.server
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        *self.partition.borrow_mut() = self.server.boot().partition().clone();
    }
}

fn look(healthy: bool) -> Look {
    let lines = vec!["smtp".to_owned()];
    Look { health: Health { healthy, starting: false, lines }, hopeless: false }
}

impl Played {
    /// A server whose generation 2 was put on trial and started, or has failed and 1 runs again.
    fn new(trial: bool) -> Self {
        let (disk, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (second, mut partition) = switched(&disk, &state);
        let started = Firmware::Uefi.start(&mut partition).unwrap();
        let mut boot = Boot::parse(&started.cmdline).unwrap();
        assert!(boot.trial && boot.generation == second.digest());
        if !trial {
            let imgs = Layout::open(disk.path()).unwrap();
            Progress::new(second.digest(), Step::Layer(1)).write(imgs.root()).unwrap();
            let started = Firmware::Uefi.start(&mut partition).unwrap();
            boot = Boot::parse(&started.cmdline).unwrap();
        }
        Self {
            disk,
            state,
            partition: Rc::new(RefCell::new(partition)),
            running: Running { generation: boot.generation, trial, data: data() },
            busy: Cell::new(0),
            looks: RefCell::default(),
            clock: Cell::default(),
            notes: RefCell::default(),
            hindrance: RefCell::default(),
            going_down: false,
            rebooted: Cell::new(false),
            said: RefCell::default(),
        }
    }

    fn sees(self, looks: impl IntoIterator<Item = Look>) -> Self {
        self.looks.borrow_mut().extend(looks);
        self
    }

    fn busy(self, times: u32) -> Self {
        self.busy.set(times);
        self
    }

    fn say(&self) -> impl Fn(&str) {
        |line| self.said.borrow_mut().push(line.to_owned())
    }

    fn state(&self) -> TrialState {
        self.trials().unwrap().last().unwrap().state
    }

    fn default(&self) -> Option<u64> {
        self.open().unwrap().server().boot().read().unwrap().default
    }
}

impl Place for Played {
    type Opened = Open;

    fn open(&self) -> Result<Open> {
        if let Some(left) = self.busy.get().checked_sub(1) {
            self.busy.set(left);
            self.pause(Duration::from_secs(20));
            return Err(Error::Busy);
        }
        let (partition, running) = (self.partition.borrow().clone(), self.running.clone());
        let server = serve(Firmware::Uefi, &self.disk, &self.state, partition, running);
        Ok(Open { server, partition: Rc::clone(&self.partition) })
    }

    fn trials(&self) -> Result<Trials> {
        Ok(Trials::in_directory(self.state.path()))
    }

    fn is_trial(&self) -> Result<bool> {
        Ok(self.running.trial)
    }

    fn boot_id(&self) -> Result<String> {
        Ok("this".into())
    }

    fn within(&self) -> Duration {
        WITHIN
    }

    fn look(&self) -> Look {
        if let Some(path) = &*self.hindrance.borrow()
            && self.clock.get().is_zero()
        {
            fs::create_dir_all(path).unwrap();
        }
        let mut looks = self.looks.borrow_mut();
        let last = looks.pop_front().unwrap();
        if looks.is_empty() {
            looks.push_back(look(last.health.healthy));
        }
        last
    }

    fn note(&self, health: &Health) -> Result<()> {
        let mut notes = self.notes.borrow_mut();
        notes.push(health.clone());
        // Whoever watches a server does it for ever.
        if notes.len() < LIMIT { Ok(()) } else { Err(Error::Refused("the test is over")) }
    }

    fn read_all(&self) -> Result<()> {
        Ok(())
    }

    fn is_going_down(&self) -> bool {
        self.going_down
    }

    fn uptime(&self) -> Duration {
        self.clock.get()
    }

    fn pause(&self, time: Duration) {
        self.clock.set(self.clock.get() + time);
        if self.clock.get() > 3 * WITHIN {
            let hindrance = self.hindrance.borrow_mut().take();
            hindrance.map(fs::remove_dir).transpose().unwrap();
        }
    }

    fn reboot(&self) -> Result<()> {
        self.rebooted.set(true);
        Ok(())
    }
}

fn is_over(result: Result<()>) {
    assert!(matches!(result, Err(Error::Refused("the test is over"))), "{result:?}");
}

#[test]
fn a_healthy_generation_is_confirmed_however_long_another_command_is_at_work() {
    // Ten times 20 s: three times as long as a trial may take.
    let place = Played::new(true).sees([look(true)]).busy(10);
    is_over(watch::trial(&place, &place.say()));
    assert!(place.clock.get() > 3 * WITHIN);
    assert_eq!((place.state(), place.default()), (TrialState::Confirmed, Some(2)));
    assert!(!place.rebooted.get());
}

#[test]
fn a_trial_that_somebody_deployed_waits_until_they_have_logged_in() {
    let waiting = || {
        let place = Played::new(true).sees([look(true)]);
        let trials = place.trials().unwrap();
        trials.change_last(|trial| trial.token = Some("this".into())).unwrap();
        place
    };
    // Nobody comes: a wrong route, a key that is refused.
    let place = waiting();
    watch::trial(&place, &place.say()).unwrap();
    assert!(place.rebooted.get() && place.clock.get() >= WITHIN);
    assert_eq!((place.state(), place.default()), (TrialState::Failed, Some(1)));
    let reason = place.trials().unwrap().last().unwrap().reason.unwrap();
    assert!(reason.contains("who deployed it did not log in"), "{reason}");

    // Another token, and then the right one.
    let place = waiting();
    place.open().unwrap().server().begin_trial("this").unwrap();
    assert!(place.open().unwrap().server().acknowledge("that").is_err());
    assert_eq!(place.open().unwrap().server().acknowledge("this").unwrap(), 2);
    assert!(place.open().unwrap().server().acknowledge("this").is_err(), "it is of use once");
    is_over(watch::trial(&place, &place.say()));
    assert_eq!((place.state(), place.default()), (TrialState::Confirmed, Some(2)));

    // The owner of a console does not need one.
    let place = waiting();
    assert_eq!(place.open().unwrap().server().confirm().unwrap().number, 2);
    is_over(watch::trial(&place, &place.say()));
    assert_eq!(place.state(), TrialState::Confirmed);
}

#[test]
fn a_sick_generation_ends_in_time_while_another_command_is_at_work() {
    let place = Played::new(true).sees([look(false)]).busy(4);
    watch::trial(&place, &place.say()).unwrap();
    assert!(place.rebooted.get());
    assert!(place.clock.get() < 2 * WITHIN, "{:?}", place.clock.get());
    let last = place.trials().unwrap().last().unwrap();
    assert_eq!(last.state, TrialState::Failed);
    assert!(last.reason.unwrap().contains("smtp"));
    assert_eq!(place.default(), Some(1));
}

#[test]
fn a_confirmation_that_cannot_be_noted_is_one() {
    let index = |place: &Played| place.disk.path().join(format!(".index.json-{}", process::id()));
    let trials = |place: &Played| place.state.path().join("trials.new");
    for hindered in [&index as &dyn Fn(&Played) -> PathBuf, &trials] {
        let place = Played::new(true).sees([look(true)]);
        place.hindrance.replace(Some(hindered(&place)));
        is_over(watch::trial(&place, &place.say()));
        assert!(place.clock.get() > 3 * WITHIN && !place.rebooted.get());
        assert_eq!((place.state(), place.default()), (TrialState::Confirmed, Some(2)));
        let said = place.said.borrow().join("\n");
        assert_eq!(said.matches("generation 2 is confirmed, not noted yet").count(), 1, "{said}");
        assert!(said.contains("generation 2 is confirmed\n"), "{said}");
    }
}

#[test]
fn a_trial_whose_mark_nobody_takes_away_ends_by_itself() {
    let place = Played::new(true).sees([look(true)]);
    for boot in ["first", "second", "third"] {
        let trial = place.open().unwrap().server().begin_trial(boot).unwrap();
        assert_eq!(trial.state, TrialState::Running);
    }
    watch::trial(&place, &place.say()).unwrap();
    assert!(place.rebooted.get() && place.clock.get().is_zero());
    let last = place.trials().unwrap().last().unwrap();
    assert_eq!((last.state, last.boots), (TrialState::Failed, 4));
    assert!(last.reason.unwrap().contains("started 4 times"));
    let boots = place.open().unwrap().server().boot().read().unwrap();
    assert_eq!((boots.default, boots.armed), (Some(1), None));
}

#[test]
fn a_failed_unit_is_waited_for_a_little_and_a_starting_server_to_the_end() {
    let failed = || Look { hopeless: true, ..look(false) };
    let looks = (0..60).map(|_| failed());
    let place = Played::new(true).sees(looks);
    watch::trial(&place, &place.say()).unwrap();
    assert!(place.rebooted.get());
    assert!((15..20).contains(&place.clock.get().as_secs()), "{:?}", place.clock.get());

    let place = Played::new(true).sees([failed(), look(false), look(true)]);
    is_over(watch::trial(&place, &place.say()));
    assert_eq!(place.state(), TrialState::Confirmed);
}

#[test]
fn settling_waits_for_another_command_and_looks_at_the_server_meanwhile() {
    let place = Played::new(false).sees([look(true)]).busy(5);
    assert_eq!(place.state(), TrialState::Armed);
    is_over(watch::settled(&place, &place.say()));
    let last = place.trials().unwrap().last().unwrap();
    assert_eq!((last.number, last.state), (2, TrialState::Failed));
    assert!(last.reason.unwrap().contains("layer 1"));
    assert_eq!(place.default(), Some(1));
    let said = place.said.borrow().join("\n");
    assert!(said.contains("the trial of generation 2 has failed"), "{said}");
    assert!(said.contains("the server is healthy"), "{said}");
    assert!(place.notes.borrow()[0].healthy, "nothing is known while it waits");
}

#[test]
fn damage_is_looked_for_when_the_other_command_is_done() {
    let place = Played::new(false).sees([look(true)]);
    let (second, ..) = generation(1);
    let blob = place.open().unwrap().server().layout().blob(second.layers[2].digest);
    std::fs::write(&blob, vec![9; 3 * 4096]).unwrap();
    // Once for the verdict, and then not for a while.
    let say = |line: &str| {
        if line.contains("has failed") {
            place.busy.set(3);
        }
        place.said.borrow_mut().push(line.to_owned());
    };
    is_over(watch::settled(&place, &say));
    let said = place.said.borrow().join("\n");
    assert!(said.contains("is damaged on this disk"), "{said}");
    assert!(!blob.exists());
}

#[test]
fn a_clean_reboot_is_no_failure_though_another_command_is_at_work() {
    let mut place = Played::new(true);
    place.open().unwrap().server().begin_trial("this").unwrap();
    place.going_down = true;
    let place = place.busy(3);
    watch::leave(&place, &place.say()).unwrap();
    let armed = place.open().unwrap().server().boot().read().unwrap().armed;
    assert_eq!((armed, place.state()), (Some(2), TrialState::Running));
    let mut partition = place.partition.borrow().clone();
    let started = Boot::parse(&Firmware::Uefi.start(&mut partition).unwrap().cmdline).unwrap();
    assert!(started.trial);
    assert_ne!(started.generation, Digest::of("another"));
}
