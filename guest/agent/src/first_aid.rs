//! First aid: when nobody can reach a server, its consoles offer what can be done there.
//!
//! `first-aid watch` looks whether the server can be reached. Once it has not been for a while it
//! leaves the reason in [`REASON`] and has a menu started on every console; when the server is
//! well again it takes the reason away, and the menus end by themselves. In emergency mode, where
//! root has no password and systemd has nothing to offer, `first-aid emergency` does the same at
//! once. A generation on trial is offered nothing: it falls back by itself.

pub mod menu;
pub mod password;

use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use generation::cmdline::Boot;

use crate::checks::systemctl;
use crate::trials::Trial;
use crate::{Error, Result, checks, machine};

/// Why there is a menu; not there when there is none.
pub const REASON: &str = "/run/heirloom/first-aid";

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(15);

/// So many looks in a row have to find that nobody can reach the server: a minute.
const LOOKS: u32 = 4;

/// A boot that has not come to its end by then is looked at as one that has.
const SETTLED: Duration = Duration::from_secs(300);

/// The consoles that the kernel has (Documentation/ABI/testing/sysfs-tty).
const CONSOLES: &str = "/sys/class/tty/console/active";

/// What one look finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether systemd is still starting units.
    pub starting: bool,
    /// Since the start of the kernel.
    pub uptime: Duration,
    /// The state of the ssh server, in systemd's words; nothing where none is installed.
    pub ssh: Option<String>,
    /// What is wrong with the network, if anything.
    pub network: Option<String>,
}

/// Why nobody can reach the server; nothing when somebody can, or when that is not known yet.
pub fn trouble(seen: &Seen) -> Option<String> {
    if seen.starting && seen.uptime < SETTLED {
        return None;
    }
    if let Some(why) = &seen.network {
        return Some(format!("there is no network: {why}"));
    }
    let state = seen.ssh.as_deref()?;
    (state != "active").then(|| format!("the ssh server is {state}"))
}

/// Looks for ever, and has consoles offer first aid while nobody can reach the server.
///
/// # Errors
/// The reason can be neither left nor taken away.
pub fn watch(say: &dyn Fn(&str)) -> Result<()> {
    // Emergency mode may have left one.
    withdraw()?;
    let mut looks = 0;
    loop {
        let found = if may_fall_back() { None } else { trouble(&look()) };
        match found {
            Some(reason) => {
                looks += 1;
                if looks == LOOKS {
                    say(&format!("first aid is offered on the consoles: {reason}"));
                }
                if looks >= LOOKS {
                    offer(&reason)?;
                }
            }
            None if looks >= LOOKS => {
                say("the server can be reached: first aid is no longer offered");
                withdraw()?;
                looks = 0;
            }
            None => looks = 0,
        }
        thread::sleep(INTERVAL);
    }
}

/// In the place of systemd's own shell in emergency mode: it waits until systemd ends it.
///
/// # Errors
/// The reason cannot be left.
pub fn emergency() -> Result<()> {
    let units = checks::failed_units();
    let units = if units.is_empty() { "no unit has failed".into() } else { units.join(", ") };
    loop {
        // Menus that have ended are started again.
        if !may_fall_back() {
            offer(&format!("{EMERGENCY}: {units}"))?;
        }
        thread::sleep(INTERVAL);
    }
}

/// Begins the reason in emergency mode.
const EMERGENCY: &str = "the server is in emergency mode";

/// Whether this reason is that of emergency mode.
pub(crate) fn is_emergency(reason: &str) -> bool {
    reason.starts_with(EMERGENCY)
}

fn offer(reason: &str) -> Result<()> {
    fs::write(REASON, format!("{reason}\n")).map_err(Error::io("write", REASON))?;
    let active = fs::read_to_string(CONSOLES).unwrap_or_default();
    for console in consoles(&active) {
        systemctl(&["start", "--no-block", &format!("heirloom-first-aid@{console}.service")]);
    }
    Ok(())
}

fn withdraw() -> Result<()> {
    match fs::remove_file(REASON) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(Error::io("remove", REASON)),
    }
}

/// The terminals on which there is somebody to read a menu. tty0 is the virtual terminal that is
/// in front; the first is where a login is.
pub fn consoles(active: &str) -> Vec<&str> {
    active.split_whitespace().map(|name| if name == "tty0" { "tty1" } else { name }).collect()
}

/// The unit that asks for a login on a console (systemd-getty-generator(8)).
pub(crate) fn login_unit(console: &str) -> String {
    let is_virtual = console.strip_prefix("tty").is_some_and(|it| it.parse::<u8>().is_ok());
    format!("{}getty@{console}.service", if is_virtual { "" } else { "serial-" })
}

