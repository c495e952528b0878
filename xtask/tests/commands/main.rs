//! `cargo xtask` as people run it: the real program, on copies of this workspace.
//!
//! The copies and all that is built in them lie below `target/tmp` and are removed; packages and
//! tools come from the user's store, so that nothing is fetched twice.

mod arch;
mod boot;
mod clean;
mod command_line;
mod definitions;
mod formats;
mod full_disk;
mod hostile;
mod interrupted;
mod locks;
mod ordinary_user;
mod reproducible;
mod results;
mod undisturbed;
mod workspace;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// The server that is built: the smallest of the repository.
pub(crate) const SERVER: &str = "webserver";

fn main() -> ExitCode {
    sandbox::serve(&[
        sandbox::JobEntry::of::<full_disk::OnFullDisk>(),
        sandbox::JobEntry::of::<rootfs::debian::Packages>(),
    ]);
    let arguments = Arguments::from_args();
    let trials = [
        command_line::all(),
        definitions::all(),
        locks::all(),
        hostile::all(),
        formats::all(),
        interrupted::all(),
        full_disk::all(),
        reproducible::all(),
        arch::all(),
        boot::all(),
        clean::all(),
        ordinary_user::all(),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials.into_iter().flatten().collect());
    undisturbed::remove();
    conclusion.exit_code()
}

/// A test that fails with an error and its causes.
pub(crate) fn trial(name: &str, test: fn() -> anyhow::Result<()>) -> Trial {
    Trial::test(name, move || test().map_err(|error| format!("{error:?}").into()))
}
