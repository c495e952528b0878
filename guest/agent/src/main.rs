//! `heirloom`: parses, calls one thing, prints.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use agent::cli::{self, Call, Command};
use agent::machine::{self, Machine, Receiving};
use agent::patient::Patient;
use agent::receive::Receiver;
use agent::server::Confirmed;
use agent::trials::Terms;
use agent::watch::{self, Here};
use agent::{Error, Result, audit, checks, first_aid, new_disk, print, rights, scrub, status};
use generation::Chain;
use serde::Serialize;
use transfer::report::Switched;

/// How long a generation that is on its way may be silent.
const SILENCE: Duration = Duration::from_secs(45);

/// What the client of a key with a forced command wanted to run: sshd(8).
const ORIGINAL: &str = "SSH_ORIGINAL_COMMAND";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let done = cli::parse(arguments.clone()).and_then(|call| match call.command {
        Command::Help | Command::Version => run(&call),
        Command::DeployOnly => {
            let original = std::env::var(ORIGINAL).ok();
            let (call, arguments) = rights::deploy_only(original.as_deref())?;
            carry_out(&call, &arguments)
        }
        _ => carry_out(&call, &arguments),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

/// As root, then.
fn carry_out(call: &Call, arguments: &[OsString]) -> Result<()> {
    rights::become_root(arguments)?;
    run(call)
}

fn run(call: &Call) -> Result<()> {
    match &call.command {
        // It names another call, and was replaced by that.
        Command::DeployOnly => Err(Error::DeployOnly("heirloom deploy-only".into())),
        Command::Help => text(cli::HELP),
        Command::Version => text(concat!("heirloom ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Status => {
            let status = status::status()?;
            answer(call, &status, || print::status(&status))
        }
        Command::List => {
            let listed = Machine::open()?.server.list()?;
            answer(call, &listed, || transfer::table::table(&listed))
        }
        Command::Stage => {
            let _alone = Receiving::begin()?;
            let running = machine::booted()?.generation;
            let mut receiver = Receiver::new(machine::layout()?, running, Machine::open);
            let input = Patient::new(io::stdin(), SILENCE);
            transfer::serve(input, io::stdout().lock(), &mut receiver)?;
            Ok(())
        }
        Command::Switch { number, reboot, acknowledge } => {
            let token = if *acknowledge { Some(machine::token()?) } else { None };
            let terms = Terms { token, failed_before: checks::failed_units() };
            switch(call, *number, *reboot, terms)
        }
        Command::Acknowledge { token } => {
            let number = Machine::open()?.server.acknowledge(token)?;
            answer(call, &Number { number }, || format!("generation {number} is reached\n"))
        }
        Command::Confirm => {
            let Confirmed { number, unnoted } = Machine::open()?.server.confirm()?;
            if let Some(error) = unnoted {
                eprintln!("warning: that is not noted before the next boot: {}", Chain(&error));
            }
            answer(call, &Number { number }, || format!("generation {number} is confirmed\n"))
        }
        Command::Pin { number, pinned } => {
            Machine::open()?.server.pin(*number, *pinned)?;
            let kept = if *pinned { "is kept" } else { "is not kept for its own sake" };
            let number = *number;
            answer(call, &Number { number }, || format!("generation {number} {kept}\n"))
        }
        Command::Collect => {
            // What has come of a generation is nobody's until it is staged.
            let _alone = Receiving::begin()?;
            let removed = Machine::open()?.server.collect()?;
            let count = removed.len();
            answer(call, &Removed { removed }, || format!("{count} generations removed\n"))
        }
        Command::Audit { all } => {
            let layout = machine::layout()?;
            let config = layout.config(&layout.manifest(machine::booted()?.generation)?)?;
            let upper = Path::new(machine::MEMORY).join("upper");
            let state = Path::new(machine::DATA).join("state");
            let found = audit::audit(&upper, &state, &config.state, &audit::is_in_no_layer)?;
            answer(call, &found, || print::audit(&found, *all))
        }
        Command::Scrub => {
            let scrubbed = scrub::scrub(&machine::layout()?)?;
            answer(call, &scrubbed, || print::scrubbed(&scrubbed))
        }
        Command::MirrorAdd { disk, force } => {
            let added = new_disk::add(disk, *force)?;
            answer(call, &added, || {
                format!("{} is rebuilt; `heirloom status` says how far\n", added.disk)
            })
        }
        Command::FirstAid { console } => first_aid::menu::run(console),
        Command::FirstAidWatch => first_aid::watch(&say),
        Command::FirstAidEmergency => first_aid::emergency(),
        Command::Watch => {
            machine::check_boot(&say);
            watch::trial(&Here, &say)
        }
        Command::Settle => {
            machine::check_boot(&say);
            watch::settled(&Here, &say)
        }
        Command::Leave => watch::leave(&Here, &say),
    }
}

fn switch(call: &Call, number: Option<u64>, reboot: bool, terms: Terms) -> Result<()> {
    let mut machine = Machine::open()?;
    let number = match number {
        Some(number) => number,
        None => machine.server.rollback_target()?,
    };
    for mended in machine.server.switch(number, terms)? {
        eprintln!("warning: {mended}, and was written again");
    }
    // Unmounted and unlocked before the server goes down.
    drop(machine);
    answer(call, &Switched { number, rebooting: reboot }, || {
        let when = if reboot { "now" } else { "at the next boot" };
        format!("generation {number} is tried {when}\n")
    })?;
    if reboot {
        checks::reboot().map_err(|source| Error::Io {
            action: "reboot",
            path: "the server".into(),
            source,
        })?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Number {
    number: u64,
}

#[derive(Serialize)]
struct Removed {
    removed: Vec<u64>,
}

fn answer(call: &Call, value: &impl Serialize, human: impl FnOnce() -> String) -> Result<()> {
    if call.json {
        let json = serde_json::to_string(value).map_err(io::Error::from);
        let json = json.map_err(|source| Error::Io {
            action: "write",
            path: "the answer".into(),
            source,
        })?;
        text(&format!("{json}\n"))
    } else {
        text(&human())
    }
}

fn text(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads only the head has what they wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|source| Error::Io {
            action: "write",
            path: "the answer".into(),
            source,
        }),
    }
}

/// A line for the journal and the console.
fn say(line: &str) {
    // Nobody has to listen.
    let _ = writeln!(io::stdout().lock(), "heirloom: {line}");
}

fn report(error: &Error) -> ExitCode {
    eprintln!("error: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        eprintln!("caused by: {error}");
        cause = error.source();
    }
    if let Some(hint) = error.hint() {
        eprintln!("help: {hint}");
    }
    ExitCode::FAILURE
}
