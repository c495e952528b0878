//! Nothing outlives its caller.

use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Command as Host;

use libtest_mimic::Trial;
use sandbox::{Command, Sink, Stdin};

use crate::{Outcome, check, jobs, roots, same};

/// A program that starts another which it forgets, says that both are there, and stays.
const STAYS: &str = "sh -c '(echo inner; sleep 100000) &'; echo outer; sleep 100000";

/// What this executable holds on to when it is started as its own helper.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Program,
    Job,
}

impl Mode {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "--hold-program" => Some(Self::Program),
            "--hold-job" => Some(Self::Job),
            _ => None,
        }
    }

    /// How many lines say that everything has started.
    fn lines(self) -> usize {
        match self {
            Self::Program => 2,
            Self::Job => 1,
        }
    }

    fn argument(self) -> &'static str {
        match self {
            Self::Program => "--hold-program",
            Self::Job => "--hold-job",
        }
    }
}

pub(crate) fn all() -> Vec<Trial> {
    let no_jobs = !jobs::are_possible();
    vec![
        Trial::test("killing_the_caller_ends_its_programs", || killed(Mode::Program)),
        Trial::test("killing_the_caller_ends_its_jobs", || killed(Mode::Job))
            .with_ignored_flag(no_jobs),
        Trial::test("dropping_a_running_program_ends_it", dropped),
        Trial::test("what_a_program_leaves_behind_ends_with_it", left_behind),
        Trial::test("a_running_program_can_be_talked_to", talked_to),
    ]
}

/// The helper: starts something that stays, and waits for it.
pub(crate) fn hold(mode: Mode) -> Result<(), Box<dyn Error>> {
    match mode {
        Mode::Program => {
            let tree = std::env::args_os().nth(2).unwrap_or_default();
            let script = ["-c", STAYS];
            Command::new(tree, "/bin/sh").args(script).stdout(Sink::Inherit).run()?;
        }
        Mode::Job => sandbox::in_namespace(&jobs::Stay)?,
    }
    Ok(())
}

fn killed(mode: Mode) -> Outcome {
    let (reader, writer) = std::io::pipe()?;
    let mut host = Host::new(std::env::current_exe()?);
    host.args([mode.argument().as_ref(), roots::tree().as_os_str()]);
    match mode {
        Mode::Program => host.stdout(writer),
        // A job's output goes to its caller's standard error.
        Mode::Job => host.stderr(writer),
    };
    let mut child = host.spawn()?;
    // Now only the child and what it starts can write.
    drop(host);
    let mut output = BufReader::new(reader);
    let mut said = String::new();
    for _ in 0..mode.lines() {
        output.read_line(&mut said)?;
    }
    child.kill()?;
    child.wait()?;
    // The end of the stream comes when nobody who could write to it is left.
    same(output.read_to_end(&mut Vec::new())?, 0)?;
    match mode {
        Mode::Program => check(said == "inner\nouter\n" || said == "outer\ninner\n", said),
        Mode::Job => {
            let scratch = Path::new(said.trim());
            check(scratch.is_absolute() && !scratch.exists(), format!("{said} was left behind"))
        }
    }
}

fn dropped() -> Outcome {
    let (mut reader, writer) = std::io::pipe()?;
    let file = std::fs::File::from(std::os::fd::OwnedFd::from(writer));
    let running =
        Command::new(roots::tree(), "/bin/sh").args(["-c", STAYS]).stdout_to(file).spawn()?;
    reader.read_exact(&mut [0; 12])?;
    drop(running);
    same(reader.read_to_end(&mut Vec::new())?, 0)
}

fn left_behind() -> Outcome {
    let script = "sh -c 'sleep 100000 &'; echo done";
    // This ends only when nobody holds the output any more.
    same(
        Command::new(roots::tree(), "/bin/sh").args(["-c", script]).run()?.text().as_str(),
        "done\n",
    )
}

fn talked_to() -> Outcome {
    let mut running = Command::new(roots::tree(), "/usr/bin/cat")
        .stdin(Stdin::Piped)
        .stdout(Sink::Piped)
        .spawn()?;
    let (to, from) = (running.stdin.take(), running.stdout.take());
    let (Some(mut to), Some(mut from)) = (to, from) else { return Err("no pipes".into()) };
    std::io::Write::write_all(&mut to, b"ping")?;
    let mut answer = [0; 4];
    from.read_exact(&mut answer)?;
    same(&answer, b"ping")?;
    check(!running.has_ended()?, "it has ended before its input")?;
    drop(to);
    same(running.wait()?.code, 0)
}
