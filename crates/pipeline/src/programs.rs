//! The static programs that go into an image.

use std::collections::BTreeSet;
use std::path::PathBuf;

use compile::{Compiled, Target};
use definition::Server;
use sandbox::Tools;
use stage::Done;

use crate::{Error, Session};

/// The package of PID 1 of the initramfs.
const INIT: &str = "heirloom-init";

/// The package of the command `heirloom`.
const AGENT: &str = "heirloom-agent";

/// The programs of one server.
pub(crate) struct Programs {
    /// PID 1 of the initramfs.
    pub(crate) init: Compiled,
    /// The command `heirloom`.
    pub(crate) agent: Compiled,
    /// The server's health check: its own package.
    pub(crate) health: Compiled,
    /// The results that they lie in.
    pub(crate) held: [Done; 2],
}

/// What git ignores of the files that `server` and its programs are made of: it is left out.
///
/// # Errors
/// When git cannot be asked.
pub fn left_out(session: &Session, server: &Server) -> Result<BTreeSet<PathBuf>, Error> {
    Ok(session.workspace.left_out(server.name.as_str(), &[INIT, AGENT])?)
}

/// What the programs are compiled from.
pub(crate) fn sources(session: &Session, server: &Server) -> Result<compile::Workspace, Error> {
    let sources = compile::Workspace::read(session.workspace.root())?;
    Ok(sources.without(left_out(session, server)?))
}

/// Compiles what is not compiled yet.
pub(crate) fn all(
    session: &Session,
    tools: &Tools<'_>,
    sources: &compile::Workspace,
    server: &Server,
) -> Result<Programs, Error> {
    let target = match server.board.architecture {
        definition::Architecture::X86_64 => Target::X86_64,
        definition::Architecture::Aarch64 => Target::Aarch64,
    };
    let cache = &session.cache;
    // All servers have these; the third changes with its server.
    let ([init, agent], shared) = compile::programs(tools, cache, sources, [INIT, AGENT], target)?;
    let own = server.name.as_str();
    let ([health], its_own) = compile::programs(tools, cache, sources, [own], target)?;
    Ok(Programs { init, agent, health, held: [shared, its_own] })
}
