//! What runs as long as the server does: it decides a trial, says why one failed, and keeps looking
//! whether the server is well.

use std::fs;
use std::thread;
use std::time::Duration;

use generation::Chain;
use transfer::report::Health;

use crate::checks::Look;
use crate::machine::{HEALTH, Machine, boot_id, booted, layout, trials, uptime};
use crate::server::Settled;
use crate::{Error, Result, checks, verity};

/// Between two looks at a trial.
const TRIAL_INTERVAL: Duration = Duration::from_secs(2);
/// How long units have to have failed, in a server that has started, for a trial to be over.
const HOPELESS: Duration = Duration::from_secs(15);
/// Between two looks at a server that is settled.
const INTERVAL: Duration = Duration::from_secs(300);
/// How long a trial may take whose config cannot be read.
const NO_CONFIG: Duration = Duration::from_secs(300);
/// How long the server may take to go down before it is made to.
const GOING_DOWN: Duration = Duration::from_secs(90);

/// Decides the trial that this boot is, and then goes on looking. `say` gets a line for each thing
/// that happens. Whatever goes wrong here is wrong with the generation: the trial ends in time.
///
/// # Errors
/// The server is confirmed, and what it says of its health cannot be kept; or it was to reboot and
/// does not.
pub fn trial(say: &dyn Fn(&str)) -> Result<()> {
    let within = within();
    let mut number = None;
    let mut hopeless_since = None;
    loop {
        let look = match decide(&mut number, within, say) {
            Ok(Decided::Confirmed(health)) => return watch(say, health),
            Ok(Decided::NotYet(look)) => look,
            Err(error) => {
                let lines = vec![Chain(&error).to_string()];
                Look { health: Health { healthy: false, lines }, hopeless: false }
            }
        };
        if look.hopeless {
            hopeless_since.get_or_insert_with(uptime);
        } else {
            hopeless_since = None;
        }
        let hopeless = hopeless_since.is_some_and(|since| uptime() >= since + HOPELESS);
        if going_down() {
            // `leave` decides.
            thread::sleep(GOING_DOWN);
        } else if hopeless || uptime() >= within {
            return give_up(look.health, say);
        }
        thread::sleep(TRIAL_INTERVAL);
    }
}

enum Decided {
    Confirmed(Health),
    NotYet(Look),
}

/// Looks once. `number` is the generation's, once its trial has been noted to have begun.
fn decide(number: &mut Option<u64>, within: Duration, say: &dyn Fn(&str)) -> Result<Decided> {
    let generation = match *number {
        Some(number) => number,
        None => {
            let trial = Machine::open()?.server.begin_trial(&boot_id()?)?;
            let seconds = within.as_secs();
            say(&format!("generation {} is on trial, {seconds} s from the start", trial.number));
            *number.insert(trial.number)
        }
    };
    let look = checks::look();
    let health = &look.health;
    note(health)?;
    if !trials()?.last().is_some_and(|last| last.is_open()) {
        // The owner has confirmed it.
        return Ok(Decided::Confirmed(look.health));
    }
    if !health.healthy {
        return Ok(Decided::NotYet(look));
    }
    // What was never read was never checked.
    verity::read_all()?;
    Machine::open()?.server.confirm()?;
    say(&format!("generation {generation} is confirmed"));
    Ok(Decided::Confirmed(look.health))
}

/// How long the trial may take.
fn within() -> Duration {
    let config = || {
        let layout = layout()?;
        Ok::<_, Error>(layout.config(&layout.manifest(booted()?.generation)?)?)
    };
    // A generation that cannot read its own config does not get better.
    config().map_or(NO_CONFIG, |config| Duration::from_secs(config.health_within))
}

fn give_up(health: Health, say: &dyn Fn(&str)) -> Result<()> {
    let first = health.lines.iter().take(2).cloned().collect::<Vec<_>>().join(" ");
    let reason = format!("it was not healthy after {} s: {first}", uptime().as_secs());
    say(&format!("the trial has failed: {reason}"));
    let noted = Machine::open().and_then(|mut it| it.server.fail(&reason, health.lines));
    if let Err(error) = noted {
        // The bootloader has taken the mark away: the next boot is the default's all the same.
        say(&format!("that cannot be recorded: {}", Chain(&error)));
    }
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
    let within = within();
    loop {
        let health = checks::look().health;
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
        health = checks::look().health;
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
