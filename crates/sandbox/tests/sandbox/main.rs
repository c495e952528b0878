//! Programs and jobs in their namespaces, on this machine's kernel.
//!
//! The tests run as whoever runs them. Root runs them a second time as an ordinary user, who owns
//! nothing. Jobs need 65,536 ids: where this user has none, their tests are listed as ignored.

mod job_tests;
mod jobs;
mod lifetime;
mod program_tests;
mod root_command_tests;
mod roots;
mod seen_tree_tests;
mod tools_tests;
mod view_tests;

use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};

/// A user that owns nothing and has no ids to give away: Linux's overflow id.
const NOBODY: u32 = 65_534;

pub(crate) type Outcome = Result<(), Failed>;

fn main() -> Result<(), Box<dyn Error>> {
    sandbox::serve(jobs::JOBS);
    if let Some(mode) = std::env::args().nth(1).and_then(|word| lifetime::Mode::parse(&word)) {
        return lifetime::hold(mode);
    }
    let arguments = Arguments::from_args();
    let root = roots::prepare()?;
    let mut trials = view_tests::all();
    trials.extend(lifetime::all());
    trials.extend(job_tests::all());
    trials.extend(root_command_tests::all());
    trials.extend(seen_tree_tests::all());
    if !is_second_run() {
        trials.extend(tools_tests::all());
        trials.extend(program_tests::all());
        trials.push(second_run()?);
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // `exit` would leave it behind.
    drop(root);
    conclusion.exit()
}

/// Whether these are the tests that root runs as somebody else.
fn is_second_run() -> bool {
    std::env::var_os(roots::VARIABLE).is_some()
}

/// Everything once more as an ordinary user.
fn second_run() -> std::io::Result<Trial> {
    let executable = std::env::current_exe()?;
    let nobody = |argument: &str| {
        let mut command = Command::new(&executable);
        command.arg(argument).uid(NOBODY).gid(NOBODY).current_dir("/").env_clear();
        command.env(roots::VARIABLE, roots::tree());
        command
    };
    let is_root = rustix::process::geteuid().is_root();
    let reachable = is_root && nobody("--list").output().is_ok();
    let mut again = nobody("--test-threads=2");
    let trial = Trial::test("all_but_the_programs_holds_for_an_ordinary_user_too", move || {
        let output = again.output()?;
        let said = [output.stdout, output.stderr].concat();
        check(output.status.success(), String::from_utf8_lossy(&said))
    });
    Ok(trial.with_ignored_flag(!reachable))
}

/// Fails the test where `condition` does not hold.
pub(crate) fn check(condition: bool, message: impl Into<String>) -> Outcome {
    if condition { Ok(()) } else { Err(message.into().into()) }
}

/// Fails the test where two values differ.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Outcome {
    check(found == expected, format!("found {found:#?}\nexpected {expected:#?}"))
}

/// The error of what should not have worked.
pub(crate) fn refused<T: std::fmt::Debug>(
    found: sandbox::Result<T>,
) -> Result<sandbox::Error, Failed> {
    match found {
        Ok(value) => Err(format!("this should have been an error: {value:?}").into()),
        Err(error) => Ok(error),
    }
}
