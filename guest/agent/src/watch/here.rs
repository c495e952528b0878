//! This machine.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use generation::Filesystem;
use transfer::report::Health;

use super::{GOING_DOWN, Place};
use crate::checks::Look;
use crate::machine::{self, HEALTH, Machine, RUN, booted, layout};
use crate::trials::{Trial, Trials};
use crate::{Error, Result, checks, verity};

/// How long a trial may take whose config cannot be read.
const NO_CONFIG: Duration = Duration::from_secs(300);

/// This machine.
#[derive(Clone, Copy, Debug)]
pub struct Here;

impl Place for Here {
    type Opened = Machine;

    fn open(&self) -> Result<Machine> {
        Machine::open()
    }

    fn trials(&self) -> Result<Trials> {
        machine::trials()
    }

    fn is_trial(&self) -> Result<bool> {
        Ok(booted()?.trial)
    }

    fn boot_id(&self) -> Result<String> {
        machine::boot_id()
    }

    fn within(&self) -> Duration {
        let config = || {
            let layout = layout()?;
            Ok::<_, Error>(layout.config(&layout.manifest(booted()?.generation)?)?)
        };
        // What the disk needed before anything else could start is not the generation's time.
        let check = Filesystem::read(Path::new(RUN)).unwrap_or_default().check;
        let check = Duration::from_secs(check.map_or(0, |check| check.seconds));
        // A generation that cannot read its own config does not get better.
        check + config().map_or(NO_CONFIG, |config| Duration::from_secs(config.health_within))
    }

    fn look(&self) -> Look {
        // What cannot be read is no excuse.
        let trial = self.trials().ok().and_then(|trials| trials.last()).filter(Trial::is_open);
        let trial = trial.filter(|_| self.is_trial().unwrap_or(false));
        checks::look(&trial.map(|trial| trial.failed_before).unwrap_or_default())
    }

    fn note(&self, health: &Health) -> Result<()> {
        let new = format!("{HEALTH}.new");
        let bytes = serde_json::to_vec(health).map_err(std::io::Error::from);
        bytes
            .and_then(|bytes| fs::write(&new, bytes))
            .and_then(|()| fs::rename(&new, HEALTH))
            .map_err(Error::io("write", HEALTH))
    }

    fn read_all(&self) -> Result<()> {
        verity::read_all()
    }

    fn is_going_down(&self) -> bool {
        checks::system_state() == "stopping"
    }

    fn uptime(&self) -> Duration {
        machine::uptime()
    }

    fn pause(&self, time: Duration) {
        thread::sleep(time);
    }

    fn reboot(&self) -> Result<()> {
        let reboot = |error| Error::io("reboot", "the server")(error);
        checks::reboot().map_err(reboot)?;
        thread::sleep(GOING_DOWN);
        // It is still there.
        rustix::fs::sync();
        let forced = rustix::system::reboot(rustix::system::RebootCommand::Restart);
        forced.map_err(std::io::Error::from).map_err(reboot)
    }
}
