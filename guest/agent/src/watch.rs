//! What runs as long as the server does: it decides a trial, says why one failed, and keeps looking
//! whether the server is well.

mod here;

use std::time::Duration;

use generation::Chain;
use transfer::report::Health;

use crate::checks::Look;
use crate::server::{Confirmed, Opened, Settled};
use crate::trials::{Trial, Trials};
use crate::{Error, Result};

pub use here::Here;

/// Between two looks at a trial.
const TRIAL_INTERVAL: Duration = Duration::from_secs(2);
/// How long units have to have failed, in a server that has started, for a trial to be over.
const HOPELESS: Duration = Duration::from_secs(15);
/// How often another command is waited for before a trial ends without its reason.
const PATIENCE: u32 = 3;
/// Between two looks at a server that is settled.
const INTERVAL: Duration = Duration::from_secs(300);
/// How long the server may take to go down before it is made to.
const GOING_DOWN: Duration = Duration::from_secs(90);

/// The machine that is watched: [`Here`], or a played one.
pub trait Place {
    /// Its server, open.
    type Opened: Opened;

    /// Opens the server.
    ///
    /// # Errors
    /// [`Error::Busy`] while another command has it open for longer than one waits. That says
    /// nothing of its health, and passes.
    fn open(&self) -> Result<Self::Opened>;

    /// What became of trials.
    fn trials(&self) -> Result<Trials>;

    /// Whether what runs was booted on trial.
    fn is_trial(&self) -> Result<bool>;

    /// A text that is another at each boot.
    fn boot_id(&self) -> Result<String>;

    /// The time from the start to the end of a trial.
    fn within(&self) -> Duration;

    /// Whether the server is healthy.
    fn look(&self) -> Look;

    /// Leaves what was seen for `status`.
    fn note(&self, health: &Health) -> Result<()>;

    /// Reads every block of every layer: what was never read was never checked.
    fn read_all(&self) -> Result<()>;

    /// Whether the server is being shut down.
    fn is_going_down(&self) -> bool;

    /// The time since the start.
    fn uptime(&self) -> Duration;

    /// Waits.
    fn pause(&self, time: Duration);

    /// Reboots the server, and returns when it does not.
    fn reboot(&self) -> Result<()>;
}

/// Decides the trial that this boot is, and then goes on looking. `say` gets a line for each thing
/// that happens. Whatever goes wrong here is wrong with the generation: the trial ends in time.
/// Only of another command at work it is not said, and a healthy generation waits for that.
///
/// # Errors
/// The server is confirmed, and what it says of its health cannot be kept; or it was to reboot and
/// does not.
pub fn trial(place: &impl Place, say: &dyn Fn(&str)) -> Result<()> {
    let within = place.within();
    let mut number = None;
    let mut hopeless_since = None;
    let mut unnoted = None;
    loop {
        let look = match decide(place, &mut number, within, say) {
            Ok(Decided::Confirmed(health)) => return watch(place, say, health),
            Ok(Decided::Healthy) => None,
            // Nothing takes it back: it is noted as soon as it can be.
            Ok(Decided::Unnoted(what)) => {
                if unnoted.replace(what.clone()).is_none() {
                    say(&what);
                }
                None
            }
            Err(error @ Error::TooManyBoots(_)) => {
                say(&format!("the trial has failed: {error}"));
                return place.reboot();
            }
            Ok(Decided::NotYet(look)) => Some(look),
            Err(error) => {
                let health = Health { lines: vec![Chain(&error).to_string()], ..unknown() };
                Some(Look { health, hopeless: false })
            }
        };
        if look.as_ref().is_some_and(|look| look.hopeless) {
            hopeless_since.get_or_insert_with(|| place.uptime());
        } else {
            hopeless_since = None;
        }
        let hopeless = hopeless_since.is_some_and(|since| place.uptime() >= since + HOPELESS);
        let over = hopeless || place.uptime() >= within;
        match look {
            // `leave` decides.
            _ if place.is_going_down() => place.pause(GOING_DOWN),
            Some(look) if over && unnoted.is_none() => return give_up(place, look.health, say),
            _ => {}
        }
        place.pause(TRIAL_INTERVAL);
    }
}

enum Decided {
    Confirmed(Health),
    /// It is to be confirmed, and somebody else is changing the server just now.
    Healthy,
    /// It is confirmed, and why that is not noted.
    Unnoted(String),
    NotYet(Look),
}

/// Looks once. `number` is the generation's, once its trial has been noted to have begun.
fn decide(
    place: &impl Place,
    number: &mut Option<u64>,
    within: Duration,
    say: &dyn Fn(&str),
) -> Result<Decided> {
    if number.is_none() {
        *number = begin(place, within, say)?;
    }
    let look = place.look();
    place.note(&look.health)?;
    if number.is_some() && !place.trials()?.last().is_some_and(|last| last.is_open()) {
        // The owner has confirmed it.
        return Ok(Decided::Confirmed(look.health));
    }
    if !look.health.healthy {
        return Ok(Decided::NotYet(look));
    }
    if place.trials()?.last().is_some_and(|last| last.token.is_some()) {
        // Of its own it cannot know whether its owner still reaches it.
        return Ok(Decided::NotYet(look));
    }
    place.read_all()?;
    match unless_busy(place.open().and_then(|mut it| it.server().confirm()))? {
        None => Ok(Decided::Healthy),
        Some(Confirmed { number, unnoted: Some(error) }) => {
            let error = Chain(&error);
            Ok(Decided::Unnoted(format!(
                "generation {number} is confirmed, not noted yet: {error}"
            )))
        }
        Some(Confirmed { number, unnoted: None }) => {
            say(&format!("generation {number} is confirmed"));
            Ok(Decided::Confirmed(look.health))
        }
    }
}

