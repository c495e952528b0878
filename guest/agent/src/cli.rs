//! The command line.

use std::ffi::OsString;

use lexopt::prelude::*;

use crate::{Error, Result};

/// What can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `--help`
    Help,
    /// `--version`
    Version,
    /// `status`
    Status,
    /// `list`
    List,
    /// `stage`
    Stage,
    /// `switch N`, `rollback [N]`
    Switch {
        /// The generation; for a roll back without one, the one before.
        number: Option<u64>,
        /// Whether the server reboots at once.
        reboot: bool,
        /// Whether it is kept only when somebody logs in and acknowledges it.
        acknowledge: bool,
    },
    /// `acknowledge TOKEN`
    Acknowledge {
        /// The trial's, as `status --json` has it.
        token: String,
    },
    /// `confirm`
    Confirm,
    /// `pin N`, `unpin N`
    Pin {
        /// The generation.
        number: u64,
        /// Whether it is kept.
        pinned: bool,
    },
    /// `gc`
    Collect,
    /// `audit`
    Audit {
        /// Whether what is made anew is listed too.
        all: bool,
    },
    /// `scrub`, of heirloom-scrub.service
    Scrub,
    /// `mirror add DISK`
    MirrorAdd {
        /// The disk, as the kernel names it.
        disk: String,
        /// Whether what is on it may go.
        force: bool,
    },
    /// `deploy-only`, the forced command of a key
    DeployOnly,
    /// `first-aid CONSOLE`, of heirloom-first-aid@.service
    FirstAid {
        /// The terminal's name in /dev.
        console: String,
    },
    /// `first-aid watch`, of heirloom-first-aid.service
    FirstAidWatch,
    /// `first-aid emergency`, of emergency.service and rescue.service
    FirstAidEmergency,
    /// `watch`, of heirloom-trial.service
    Watch,
    /// `settle`, of heirloom-settle.service
    Settle,
    /// `leave`, of heirloom-trial.service
    Leave,
}

/// A command, and how it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What is asked for.
    pub command: Command,
    /// Whether the answer is JSON.
    pub json: bool,
}

/// What `--help` says.
pub const HELP: &str = "\
The generations of this server.

Usage: heirloom COMMAND [--json]

  status           what runs, what boots next, whether it is healthy
  list             all generations
  switch N         boot generation N on trial: it is kept if it proves healthy
  rollback [N]     the same with the generation that was confirmed before
  confirm          keep what is on trial, healthy or not
  acknowledge TOKEN
                   say that the server is reached (cargo xtask deploy does)
  pin N, unpin N   keep a generation whatever else comes, or no longer
  gc               remove what is too much, and what nobody needs
  audit            what was written since the boot and will be lost at the next
  scrub            read all generations, slowly, and say what is damaged on this disk
  mirror add DISK  give a mirror that lost a disk another, and rebuild it
  stage            take a generation over standard input (cargo xtask deploy does)
  deploy-only      the forced command of a key that may deploy and do nothing else

Somebody else than root needs sudo's leave to run /usr/bin/heirloom.

Options:
  --acknowledge    switch, rollback: keep it only when somebody logs in and says so
  --all            audit: also what is made anew
  --force          mirror add: whatever is on the disk goes
  --no-reboot      switch, rollback: wait for the next boot
  --json           answer in JSON
  -h, --help       this
  -V, --version    the version

Example: heirloom switch 7
";

