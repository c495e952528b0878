//! `cargo xtask install`: a machine in its rescue system becomes the server.

use std::process::ExitCode;

use deploy::Ssh;
use deploy::disk::Survey;
use deploy::own;
use serde_json::json;

use super::{confirm, kept, megabytes, open, options, print_json};
use crate::cli::{Global, Install};
use crate::output::say;

pub(crate) fn run(global: &Global, arguments: &Install) -> anyhow::Result<ExitCode> {
    let Install { host, disk, .. } = arguments;
    let ssh = Ssh::new(host)?;
    let session = open(&options(global))?;
    let server = session.workspace.server(&arguments.server)?;
    // Before the image is built: a wrong host or disk is heard of at once.
    let survey = Survey::of(&ssh, disk)?;
    survey.check(0)?;
    let built = pipeline::generation(&session, &server)?;
    let medium = pipeline::medium(&session, &server, &built, pipeline::Format::Raw)?;
    survey.check(medium.size)?;
    confirm(&survey, &format!("{host}: {}", survey.describe()), arguments.yes)?;
    let patches = own::patches(&medium.path, &own::Ids::random()?)?;
    let written = deploy::install::install(&ssh, &survey, &medium.path, &patches)?;
    kept(&session)?.add(&built.bundle)?;
    if arguments.json {
        print_json(&json!({
            "server": server.name.as_str(), "host": host, "disk": survey.path,
            "number": 1, "generation": built.generation,
            "sent": written.sent, "bytes": written.bytes, "seconds": written.seconds,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    say!("installed   {} on {} of {host}, read back and compared", server.name, survey.path);
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