/// Notes that the trial has begun; its generation's number, unless that has to wait.
fn begin(place: &impl Place, within: Duration, say: &dyn Fn(&str)) -> Result<Option<u64>> {
    let boot = place.boot_id()?;
    let begun = unless_busy(place.open().and_then(|mut it| it.server().begin_trial(&boot)))?;
    Ok(begun.map(|trial| {
        let seconds = within.as_secs();
        say(&format!("generation {} is on trial, {seconds} s from the start", trial.number));
        trial.number
    }))
}

/// Nothing, where another command is at work.
fn unless_busy<T>(done: Result<T>) -> Result<Option<T>> {
    match done {
        Err(Error::Busy) => Ok(None),
        done => done.map(Some),
    }
}

fn unknown() -> Health {
    Health { healthy: false, starting: false, lines: Vec::new() }
}

fn give_up(place: &impl Place, health: Health, say: &dyn Fn(&str)) -> Result<()> {
    let first = health.lines.iter().take(2).cloned().collect::<Vec<_>>().join(" ");
    let seconds = place.uptime().as_secs();
    let reason = match health.healthy {
        true => format!("it was healthy, and who deployed it did not log in within {seconds} s"),
        false => format!("it was not healthy after {seconds} s: {first}"),
    };
    say(&format!("the trial has failed: {reason}"));
    let note = || place.open().and_then(|mut it| it.server().fail(&reason, health.lines.clone()));
    // A reason is worth a minute's wait for another command.
    let again = (1..PATIENCE).map(|_| note()).find(|noted| !matches!(noted, Err(Error::Busy)));
    if let Err(error) = again.unwrap_or_else(note) {
        // The bootloader has taken the mark away: the next boot is the default's all the same.
        say(&format!("that cannot be recorded: {}", Chain(&error)));
    }
    place.reboot()
}

/// Not on trial: decides a trial that ended without a word, and then goes on looking. A server that
/// is ill, as one whose disk cannot be written, is looked at whether that can be decided or not.
///
/// # Errors
/// It cannot be decided, and nothing else is wrong with the server.
pub fn settled(place: &impl Place, say: &dyn Fn(&str)) -> Result<()> {
    let within = place.within();
    let mut failed = None;
    let mut trouble = None;
    let mut settled = false;
    loop {
        if !settled {
            match unless_busy(place.open().and_then(|mut it| it.server().settle())) {
                Err(error) => {
                    if trouble.is_none() {
                        say(&format!("trials cannot be settled: {}", Chain(&error)));
                    }
                    trouble = Some(error);
                }
                // The next time round; how the server is can be said meanwhile.
                Ok(None) => {}
                Ok(Some(Settled::Nothing)) => settled = true,
                Ok(Some(Settled::Armed(number))) => {
                    say(&format!("the next boot is the trial of generation {number}"));
                    settled = true;
                }
                Ok(Some(Settled::Failed(trial))) => {
                    let (number, reason) = (trial.number, trial.reason.as_deref().unwrap_or(""));
                    say(&format!("the trial of generation {number} has failed: {reason}"));
                    failed = Some(trial);
                    settled = true;
                }
            }
        }
        let examined = failed.as_ref().map(|trial| examine(place, trial, say)).transpose()?;
        if examined == Some(true) {
            failed = None;
        }
        let health = place.look().health;
        if settled && failed.is_none() && (health.healthy || place.uptime() >= within) {
            return watch(place, say, health);
        }
        match trouble.take_if(|_| !settled && !health.starting) {
            Some(error) if health.healthy => return Err(error),
            Some(_) => return watch(place, say, health),
            None => {}
        }
        place.note(&health)?;
        place.pause(TRIAL_INTERVAL);
    }
}

/// Looks for damage in a generation that failed. Whether that could be done now.
fn examine(place: &impl Place, trial: &Trial, say: &dyn Fn(&str)) -> Result<bool> {
    let examined = unless_busy(place.open().and_then(|mut it| it.server().examine(trial)))?;
    if let Some(Some(blob)) = examined {
        let number = trial.number;
        say(&format!("blob {blob} of generation {number} is damaged on this disk"));
    }
    Ok(examined.is_some())
}

/// Says when the server's health changes, for ever. It never reboots.
fn watch(place: &impl Place, say: &dyn Fn(&str), first: Health) -> Result<()> {
    let mut health = first;
    let mut said = None;
    loop {
        place.note(&health)?;
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
        place.pause(INTERVAL);
        health = place.look().health;
    }
}

/// The server is being shut down: an undecided trial gets another boot. It waits for another
/// command as long as systemd lets it (TimeoutStopSec=).
pub fn leave(place: &impl Place, say: &dyn Fn(&str)) -> Result<()> {
    if !place.is_trial()? || !place.is_going_down() {
        return Ok(());
    }
    let again = loop {
        match unless_busy(place.open().and_then(|mut it| it.server().rearm()))? {
            Some(again) => break again,
            None => place.pause(TRIAL_INTERVAL),
        }
    };
    if again {
        say("the server goes down before the trial is decided: the next boot is its trial again");
    }
    Ok(())
}
