//! The static programs that go into an image.

use std::path::PathBuf;

use compile::Target;
use definition::Server;
use digest::Digest;
use sandbox::Tools;
use stage::Done;

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

/// The programs of one server.
pub(crate) struct Programs {
    /// PID 1 of the initramfs.
    pub(crate) init: Program,
    /// The command `heirloom`.
    pub(crate) agent: Program,
    /// The server's health check: its own package.
    pub(crate) health: Program,
    /// The results that they lie in.
    pub(crate) held: [Done; 2],
}

/// Compiles what is not compiled yet.
pub(crate) fn all(
    session: &Session,
    tools: &Tools<'_>,
    server: &Server,
) -> Result<Programs, Error> {
    let target = match server.board.architecture {
        definition::Architecture::X86_64 => Target::X86_64,
        definition::Architecture::Aarch64 => Target::Aarch64,
    };
    let (cache, root) = (&session.cache, session.workspace.root());
    // All servers have these; the third changes with its server.
    let ([init, agent], shared) = compile::programs(tools, cache, root, [INIT, AGENT], target)?;
    let own = server.name.as_str();
    let ([health], its_own) = compile::programs(tools, cache, root, [own], target)?;
    let program = |path: PathBuf| Ok::<_, Error>(Program { digest: digest_of(&path)?, path });
    Ok(Programs {
        init: program(init)?,
        agent: program(agent)?,
        health: program(health)?,
        held: [shared, its_own],
    })
}
