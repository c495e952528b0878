//! `heirloom`: parses, calls one thing, prints.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use agent::cli::{self, Call, Command};
use agent::machine::{self, Machine, Receiving};
use agent::receive::Receiver;
use agent::watch::{self, Here};
use agent::{Error, Result, audit, checks, print, status};
use serde::Serialize;
use transfer::report::Switched;

fn main() -> ExitCode {
    let call = match cli::parse(std::env::args_os().skip(1)) {
        Ok(call) => call,
        Err(error) => return report(&error),
    };
    match run(&call) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

fn run(call: &Call) -> Result<()> {
    match &call.command {
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
            transfer::serve(io::stdin().lock(), io::stdout().lock(), &mut receiver)?;
            Ok(())
        }
        Command::Switch { number, reboot } => switch(call, *number, *reboot),
        Command::Confirm => {
            let number = Machine::open()?.server.confirm()?;
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
        Command::Watch => watch::trial(&Here, &say),
        Command::Settle => watch::settled(&Here, &say),
        Command::Leave => watch::leave(&Here, &say),
    }
}

fn switch(call: &Call, number: Option<u64>, reboot: bool) -> Result<()> {
    let mut machine = Machine::open()?;
    let number = match number {
        Some(number) => number,
        None => machine.server.rollback_target()?,
    };
    machine.server.switch(number)?;
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
