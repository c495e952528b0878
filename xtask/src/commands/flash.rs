//! `cargo xtask flash`: a card, a disk or a file becomes a server's image.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::Args;
use deploy::flash::{Target, flash};
use deploy::own;
use serde_json::json;

use super::{confirm, kept, megabytes, open, options, print_json};
use crate::options::Global;
use crate::output::say;

#[derive(Args)]
pub(crate) struct Flash {
    /// The board that the medium is for; the server has to be made for it.
    #[arg(long)]
    board: String,
    /// The server, by the name of its crate.
    server: String,
    /// A block device, or a file that is made or replaced.
    device: PathBuf,
    /// Do not ask before overwriting a device.
    #[arg(long)]
    yes: bool,
    /// Print the result as JSON: what was written where, and its sha256.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(global: &Global, arguments: &Flash) -> anyhow::Result<ExitCode> {
    let session = open(&options(global))?;
    let server = session.workspace.server(&arguments.server)?;
    let board = server.board.name.as_str();
    if board != arguments.board {
        return Err(deploy::Error::Board {
            server: server.name.to_string(),
            found: board.to_owned(),
            wanted: arguments.board.clone(),
        }
        .into());
    }
    // Before the image is built: a wrong device is heard of at once.
    let target = Target::of(&arguments.device)?;
    if let Target::Disk(disk) = &target {
        disk.check(0)?;
    }
    let built = pipeline::generation(&session, &server)?;
    let medium = pipeline::medium(&session, &server, &built, pipeline::Format::Raw)?;
    if let Target::Disk(disk) = &target {
        disk.check(medium.size)?;
        confirm(disk, &disk.describe(), arguments.yes)?;
    }
    let device = arguments.device.display();
    ensure!(
        !same_file(&arguments.device, &medium.path),
        "{device} is the image itself: name another file"
    );
    // A file is the image; what is a disk is an installation.
    let patches = match &target {
        Target::Disk(_) => own::patches(&medium.path, &own::Ids::random()?)?,
        Target::File(_) => Vec::new(),
    };
    let written = flash(&target, &medium.path, &patches)?;
    kept(&session)?.add(&built.bundle)?;
    if arguments.json {
        print_json(&json!({
            "server": server.name.as_str(), "device": arguments.device,
            "number": 1, "generation": built.generation,
            "sha256": written.digest.hex(), "bytes": written.bytes, "seconds": written.seconds,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    say!("written     {} to {device}, read back and compared", server.name);
    say!("generation  1  {}", built.generation);
    say!(
        "sha256      {}, {}, {} s",
        written.digest.hex(),
        megabytes(written.bytes),
        written.seconds
    );
    Ok(ExitCode::SUCCESS)
}

/// Whether two paths lead to one file.
fn same_file(one: &std::path::Path, other: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &std::path::Path| path.metadata().ok().map(|it| (it.dev(), it.ino()));
    id(one).is_some_and(|one| Some(one) == id(other))
}
