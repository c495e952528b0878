//! The menu on a console.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{self, LocalModes, OptionalActions};

use super::password::Hash;
use super::{REASON, is_emergency, login_unit};
use crate::catalog::{Catalog, Held};
use crate::machine::{self, Machine};
use crate::trials::Terms;
use crate::{Error, Result, checks};

/// Where the definition has the hash of a password, which opens a shell.
pub const PASSWORD: &str = "/etc/heirloom/first-aid";

/// How often it is looked whether there is still a reason.
const LOOK: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// After a password that is wrong.
const PAUSE: Duration = Duration::from_secs(3);

/// The longest line that is read, in bytes.
const LINE: usize = 512;

/// What was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A generation that was confirmed is tried once.
    Try(u64),
    /// A shell, for who has the password.
    Shell,
    /// A login, as without trouble.
    LogIn,
    /// The default boots again.
    Reboot,
    /// Emergency mode is left.
    GoOn,
    /// The menu once more.
    Again,
}

/// What may be chosen.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Why there is a menu.
    pub reason: String,
    /// The generations that were confirmed, by number.
    pub generations: Vec<Held>,
    /// The one that runs.
    pub running: Option<u64>,
    /// Whether the definition has a password.
    pub shell: bool,
}

impl Offer {
    /// What `line` chooses; what is not offered cannot be chosen.
    pub fn choice(&self, line: &str) -> Choice {
        let emergency = is_emergency(&self.reason);
        match line.trim() {
            "s" if self.shell => Choice::Shell,
            "l" if !emergency => Choice::LogIn,
            "c" if emergency => Choice::GoOn,
            "r" => Choice::Reboot,
            number => match number.parse() {
                Ok(number) if self.can_try(number) => Choice::Try(number),
                _ => Choice::Again,
            },
        }
    }

    /// What runs needs no trial.
    fn can_try(&self, number: u64) -> bool {
        self.running != Some(number) && self.generations.iter().any(|it| it.number == number)
    }

    /// The menu as it is shown.
    pub fn text(&self) -> String {
        let mut text = format!("\nFirst aid: {}\n\n", self.reason.escape_debug());
        for held in &self.generations {
            let (number, generation) = (held.number, held.generation.short());
            // Writing to a string cannot fail.
            let _ = match self.running == Some(number) {
                true => writeln!(text, "      generation {number}, {generation}, is running"),
                false => writeln!(text, "{number:>4}  try generation {generation} once"),
            };
        }
        let mut line = |key: &str, what: &str| {
            let _ = writeln!(text, "{key:>4}  {what}");
        };
        line("r", "reboot");
        match is_emergency(&self.reason) {
            true => line("c", "leave emergency mode and go on with the boot"),
            false => line("l", "log in"),
        }
        match self.shell {
            true => line("s", "a shell, with the password"),
            false => text.push_str("      no shell: the definition has no password for one\n"),
        }
        text.push_str("\n> ");
        text
    }
}

/// Shows the menu on this terminal until there is no reason for it any more.
///
/// # Errors
/// The terminal cannot be read.
pub fn run(console: &str) -> Result<()> {
    let mut shown = None;
    while let Some(reason) = reason() {
        let offer = offer(&reason);
        if shown.as_ref() != Some(&reason) {
            print(&offer.text());
            shown = Some(reason);
        }
        let Some(line) = read_line(Some(LOOK))? else { continue };
        shown = None;
        match offer.choice(&line) {
            Choice::Try(number) => try_generation(number),
            Choice::Shell => shell()?,
            Choice::LogIn => {
                let _ = Command::new("/bin/login").status();
            }
            Choice::Reboot => {
                let _ = checks::reboot();
            }
            Choice::GoOn => {
                // The menu ends with emergency mode, whatever comes of it.
                let _ = fs::remove_file(REASON);
                checks::systemctl(&["--no-block", "default"]);
            }
            Choice::Again => {}
        }
    }
    print("\nThe server can be reached again.\n");
    checks::systemctl(&["--no-block", "start", &login_unit(console)]);
    Ok(())
}

fn reason() -> Option<String> {
    Some(fs::read_to_string(REASON).ok()?.trim().to_owned())
}

fn offer(reason: &str) -> Offer {
    let catalog = machine::layout().and_then(|layout| Ok(Catalog::new(layout.index()?)));
    // Without its disk a server has no generations to offer, and all the same a menu.
    let mut generations = catalog.map(|catalog| catalog.confirmed()).unwrap_or_default();
    generations.sort_by_key(|held| held.number);
    let booted = machine::booted().ok().map(|boot| boot.generation);
    let running = generations.iter().find(|held| Some(held.generation) == booted);
    Offer {
        reason: reason.to_owned(),
        running: running.map(|held| held.number),
        generations,
        shell: hash().is_some(),
    }
}

