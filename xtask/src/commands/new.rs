//! `cargo xtask new`: writes a server that builds and boots as it is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use definition::{Left, LeftOut, Migration};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::{print_json, session};
use crate::options::Global;
use crate::output::say;

#[derive(Args)]
pub(crate) struct New {
    /// The server's name: its crate, its folder, its host name.
    name: String,
    /// Take packages, files, users and permissions from an archiso profile; what no longer
    /// applies is listed.
    #[arg(long, value_name = "PROFILE")]
    from_archiso: Option<PathBuf>,
    /// The day of the archive; without, today, of Arch yesterday.
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<Date>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// How long a line of what was left out may be.
const WIDTH: usize = 100;

pub(crate) fn run(global: &Global, arguments: &New) -> anyhow::Result<ExitCode> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    match &arguments.from_archiso {
        Some(profile) => from_archiso(global, arguments, profile, today)?,
        None => new(global, arguments, today)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn new(global: &Global, arguments: &New, today: Date) -> anyhow::Result<()> {
    let session = session(global)?;
    let date = arguments.date.unwrap_or(today);
    let (dir, files) = definition::new_server(&session.workspace, &arguments.name, date)?;
    if arguments.json {
        let files: Vec<_> =
            files.iter().map(|file| file.strip_prefix(&dir).unwrap_or(file)).collect();
        return print_json(&serde_json::json!({
            "server": arguments.name, "dir": dir, "date": date, "files": files,
        }));
    }
    for file in files {
        say!("wrote {}", shown(&file, &session));
    }
    next(&arguments.name, &shown(&dir, &session));
    Ok(())
}

fn from_archiso(
    global: &Global,
    arguments: &New,
    profile: &Path,
    today: Date,
) -> anyhow::Result<()> {
    let session = session(global)?;
    // The day of today is in the archive when it is over.
    let yesterday = today.saturating_sub(1.day());
    let workspace = &session.workspace;
    let migration =
        definition::from_archiso(workspace, &arguments.name, profile, arguments.date, yesterday)?;
    if arguments.json {
        return print_json(&migration);
    }
    let dir = shown(&migration.dir, &session);
    wrote(&migration, &dir);
    for kind in Left::ALL {
        let left = migration.left_out.iter().filter(|left| left.kind == kind);
        let left: Vec<String> = left.map(item).collect();
        if !left.is_empty() {
            say!("left out, {}", kind.why());
            wrapped(&left);
        }
    }
    if !migration.to_decide.is_empty() {
        say!("for you to decide:");
    }
    for decision in &migration.to_decide {
        say!("  {}: {}", decision.place, decision.message);
    }
    say!("nothing outlives a reboot but what [state] of {dir}/server.toml declares");
    next(&arguments.name, &dir);
    Ok(())
}

/// The definition file by file, and how much lies below rootfs/.
fn wrote(migration: &Migration, dir: &str) {
    let (rootfs, own): (Vec<_>, Vec<_>) =
        migration.files.iter().partition(|file| file.starts_with("rootfs"));
    for file in own {
        say!("wrote {dir}/{}", file.display());
    }
    say!("wrote {dir}/rootfs, {} files and symlinks", rootfs.len());
    let list = |names: &[String]| match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    say!(
        "took {} packages of {}, users: {}, groups: {}",
        migration.packages,
        migration.date,
        list(&migration.users),
        list(&migration.groups)
    );
}

fn item(left: &LeftOut) -> String {
    match &left.place {
        Some(place) => format!("{} ({place})", left.what),
        None => left.what.clone(),
    }
}

/// Prints items with commas between them, as many to a line as fit.
fn wrapped(items: &[String]) {
    let mut line = String::new();
    for (at, item) in items.iter().enumerate() {
        let comma = if at + 1 < items.len() { "," } else { "" };
        if !line.is_empty() && line.len() + item.len() + 4 > WIDTH {
            say!(" {line}");
            line.clear();
        }
        line.push_str(&format!(" {item}{comma}"));
    }
    say!(" {line}");
}

fn next(name: &str, dir: &str) {
    say!("next: put your key under {dir}/rootfs, then");
    say!("      cargo xtask image {name} && cargo xtask boot {name}");
}

fn shown(path: &Path, session: &pipeline::Session) -> String {
    path.strip_prefix(session.workspace.root()).unwrap_or(path).display().to_string()
}
