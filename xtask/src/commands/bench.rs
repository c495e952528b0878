//! `cargo xtask bench`: how long builds take, beside other tools on the same packages.

use clap::Args;
mod peers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use definition::{Kind, Server};
use pipeline::{Report, Session};

use super::session;
use crate::options::Global;
use crate::output::say;

#[derive(Args)]
pub(crate) struct Bench {
    /// The server, by the name of its crate.
    #[arg(default_value = "mailserver")]
    server: String,
    /// Leave out mmdebstrap and mkosi, which else make the same packages where they are installed.
    #[arg(long)]
    alone: bool,
}

/// How often what takes no time is timed; odd.
const RUNS: usize = 9;

pub(crate) fn run(global: &Global, arguments: &Bench) -> anyhow::Result<ExitCode> {
    let session = session(global)?;
    let server = session.workspace.server(&arguments.server)?;
    // Fetches what is missing and compiles the guest programs: the rest is measured without.
    let warm = Runner::new(&session, session.workspace.root(), session.workspace.target());
    warm.image(&server)?;
    // Before disks are written, whose traffic would be measured with it.
    let unchanged = median(|| Ok(warm.image(&server)?.seconds))?;
    let with_cargo = median(|| warm.cargo_xtask_image(&server))?;

    let folder = session.cache.root().join("bench");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let copy = folder.join("workspace");
    pipeline::copy_workspace(&session.workspace, &copy)?;
    let runner = Runner::new(&session, &copy, &folder.join("target"));
    let nothing = runner.image(&server)?;
    let compiled = stage_seconds(&nothing.report, |name| name == "program");
    line("from nothing: tree, layers, disk", nothing.seconds - compiled);
    line("  of which package tree", stage_seconds(&nothing.report, |name| name == "packages"));
    line("  guest programs, besides", compiled);

    let changed = copy.join(first_file(&session, &server)?);
    let mut text = fs::read(&changed)?;
    text.extend_from_slice(b"\n");
    fs::write(&changed, text)?;
    let one = runner.image(&server)?;
    let disk = stage_seconds(&one.report, |name| name == "disk");
    line("one file under rootfs/ changed: generation", one.seconds - disk);
    line("one file under rootfs/ changed: disk image", one.seconds);
    line("nothing changed", unchanged);
    line("nothing changed, Cargo's own part included", with_cargo);
    if !arguments.alone {
        peers::time(&session, &server, &folder)?;
    }
    fs::remove_dir_all(&folder)?;
    Ok(ExitCode::SUCCESS)
}

fn line(what: &str, seconds: f64) {
    say!("{seconds:8.2} s  {what}");
}

/// Of what takes less than a second a single run says little.
fn median(mut run: impl FnMut() -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    let mut seconds = Vec::new();
    for _ in 0..RUNS {
        seconds.push(run()?);
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[RUNS / 2])
}

/// A file of the server's own rootfs/, relative to the workspace.
fn first_file(session: &Session, server: &Server) -> anyhow::Result<PathBuf> {
    let own = server
        .overlay
        .iter()
        .find(|entry| entry.part == server.name && matches!(entry.kind, Kind::File { .. }));
    let own = own.with_context(|| format!("`{}` lays no file of its own", server.name))?;
    Ok(own.source.strip_prefix(session.workspace.root())?.to_owned())
}

fn stage_seconds(report: &Report, wanted: impl Fn(&str) -> bool) -> f64 {
    let stages = report.stages.iter().filter(|stage| wanted(&stage.stage));
    stages.map(|stage| stage.seconds).sum()
}

/// Builds in a workspace, with a cache of its own.
struct Runner<'a> {
    session: &'a Session,
    workspace: PathBuf,
    target: PathBuf,
}

struct Run {
    report: Report,
    seconds: f64,
}

impl<'a> Runner<'a> {
    fn new(session: &'a Session, workspace: &Path, target: &Path) -> Self {
        Self { session, workspace: workspace.to_owned(), target: target.to_owned() }
    }

    fn image(&self, server: &Server) -> anyhow::Result<Run> {
        let (output, seconds) = self.time(&mut Command::new(std::env::current_exe()?), server)?;
        Ok(Run { report: serde_json::from_slice(&output)?, seconds })
    }

    /// What a person waits for: Cargo looks whether the commands are compiled, then runs them.
    fn cargo_xtask_image(&self, server: &Server) -> anyhow::Result<f64> {
        let mut cargo = pipeline::cargo::command("cargo");
        Ok(self.time(cargo.args(["--quiet", "xtask"]), server)?.1)
    }

    /// The JSON that `xtask image` printed, and seconds.
    fn time(&self, xtask: &mut Command, server: &Server) -> anyhow::Result<(Vec<u8>, f64)> {
        let command = xtask
            .args(["image", server.name.as_str(), "--json", "--quiet", "--no-record"])
            .args(self.session.flags())
            .current_dir(&self.workspace)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("HEIRLOOM_CACHE", self.session.store.cache_dir())
            .stderr(Stdio::inherit());
        let start = Instant::now();
        let output = command.output()?;
        let seconds = start.elapsed().as_secs_f64();
        ensure!(output.status.success(), "could not build `{}` to time it", server.name);
        Ok((output.stdout, seconds))
    }
}
