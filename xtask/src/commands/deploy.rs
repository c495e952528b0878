//! `cargo xtask deploy`: a new generation for a running server.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use deploy::{Agent, Ending, Error, Options, Outcome, Ssh, Verdict};

use super::{kept, megabytes, print_json, session};
use crate::options::Global;
use crate::output::say;

#[derive(Args)]
pub(crate) struct Deploy {
    /// The server, by the name of its crate.
    server: String,
    /// Where it runs: `root@host`, `ssh://root@host:port`, or a name of ssh_config.
    host: String,
    /// Say what would be sent, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Leave the generation on the server, and do not boot it.
    #[arg(long)]
    no_reboot: bool,
    /// Let the server's own health decide. Without this the generation is kept only when this
    /// machine has logged in to it.
    #[arg(long)]
    unattended: bool,
    /// The longest time that the machine takes to boot, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    boot_time: u64,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(global: &Global, arguments: &Deploy) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let ssh = Ssh::new(&arguments.host)?;
    let session = session(global)?;
    let server = session.workspace.server(&arguments.server)?;
    // Before the generation is built: a wrong host is heard of at once.
    Agent::new(&ssh).status_of(server.name.as_str())?;
    if !arguments.dry_run && server.lets_in(ssh.user())? == Some(false) {
        let (server, user) = (server.name.to_string(), ssh.user().to_owned());
        return Err(Error::LocksOut { server, user }.into());
    }
    let built = pipeline::generation(&session, &server)?;
    let options = Options {
        dry_run: arguments.dry_run,
        reboot: !arguments.no_reboot,
        unattended: arguments.unattended,
        boot: Duration::from_secs(arguments.boot_time),
        ..Options::default()
    };
    let notes = deploy::annotations(session.workspace.root());
    let mut outcome = deploy::deploy(&built.bundle, &ssh, &kept(&session)?, &notes, &options)?;
    outcome.seconds = start.elapsed().as_secs();
    if arguments.json {
        print_json(&outcome)?;
    } else {
        print(&outcome, arguments);
    }
    Ok(match outcome.ending {
        Ending::Tried(verdict) => code(&verdict),
        _ => ExitCode::SUCCESS,
    })
}

/// A generation that fell back is no success.
pub(super) fn code(verdict: &Verdict) -> ExitCode {
    match verdict {
        Verdict::Confirmed => ExitCode::SUCCESS,
        Verdict::FellBack { .. } => ExitCode::FAILURE,
    }
}

fn print(outcome: &Outcome, arguments: &Deploy) {
    let Deploy { server, host, .. } = arguments;
    if let Ending::DryRun(blobs) = &outcome.ending {
        for blob in blobs {
            let size = megabytes(blob.size);
            say!("{:<14} {size:>12} as {:>12}", blob.name, megabytes(blob.sent));
        }
    }
    match outcome.number {
        Some(number) => say!("generation  {number}  {}", outcome.generation),
        None => say!("generation  {}", outcome.generation),
    }
    let verb = if matches!(outcome.ending, Ending::DryRun(_)) { "would send" } else { "sent" };
    let (sent, of) = (megabytes(outcome.sent), megabytes(outcome.of));
    let took = match &outcome.ending {
        Ending::Tried(_) | Ending::Staged => {
            format!(" in {} s; {} s in all", outcome.sending, outcome.seconds)
        }
        Ending::UpToDate | Ending::DryRun(_) => format!("; {} s in all", outcome.seconds),
    };
    say!("{verb:<10}  {sent} of {of}{took}");
    match &outcome.ending {
        Ending::Tried(verdict) => print_verdict(verdict),
        Ending::Staged => {
            say!("staged      not booted; `cargo xtask deploy {server} {host}` boots it on trial");
        }
        Ending::UpToDate => say!("up to date  {host} runs it, confirmed"),
        Ending::DryRun(_) => say!("dry run     {host} is as it was"),
    }
}

pub(super) fn print_verdict(verdict: &Verdict) {
    match verdict {
        Verdict::Confirmed => say!("confirmed   it is healthy, and boots from now on"),
        Verdict::FellBack { reason, lines } => {
            for line in lines {
                say!("            {}", line.escape_debug());
            }
            say!("fell back   {}", reason.escape_debug());
        }
    }
}
