//! `cargo xtask image`: makes a server's image.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, ValueEnum};
use pipeline::{Record, Report};
use stage::Timing;

use super::{kept, megabytes, open, options, print_json};
use crate::options::Global;
use crate::output::say;
use crate::surroundings;

#[derive(Args)]
pub(crate) struct Image {
    /// The server, by the name of its crate.
    server: String,
    /// What to make.
    #[arg(long, default_value = "raw")]
    format: Format,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// Show each stage with its seconds, and whether it was reused.
    #[arg(long)]
    timings: bool,
    /// Show which changed input made each stage run.
    #[arg(long)]
    explain: bool,
    /// Build in surroundings that no image may depend on (used by `verify`).
    #[arg(long, hide = true)]
    strange_surroundings: bool,
    /// Let the config layer see the clock (used by tests of `verify`).
    #[arg(long, hide = true)]
    plant_clock: bool,
    /// Make nothing but the package tree, with results in DIR, and print where it is (used when a
    /// lock is new).
    #[arg(long, hide = true, value_name = "DIR")]
    only_packages: Option<PathBuf>,
    /// Leave server.digest as it is (used by `verify`).
    #[arg(long, hide = true)]
    no_record: bool,
}

/// What an image is written as.
#[derive(Clone, Copy, ValueEnum, PartialEq, Eq, Debug)]
enum Format {
    /// A disk image, sparse.
    Raw,
    /// A disk image for QEMU and many clouds.
    Qcow2,
    /// A hybrid ISO that boots live, with its state in memory.
    Iso,
    /// The server's root as a tar archive.
    Tar,
    /// The server's root as a container image for podman or docker.
    Oci,
}

pub(crate) fn run(global: &Global, arguments: &Image) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    if arguments.strange_surroundings {
        surroundings::make_strange()?;
    }
    let mut options = options(global);
    options.plant_clock = arguments.plant_clock;
    let session = open(&options)?;
    let server = session.workspace.server(&arguments.server)?;
    if let Some(cache) = &arguments.only_packages {
        let session = session.with_cache(cache);
        print_json(&pipeline::only_packages(&session, &server)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let recorded = Record::read(&server.digest_path())?;
    let built = pipeline::generation(&session, &server)?;
    let medium = pipeline::medium(&session, &server, &built, format(arguments.format))?;
    if !arguments.no_record {
        // However it gets to its disk: what is deployed there later can be sent as a delta.
        kept(&session)?.add(&built.bundle)?;
    }
    let mut warnings = Vec::new();
    if !arguments.no_record {
        let program = std::env::current_exe()?;
        let (found, same) = pipeline::warnings(&session, &server, &built, recorded, &program)?;
        warnings = found;
        let packages = same.then_some(built.packages);
        let record = Record { generation: built.generation, epoch: built.epoch, packages };
        let is_new = recorded.is_none_or(|recorded| !recorded.is_same(&record));
        if is_new && !global.locked {
            record.write(&server.digest_path(), server.name.as_str())?;
        }
    }
    for warning in &warnings {
        progress::warning(warning.text());
    }
    let seconds = start.elapsed().as_secs_f64();
    let root = session.workspace.root();
    let within = |path: &PathBuf| path.strip_prefix(root).unwrap_or(path).to_owned();
    let ignored = pipeline::left_out(&session, &server)?.iter().map(within).collect();
    let report =
        Report { warnings, ignored, ..Report::new(&session, &built, &medium, recorded, seconds) };
    if arguments.json {
        print_json(&report)?;
    } else {
        print(&report);
    }
    if arguments.timings || arguments.explain {
        stages(&report, arguments.explain);
    }
    Ok(ExitCode::SUCCESS)
}

fn format(format: Format) -> pipeline::Format {
    match format {
        Format::Raw => pipeline::Format::Raw,
        Format::Qcow2 => pipeline::Format::Qcow2,
        Format::Iso => pipeline::Format::Iso,
        Format::Tar => pipeline::Format::Tar,
        Format::Oci => pipeline::Format::Oci,
    }
}

fn print(report: &Report) {
    let built = (report.generation, report.epoch);
    let compared = match report.recorded {
        Some(recorded) if (recorded.generation, recorded.epoch) == built => {
            "as server.digest has it"
        }
        Some(recorded) if recorded.epoch != report.epoch => "server.digest has another epoch",
        Some(_) => "server.digest has another",
        None => "the first that is recorded",
    };
    let new: Vec<_> = names(&report.stages, false);
    let reused = names(&report.stages, true);
    let sizes = report.sizes;
    say!("image       {} ({})", shown(&report.image), file_size(report));
    say!("generation  {} ({compared})", report.generation);
    say!(
        "sizes       definition {}, packages {}, config {}, kernel and initramfs {}",
        megabytes(sizes.definition),
        megabytes(sizes.packages),
        megabytes(sizes.config),
        megabytes(sizes.boot),
    );
    if !report.state.is_empty() {
        let files = |count| if count == 1 { "1 file".into() } else { format!("{count} files") };
        let begins: Vec<_> =
            report.state.iter().map(|it| format!("{} ({})", it.path, files(it.files))).collect();
        say!(
            "state       begins with content: {}; a server that has it keeps its own",
            begins.join(", ")
        );
    }
    say!(
        "made        {} in {:.2} s; reused {}",
        if new.is_empty() { "nothing".to_owned() } else { new.join(", ") },
        report.seconds,
        if reused.is_empty() { "nothing".to_owned() } else { reused.join(", ") },
    );
    if !report.ignored.is_empty() {
        let names: Vec<_> = report.ignored.iter().map(|path| path.display().to_string()).collect();
        say!("left out    {} (git ignores it)", names.join(", "));
    }
}

/// Relative to where the user is, when it lies below.
fn shown(path: &std::path::Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

fn file_size(report: &Report) -> String {
    // A filesystem's own blocks make small differences that mean nothing.
    if report.allocated + (1 << 20) < report.size {
        format!("{}, {} on disk", megabytes(report.size), megabytes(report.allocated))
    } else {
        megabytes(report.size)
    }
}

/// The stages that ran or did not, each once.
fn names(stages: &[Timing], hit: bool) -> Vec<String> {
    let mut names = Vec::new();
    for stage in stages.iter().filter(|stage| stage.hit == hit) {
        if !names.contains(&stage.stage) {
            names.push(stage.stage.clone());
        }
    }
    names
}

fn stages(report: &Report, explain: bool) {
    for stage in &report.stages {
        let outcome = if stage.hit { "reused" } else { "made" };
        eprintln!("{:8.2} s  {outcome:6}  {} {}", stage.seconds, stage.stage, stage.subject);
        for why in stage.why.iter().filter(|_| explain) {
            eprintln!("{:20}because {why}", "");
        }
    }
    eprintln!("{:8.2} s  other", other(report));
}

/// Seconds between the stages: of what is shown of them, so that the lines add up to the whole.
fn other(report: &Report) -> f64 {
    let shown = |seconds: f64| (seconds * 100.0).round();
    let stages: f64 = report.stages.iter().map(|stage| shown(stage.seconds)).sum();
    (shown(report.seconds) - stages).max(0.0) / 100.0
}
