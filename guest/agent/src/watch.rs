//! What runs as long as the server does: it decides a trial, says why one failed, and keeps looking
//! whether the server is well.

use std::fs;
use std::thread;
use std::time::Duration;

use transfer::report::Health;

use crate::machine::{HEALTH, Machine, boot_id, booted, trials, uptime};
use crate::server::Settled;
use crate::{Error, Result, checks, verity};

/// Between two looks at a trial.
const TRIAL_INTERVAL: Duration = Duration::from_secs(2);
/// Between two looks at a server that is settled.
const INTERVAL: Duration = Duration::from_secs(300);
/// How long the server may take to go down before it is made to.
const GOING_DOWN: Duration = Duration::from_secs(90);

/// Decides the trial that this boot is, and then goes on looking. `say` gets a line for each thing
/// that happens.
///
/// # Errors
/// The trial could not be decided: whoever starts this program starts it again.
pub fn trial(say: &dyn Fn(&str)) -> Result<()> {
    let (number, within) = {
        let mut machine = Machine::open()?;
        let within = Duration::from_secs(machine.server.config()?.health_within);
        (machine.server.begin_trial(&boot_id()?)?.number, within)
    };
    say(&format!("generation {number} is on trial, {} s from the start", within.as_secs()));
    loop {
        let health = checks::look();
        note(&health)?;
        if !trials()?.last().is_some_and(|last| last.is_open()) {
            // The owner has confirmed it.
            return watch(say, health);
        }
        if health.healthy {
            // What was never read was never checked.
            verity::read_all()?;
            Machine::open()?.server.confirm()?;
            say(&format!("generation {number} is confirmed"));
            return watch(say, health);
        }
        if going_down() {
            // `leave` decides.
            thread::sleep(GOING_DOWN);
        } else if uptime() >= within {
            return give_up(number, within, health, say);
        }
        thread::sleep(TRIAL_INTERVAL);
    }
}

fn give_up(number: u64, within: Duration, health: Health, say: &dyn Fn(&str)) -> Result<()> {
    let first = health.lines.first().cloned().unwrap_or_default();
    let what = if first.is_empty() { String::new() } else { format!(": {first}") };
    let reason = format!("it was not healthy within {} s{what}", within.as_secs());
    say(&format!("generation {number} has failed: {reason}"));
    Machine::open()?.server.fail(&reason, health.lines)?;
    let reboot = |error| Error::io("reboot", "the server")(error);
    checks::reboot().map_err(reboot)?;
    thread::sleep(GOING_DOWN);
    // It is still there.
    rustix::fs::sync();
    let forced = rustix::system::reboot(rustix::system::RebootCommand::Restart);
    forced.map_err(std::io::Error::from).map_err(reboot)
}

/// Not on trial: decides a trial that ended without a word, and then goes on looking.
pub fn settled(say: &dyn Fn(&str)) -> Result<()> {
    let failed = match Machine::open()?.server.settle()? {
        Settled::Nothing => None,
        Settled::Armed(number) => {
            say(&format!("the next boot is the trial of generation {number}"));
            None
        }
        Settled::Failed(trial) => Some(trial),
    };
    if let Some(trial) = failed {
        let (number, reason) = (trial.number, trial.reason.clone().unwrap_or_default());
        say(&format!("the trial of generation {number} has failed: {reason}"));
        if let Some(blob) = Machine::open()?.server.examine(&trial)? {
            say(&format!("blob {blob} of generation {number} is damaged on this disk"));
        }
    }
    let within = Duration::from_secs(Machine::open()?.server.config()?.health_within);
    loop {
        let health = checks::look();
        if health.healthy || uptime() >= within {
            return watch(say, health);
        }
        thread::sleep(TRIAL_INTERVAL);
    }
}

/// Says when the server's health changes, for ever. It never reboots.
fn watch(say: &dyn Fn(&str), first: Health) -> Result<()> {
    let mut health = first;
    let mut said = None;
    loop {
        note(&health)?;
        if said != Some(health.healthy) {
            said = Some(health.healthy);
            say(if health.healthy {
                "the server is healthy"
            } else {
                "the server is not healthy:"
            });
            for line in health.lines.iter().filter(|_| !health.healthy) {
                say(line);
            }
        }
        thread::sleep(INTERVAL);
        health = checks::look();
    }
}

/// The server is being shut down: an undecided trial gets another boot.
pub fn leave(say: &dyn Fn(&str)) -> Result<()> {
    if !booted()?.trial || !going_down() {
        return Ok(());
    }
    if Machine::open()?.server.rearm()? {
        say("the server goes down before the trial is decided: the next boot is its trial again");
    }
    Ok(())
}

fn going_down() -> bool {
    checks::system_state() == "stopping"
}

/// Leaves what was seen for `status`.
fn note(health: &Health) -> Result<()> {
    let new = format!("{HEALTH}.new");
    let bytes = serde_json::to_vec(health).map_err(std::io::Error::from);
    bytes
        .and_then(|bytes| fs::write(&new, bytes))
        .and_then(|()| fs::rename(&new, HEALTH))
        .map_err(Error::io("write", HEALTH))
}