fn hash() -> Option<Hash> {
    Hash::parse(&fs::read_to_string(PASSWORD).ok()?)
}

fn try_generation(number: u64) {
    let terms = Terms { token: None, failed_before: checks::failed_units() };
    let switched = Machine::open().and_then(|mut machine| machine.server.switch(number, terms));
    match switched {
        Ok(_) => {
            print(&format!("generation {number} is tried now\n"));
            let _ = checks::reboot();
        }
        Err(error) => print(&format!("that cannot be: {}\n", generation::Chain(&error))),
    }
}

/// A shell on this terminal, for who knows the password.
fn shell() -> Result<()> {
    let asked = without_echo(|| {
        print("password: ");
        read_line(None)
    });
    let typed = asked?.unwrap_or_default();
    print("\n");
    // Read anew: what it was when the menu was shown opens nothing.
    if !hash().is_some_and(|hash| hash.is_of(typed.as_bytes())) {
        thread::sleep(PAUSE);
        print("that is not the password\n");
        return Ok(());
    }
    let bash = "/bin/bash";
    let program = if Path::new(bash).exists() { bash } else { "/bin/sh" };
    let mut shell = Command::new(program);
    shell.arg0(if program == bash { "-bash" } else { "-sh" });
    shell.env("HOME", "/root").env("USER", "root").env("LOGNAME", "root").current_dir("/root");
    if let Err(error) = shell.status() {
        print(&format!("{program} does not start: {error}\n"));
    }
    Ok(())
}

fn print(text: &str) {
    let mut output = io::stdout().lock();
    // Nobody has to listen.
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

/// A line that is typed, without its end; nothing when none is within `patience`.
fn read_line(patience: Option<Timespec>) -> Result<Option<String>> {
    let failed = Error::io("read", "the terminal");
    let stdin = io::stdin();
    let mut polled = [PollFd::new(&stdin, PollFlags::IN)];
    match poll(&mut polled, patience.as_ref()) {
        Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(None),
        Ok(_) => {}
        Err(errno) => return Err(failed(errno.into())),
    }
    // A terminal gives one line at a time, or less.
    let mut line = [0; LINE];
    let read = stdin.lock().read(&mut line).map_err(failed)?;
    if read == 0 {
        // Its end was typed, or nobody is there: not asked again at once.
        thread::sleep(Duration::from_secs(1));
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&line[..read]).into_owned();
    Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
}

/// Does something while the terminal does not show what is typed.
fn without_echo<T>(mut done: impl FnMut() -> Result<T>) -> Result<T> {
    let stdin = io::stdin();
    let failed = |errno: rustix::io::Errno| Error::io("set", "the terminal")(errno.into());
    let before = termios::tcgetattr(&stdin).map_err(failed)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    termios::tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(failed)?;
    let result = done();
    termios::tcsetattr(&stdin, OptionalActions::Now, &before).map_err(failed)?;
    result
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use digest::Digest;

    use super::*;

    fn offer(reason: &str, shell: bool) -> Offer {
        let held = |number: u64| Held {
            number,
            generation: Digest::of(number.to_string()),
            confirmed: Some(number),
            pinned: false,
            annotations: BTreeMap::new(),
        };
        Offer {
            reason: reason.into(),
            generations: vec![held(2), held(7)],
            running: Some(7),
            shell,
        }
    }

    #[test]
    fn only_what_is_offered_can_be_chosen() {
        let without = offer("there is no network", false);
        assert_eq!(without.choice("s"), Choice::Again, "there is no password");
        assert_eq!(without.choice(" 2 "), Choice::Try(2));
        for line in ["", "1", "7", "3", "-2", "2; sh", "sh", "c", "s\n"] {
            assert_eq!(without.choice(line), Choice::Again, "{line}");
        }
        assert_eq!(without.choice("l"), Choice::LogIn);
        assert_eq!(without.choice("r"), Choice::Reboot);
        let with = offer("there is no network", true);
        assert_eq!(with.choice("s"), Choice::Shell);
        let emergency = offer("the server is in emergency mode: x.mount", true);
        assert_eq!(emergency.choice("c"), Choice::GoOn);
        assert_eq!(emergency.choice("l"), Choice::Again);
    }

    #[test]
    fn the_menu_says_what_there_is_and_why_there_is_no_shell() {
        let text = offer("there is no network: no default route\x1b[2J", false).text();
        assert!(text.starts_with("\nFirst aid: there is no network: no default route\\u{1b}[2J\n"));
        assert!(text.contains("   2  try generation "), "{text}");
        assert!(text.contains("      generation 7, "), "{text}");
        assert!(text.contains("no shell: the definition has no password"), "{text}");
        let text = offer("the server is in emergency mode: x.mount", true).text();
        assert!(text.contains("s  a shell, with the password"), "{text}");
        assert!(text.contains("c  leave emergency mode"), "{text}");
    }
}
