//! The static programs that go into an image.

use std::path::PathBuf;

use compile::Target;
use definition::Server;
use digest::Digest;
use sandbox::Tools;

use crate::packages::digest_of;
use crate::{Error, Session};

/// The package of PID 1 of the initramfs.
const INIT: &str = "heirloom-init";

/// The package of the command `heirloom`.
const AGENT: &str = "heirloom-agent";

/// A compiled program.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) digest: Digest,
}

/// PID 1 of the initramfs.
pub(crate) fn init(
    session: &Session,
    tools: &Tools<'_>,
    server: &Server,
) -> Result<Program, Error> {
    compiled(session, tools, server, INIT)
}

/// The command `heirloom` on the server.
pub(crate) fn agent(
    session: &Session,
    tools: &Tools<'_>,
    server: &Server,
) -> Result<Program, Error> {
    compiled(session, tools, server, AGENT)
}

/// The server's health check: its own package.
pub(crate) fn health(
    session: &Session,
    tools: &Tools<'_>,
    server: &Server,
) -> Result<Program, Error> {
    compiled(session, tools, server, server.name.as_str())
}

fn compiled(
    session: &Session,
    tools: &Tools<'_>,
    server: &Server,
    package: &str,
) -> Result<Program, Error> {
    let target = match server.board.architecture {
        definition::Architecture::X86_64 => Target::X86_64,
        definition::Architecture::Aarch64 => Target::Aarch64,
    };
    let root = session.workspace.root();
    let path = compile::program(tools, &session.cache, root, package, target)?;
    Ok(Program { digest: digest_of(&path)?, path })
}
