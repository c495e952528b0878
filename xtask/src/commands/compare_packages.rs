//! `cargo xtask compare-packages`: package trees, measured by what apt makes of the same packages.
//!
//! The work is done by a program of its own, the crate `comparison`.

use std::process::{Command, ExitCode};

use anyhow::Context;
use clap::Args;

use super::options;
use crate::options::Global;

#[derive(Args)]
pub(crate) struct ComparePackages {
    /// The lists of packages: crates/comparison/lists.
    #[arg(default_values = ["bookworm", "trixie"])]
    lists: Vec<String>,
    /// Run this row only; may be given several times.
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// What to find out; all of it if nothing is named. What was found before stays.
    #[arg(long, value_delimiter = ',', value_parser = ["locked", "built", "equal", "verified", "booted"])]
    columns: Vec<String>,
    /// Rows without what is recommended, with it, or both.
    #[arg(long, default_value = "without", value_parser = ["without", "with", "both"])]
    recommends: String,
    /// Run rows again whose inputs have not changed.
    #[arg(long)]
    again: bool,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
}

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
