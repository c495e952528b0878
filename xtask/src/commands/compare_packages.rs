//! `cargo xtask compare-packages`: package trees, measured by what apt makes of the same packages.
//!
//! The work is done by a program of its own, the crate `comparison`.

use std::process::{Command, ExitCode};

use anyhow::Context;

use super::options;
use crate::cli::{ComparePackages, Global};

/// The package that the program is in.
const PACKAGE: &str = "heirloom-comparison";

pub(crate) fn run(global: &Global, arguments: &ComparePackages) -> anyhow::Result<ExitCode> {
    let session = super::open(&options(global))?;
    let program = pipeline::cargo::program(PACKAGE, global.offline)
        .with_context(|| format!("could not compile `{PACKAGE}`"))?;
    let mut command = Command::new(program);
    command.args(&arguments.lists).args(["--recommends", &arguments.recommends]);
    for only in &arguments.only {
        command.args(["--only", only]);
    }
    if !arguments.columns.is_empty() {
        command.args(["--columns", &arguments.columns.join(",")]);
    }
    for (flag, asked) in [("--again", arguments.again), ("--json", arguments.json)] {
        if asked {
            command.arg(flag);
        }
    }
    let status = command.args(session.flags()).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