/// Reads the arguments, the program's name not among them.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Call> {
    let usage = |error: lexopt::Error| Error::Usage(error.to_string());
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut words, mut json, mut reboot, mut all) = (Vec::new(), false, true, false);
    let (mut force, mut acknowledge) = (false, false);
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Short('h') | Long("help") => return Ok(Call { command: Command::Help, json }),
            Short('V') | Long("version") => return Ok(Call { command: Command::Version, json }),
            Long("json") => json = true,
            Long("no-reboot") => reboot = false,
            Long("all") => all = true,
            Long("acknowledge") => acknowledge = true,
            Long("force") => force = true,
            Value(word) => words.push(word.string().map_err(usage)?),
            other => return Err(usage(other.unexpected())),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let command = match words[..] {
        [] => Command::Help,
        ["status"] => Command::Status,
        ["list"] => Command::List,
        ["stage"] => Command::Stage,
        ["rollback"] => Command::Switch { number: None, reboot, acknowledge },
        ["switch" | "rollback", number] => {
            Command::Switch { number: Some(numbered(number)?), reboot, acknowledge }
        }
        ["acknowledge", token] => Command::Acknowledge { token: token.to_owned() },
        ["confirm"] => Command::Confirm,
        ["pin", number] => Command::Pin { number: numbered(number)?, pinned: true },
        ["unpin", number] => Command::Pin { number: numbered(number)?, pinned: false },
        ["gc"] => Command::Collect,
        ["audit"] => Command::Audit { all },
        ["scrub"] => Command::Scrub,
        ["deploy-only"] => Command::DeployOnly,
        ["mirror", "add", disk] => Command::MirrorAdd { disk: disk.to_owned(), force },
        ["mirror"] | ["mirror", "add"] => {
            return Err(Error::Usage(
                "`mirror add` needs a disk: `heirloom mirror add /dev/sdb`".into(),
            ));
        }
        ["first-aid", "watch"] => Command::FirstAidWatch,
        ["first-aid", "emergency"] => Command::FirstAidEmergency,
        ["first-aid", console] => Command::FirstAid { console: console.to_owned() },
        ["watch"] => Command::Watch,
        ["settle"] => Command::Settle,
        ["leave"] => Command::Leave,
        [name @ ("switch" | "pin" | "unpin")] => {
            return Err(Error::Usage(format!("`{name}` needs the number of a generation")));
        }
        _ => return Err(Error::Usage(format!("there is no `heirloom {}`", words.join(" ")))),
    };
    let may_wait = matches!(command, Command::Switch { .. });
    if !reboot && !may_wait {
        return Err(Error::Usage("`--no-reboot` goes with switch and rollback".into()));
    }
    if acknowledge && !may_wait {
        return Err(Error::Usage("`--acknowledge` goes with switch and rollback".into()));
    }
    if force && !matches!(command, Command::MirrorAdd { .. }) {
        return Err(Error::Usage("`--force` goes with mirror add".into()));
    }
    if all && !matches!(command, Command::Audit { .. }) {
        return Err(Error::Usage("`--all` goes with audit".into()));
    }
    Ok(Call { command, json })
}

fn numbered(word: &str) -> Result<u64> {
    word.parse().map_err(|_| Error::Usage(format!("`{word}` is no number of a generation")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Call> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn switch(number: Option<u64>, reboot: bool, acknowledge: bool) -> Command {
        Command::Switch { number, reboot, acknowledge }
    }

    #[test]
    fn commands_are_read_with_their_options_anywhere() {
        for (line, command, json) in [
            ("", Command::Help, false),
            ("status --json", Command::Status, true),
            ("--no-reboot switch 7", switch(Some(7), false, false), false),
            ("rollback", switch(None, true, false), false),
            ("rollback 3 --acknowledge", switch(Some(3), true, true), false),
            ("acknowledge 0f1e", Command::Acknowledge { token: "0f1e".into() }, false),
            ("unpin 3 --json", Command::Pin { number: 3, pinned: false }, true),
            ("stage", Command::Stage, false),
            ("audit", Command::Audit { all: false }, false),
            ("scrub --json", Command::Scrub, true),
            (
                "mirror add /dev/sdb",
                Command::MirrorAdd { disk: "/dev/sdb".into(), force: false },
                false,
            ),
            ("--all audit", Command::Audit { all: true }, false),
        ] {
            assert_eq!(read(line).unwrap(), Call { command, json }, "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, named) in [
            ("switch", "needs the number"),
            ("switch x", "`x`"),
            ("switch 1 2", "switch 1 2"),
            ("frobnicate", "frobnicate"),
            ("status --no-reboot", "--no-reboot"),
            ("status --all", "--all"),
            ("confirm --acknowledge", "--acknowledge"),
            ("status --yaml", "--yaml"),
            ("mirror add", "needs a disk"),
            ("status --force", "--force"),
        ] {
            let error = read(line).unwrap_err().to_string();
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}
