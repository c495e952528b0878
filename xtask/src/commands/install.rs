//! `cargo xtask install`: a machine in its rescue system becomes the server.

use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use deploy::Ssh;
use deploy::Written;
use deploy::disk::Survey;
use deploy::install::{check_mirror, install, install_mirror};
use deploy::own;
use serde_json::json;

use super::{confirm, kept, megabytes, open, options, print_json};
use crate::options::Global;
use crate::output::say;

#[derive(Args)]
pub(crate) struct Install {
    /// The server, by the name of its crate.
    server: String,
    /// The machine in its rescue system: `root@host`.
    host: String,
    /// The disk to overwrite, as the rescue system names it. Named twice, with two disks: the
    /// server is mirrored on both, and boots from either alone.
    #[arg(long = "disk", value_name = "DEVICE", required = true)]
    disks: Vec<String>,
    /// Do not ask before overwriting.
    #[arg(long)]
    yes: bool,
    /// Print the result as JSON: what was written where, and how much was sent.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(global: &Global, arguments: &Install) -> anyhow::Result<ExitCode> {
    let Install { host, disks, .. } = arguments;
    ensure!(disks.len() <= 2, "a mirror has two disks: name `--disk` once or twice");
    let ssh = Ssh::new(host)?;
    let session = open(&options(global))?;
    let server = session.workspace.server(&arguments.server)?;
    // Before the image is built: a wrong host or disk is heard of at once.
    let surveys = disks.iter().map(|disk| Survey::of(&ssh, disk)).collect::<Result<Vec<_>, _>>()?;
    check(&surveys, 0)?;
    let built = pipeline::generation(&session, &server)?;
    let medium = pipeline::medium(&session, &server, &built, pipeline::Format::Raw)?;
    check(&surveys, medium.size)?;
    for survey in &surveys {
        confirm(survey, &format!("{host}: {}", survey.describe()), arguments.yes)?;
    }
    let (written, paths) = match &surveys[..] {
        [one, other] => {
            let both = install_mirror(&ssh, [one, other], &medium.path)?;
            (sum(both), format!("{} and {}", one.path, other.path))
        }
        surveys => {
            let survey = surveys.first().context("no disk is named")?;
            let patches = own::patches(&medium.path, &own::Ids::random()?)?;
            (install(&ssh, survey, &medium.path, &patches)?, survey.path.clone())
        }
    };
    kept(&session)?.add(&built.bundle)?;
    if arguments.json {
        print_json(&json!({
            "server": server.name.as_str(), "host": host, "disk": surveys.first().map(|survey| &survey.path),
            "disks": surveys.iter().map(|survey| &survey.path).collect::<Vec<_>>(),
            "number": 1, "generation": built.generation,
            "sent": written.sent, "bytes": written.bytes, "seconds": written.seconds,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    say!("installed   {} on {paths} of {host}, read back and compared", server.name);
    say!("generation  1  {}", built.generation);
    let sent = written.sent.map_or("nothing".to_owned(), megabytes);
    say!("sent        {sent} of {}, {} s", megabytes(written.bytes), written.seconds);
    let (line, name) = (ssh.command_line(), ssh.known_as());
    say!("next        leave the rescue system and boot from the disk: `{line} reboot`");
    say!(
        "            its host key is a new one: `ssh-keygen -R {name}`, then compare fingerprints"
    );
    Ok(ExitCode::SUCCESS)
}

/// Whether an image of `bytes` bytes may be written over all of them.
fn check(surveys: &[Survey], bytes: u64) -> Result<(), deploy::Error> {
    match surveys {
        [one, other] => check_mirror([one, other], bytes),
        surveys => surveys.iter().try_for_each(|survey| survey.check(bytes)),
    }
}

/// What was written to both disks of a mirror.
fn sum([one, other]: [Written; 2]) -> Written {
    Written {
        bytes: one.bytes + other.bytes,
        sent: one.sent.zip(other.sent).map(|(one, other)| one + other),
        seconds: one.seconds + other.seconds,
        digest: one.digest,
    }
}
