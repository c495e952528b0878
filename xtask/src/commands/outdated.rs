//! `cargo xtask outdated`: which locked packages have newer versions in the archive.

use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{print_json, session};
use crate::options::Global;
use crate::output::say;

#[derive(Args)]
pub(crate) struct Outdated {
    /// The server, by the name of its crate.
    server: String,
    /// Print the result as JSON: the day that was looked at, and the packages.
    #[arg(long)]
    json: bool,
}

/// What is newer, for programs.
#[derive(Serialize)]
struct Report<'a> {
    server: &'a str,
    /// The day of the archive that was looked at.
    date: Date,
    packages: &'a [Line],
}

#[derive(Serialize)]
struct Line {
    name: String,
    architecture: String,
    locked: String,
    /// None: a lock of today would not have the package.
    available: Option<String>,
}

pub(crate) fn run(global: &Global, arguments: &Outdated) -> anyhow::Result<ExitCode> {
    let session = session(global)?;
    let server = session.workspace.server(&arguments.server)?;
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let day = pipeline::locking::newest_day(&server, today);
    let lines: Vec<_> = pipeline::locking::outdated(&session.store, &server, day)?
        .into_iter()
        .map(|it| Line {
            name: it.name,
            architecture: it.architecture,
            locked: it.locked,
            available: it.available,
        })
        .collect();
    if arguments.json {
        print_json(&Report { server: &arguments.server, date: day, packages: &lines })?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in &lines {
        let available = line.available.as_deref().unwrap_or("no longer needed");
        say!("{} {} -> {available}", line.name, line.locked);
    }
    if lines.is_empty() {
        say!("{}: everything is as new as the archive of {day}", arguments.server);
    }
    Ok(ExitCode::SUCCESS)
}
