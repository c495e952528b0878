//! `cargo xtask rescue`: reads the disk of a server that does not come up.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use rescue::{Copied, Filesystem, Report, safe};
use sandbox::{Group, Program};
use serde::Serialize;
use tempfile::TempDir;
use transfer::report::TrialState;

use super::{megabytes, print_json, session};
use crate::options::Global;
use crate::output::say;

#[derive(Args)]
pub(crate) struct Rescue {
    /// An image file, raw or qcow2, a device, or its data partition.
    disk: PathBuf,
    /// Show the end of the journal.
    #[arg(long, conflicts_with_all = ["state", "to"])]
    journal: bool,
    /// So many lines of the journal.
    #[arg(long, value_name = "N", default_value_t = 200, requires = "journal")]
    lines: usize,
    /// List this state: a path of the server (/var/mail) or below /state (mail).
    #[arg(long, value_name = "PATH")]
    state: Option<PathBuf>,
    /// Copy it, or all state, into this folder, which is made.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Where qemu-img sees the image, and the copy that it makes.
const IMAGE: &str = "/work/image";
const COPY: &str = "/work/copy";

pub(crate) fn run(global: &Global, arguments: &Rescue) -> anyhow::Result<ExitCode> {
    let raw = Raw::of(global, &arguments.disk)?;
    let disk = Filesystem::open(&raw.path)?;
    if arguments.journal {
        journal(&disk, arguments)?;
    } else if let Some(to) = &arguments.to {
        let state = arguments.state.clone().unwrap_or_default();
        let copied = rescue::copy(&disk, &state, to)?;
        let whole = copied.left_out.is_empty();
        if arguments.json {
            print_json(&copied)?;
        } else {
            say_copied(&copied, to);
        }
        // What could not be read is no success.
        return Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    } else if let Some(state) = &arguments.state {
        list(&disk, state, arguments.json)?;
    } else {
        let report = rescue::report(&disk)?;
        if arguments.json {
            print_json(&report)?;
        } else {
            say_report(&report);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A disk that can be read as it lies.
struct Raw {
    path: PathBuf,
    /// The copy of an image that cannot.
    _copy: Option<TempDir>,
}

impl Raw {
    fn of(global: &Global, disk: &Path) -> anyhow::Result<Self> {
        if !rescue::is_qcow2(disk)? {
            return Ok(Self { path: disk.to_owned(), _copy: None });
        }
        let image = std::fs::canonicalize(disk)?;
        let session = session(global)?;
        let qemu = session.tools()?.root(Group::Qemu).with_context(|| {
            format!("{}: a qcow2 image is read by the tool root's qemu-img", disk.display())
        })?;
        let scratch = session.cache.root().join("scratch");
        let folder = tempfile::Builder::new().prefix("rescue-").tempdir_in(scratch)?;
        let path = folder.path().join("disk");
        std::fs::File::create(&path)?;
        qemu.command(Program::QemuImg)
            .bind_ro(image, IMAGE)
            .bind_rw(&path, COPY)
            .args(["convert", "-q", "-f", "qcow2", "-O", "raw", IMAGE, COPY])
            .run()?;
        Ok(Self { path, _copy: Some(folder) })
    }
}

fn say_report(report: &Report) {
    let name = |name: &Option<String>| safe(name.as_deref().unwrap_or("?").as_bytes());
    say!("server      {} ({})", name(&report.server), name(&report.board));
    let listed = &report.generations;
    say!("{}", transfer::table::generations(listed).trim_end());
    if let Some(trial) = &report.trial {
        let reason = trial.reason.as_deref().unwrap_or("no reason is known");
        let state = match trial.state {
            TrialState::Armed => "is to be tried at the next boot".to_owned(),
            TrialState::Running => "was on trial".to_owned(),
            TrialState::Confirmed => "was confirmed".to_owned(),
            TrialState::Failed => format!("failed: {}", safe(reason.as_bytes())),
        };
        say!("last trial  generation {} {state}", trial.number);
        for line in &trial.lines {
            say!("            {}", safe(line.as_bytes()));
        }
    }
    if let Some(check) = &report.check {
        say!("checked     because {}", safe(check.asked.as_bytes()));
        for line in &check.lines {
            say!("            {}", safe(line.as_bytes()));
        }
    }
    for state in &report.state {
        let path = state.path.as_deref().map(|path| safe(path.as_bytes()));
        say!("state       {:<20} {}", state.name, path.as_deref().unwrap_or("used by nothing"));
    }
    for problem in &report.problems {
        say!("DAMAGED     {problem}");
    }
}

fn journal(disk: &Filesystem, arguments: &Rescue) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Journal {
        lines: Vec<rescue::Line>,
        problems: Vec<String>,
    }
    let (lines, problems) = rescue::journal(disk, arguments.lines)?;
    if arguments.json {
        return print_json(&Journal { lines, problems });
    }
    let mut boot = "";
    for line in &lines {
        if line.boot != boot {
            boot = &line.boot;
            say!("-- boot {boot}");
        }
        say!("{} {}: {}", line.time, line.source, line.message);
    }
    for problem in &problems {
        say!("DAMAGED {problem}");
    }
    Ok(())
}

fn list(disk: &Filesystem, path: &Path, json: bool) -> anyhow::Result<()> {
    let found = rescue::list(disk, path)?;
    if json {
        return print_json(&found);
    }
    for one in &found {
        let time = one.modified.as_deref().unwrap_or("?");
        let (kind, mode, uid, gid, size) = (one.kind, &one.mode, one.uid, one.gid, one.size);
        say!("{kind:<9} {mode} {uid:>6} {gid:>6} {size:>12}  {time:<20}  {}", one.name);
    }
    Ok(())
}

fn say_copied(copied: &Copied, to: &Path) {
    let Copied { files, directories, symlinks, bytes, .. } = copied;
    let to = to.display();
    say!(
        "{files} files ({}), {directories} directories, {symlinks} symlinks are in {to}",
        megabytes(*bytes)
    );
    if !copied.owners {
        say!("they are yours: only root can keep their owners (`--state PATH` shows them)");
    }
    for line in &copied.left_out {
        say!("left out: {line}");
    }
}