/// Whether what runs is on trial, which ends by itself. What cannot be read offers first aid.
fn may_fall_back() -> bool {
    let trials = machine::trials().map(|trials| trials.all()).unwrap_or_default();
    machine::booted().is_ok_and(|boot| is_undecided(&boot, &trials))
}

/// Whether `boot` is a trial of which nothing is decided: one that was confirmed goes on until the
/// next boot with the command line of a trial.
fn is_undecided(boot: &Boot, trials: &[Trial]) -> bool {
    let of_it = trials.iter().rfind(|trial| trial.generation == boot.generation);
    boot.trial && of_it.is_none_or(Trial::is_open)
}

fn look() -> Seen {
    let state = systemctl(&["is-system-running"]);
    let starting = matches!(state.as_str(), "initializing" | "starting");
    let network = health::network().err().map(|failure| failure.to_string());
    Seen { starting, uptime: machine::uptime(), ssh: ssh(), network }
}

/// Debian calls it ssh, Arch sshd; one that is started by a connection has a socket.
fn ssh() -> Option<String> {
    let states: Vec<String> = ["ssh.service", "sshd.service", "ssh.socket", "sshd.socket"]
        .into_iter()
        .filter_map(|unit| {
            let shown = systemctl(&["show", "--property=LoadState,ActiveState", unit]);
            is_loaded(&shown)
        })
        .collect();
    let active = states.iter().find(|state| *state == "active");
    active.or(states.first()).cloned()
}

/// The state of a unit that is there, of what `systemctl show` says.
fn is_loaded(shown: &str) -> Option<String> {
    shown.lines().find(|line| *line == "LoadState=loaded")?;
    let state = shown.lines().find_map(|line| line.strip_prefix("ActiveState="))?;
    Some(state.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Seen {
        let uptime = Duration::from_secs(60);
        Seen { starting: false, uptime, ssh: Some("active".into()), network: None }
    }

    #[test]
    fn nothing_is_wrong_with_a_server_that_can_be_reached() {
        assert_eq!(trouble(&well()), None);
        // One without an ssh server is reached in another way, if at all.
        assert_eq!(trouble(&Seen { ssh: None, ..well() }), None);
    }

    #[test]
    fn no_network_and_no_ssh_server_are_trouble_once_the_boot_is_over() {
        let network = Some("no default route".to_owned());
        let alone = Seen { network, ..well() };
        assert_eq!(trouble(&alone).unwrap(), "there is no network: no default route");
        let dead = Seen { ssh: Some("failed".into()), ..well() };
        assert_eq!(trouble(&dead).unwrap(), "the ssh server is failed");
        for seen in [alone, dead] {
            assert_eq!(trouble(&Seen { starting: true, ..seen.clone() }), None);
            let stuck = Seen { starting: true, uptime: SETTLED, ..seen };
            assert!(trouble(&stuck).is_some(), "a boot that never ends is over some time");
        }
    }

    #[test]
    fn a_trial_that_was_confirmed_is_offered_what_others_are() {
        let generation = digest::Digest::of("m");
        let data = generation::cmdline::Data::Iso("A".into());
        let boot = Boot { generation, data, trial: true };
        let open = Trial::armed(2, generation);
        let mut failed = open.clone();
        failed.fail("it is over", Vec::new());
        // Another one that waits for its boot says nothing of this one.
        let other = Trial::armed(3, digest::Digest::of("n"));
        assert!(is_undecided(&boot, &[]) && is_undecided(&boot, &[open.clone(), other.clone()]));
        assert!(!is_undecided(&boot, &[failed, other]));
        assert!(!is_undecided(&Boot { trial: false, ..boot }, &[open]));
    }

    #[test]
    fn a_menu_is_where_a_login_was() {
        assert_eq!(consoles("tty0 ttyS0\n"), ["tty1", "ttyS0"]);
        assert!(consoles("").is_empty());
        assert_eq!(login_unit("tty1"), "getty@tty1.service");
        assert_eq!(login_unit("ttyS0"), "serial-getty@ttyS0.service");
        assert_eq!(login_unit("hvc0"), "serial-getty@hvc0.service");
    }

    #[test]
    fn a_unit_that_is_not_there_has_no_state() {
        assert_eq!(is_loaded("LoadState=loaded\nActiveState=active").as_deref(), Some("active"));
        assert_eq!(is_loaded("LoadState=not-found\nActiveState=inactive"), None);
        assert_eq!(is_loaded(""), None);
    }
}
