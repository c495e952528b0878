//! What can go wrong between a lock and a layer.

use std::io;
use std::path::PathBuf;

/// A package tree or a config layer could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A stream could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A package could not be unpacked.
    #[error(transparent)]
    Unpack(#[from] unpack::Error),
    /// A program could not be run, or failed.
    #[error("{doing}")]
    Program {
        /// What was being done.
        doing: String,
        /// What the sandbox said.
        #[source]
        source: Box<sandbox::Error>,
    },
    /// A script of a package that failed.
    #[error("the {script} of {package} failed{}", run_again(.again))]
    Script {
        /// The package.
        package: String,
        /// `preinst`, `postinst`.
        script: &'static str,
        /// What it said when it was run once more with its commands shown.
        again: Option<String>,
        /// How it ended, and what it said.
        #[source]
        source: Box<sandbox::Error>,
    },
    /// The sandbox could not be used.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    /// Packages that dpkg did not finish.
    #[error("dpkg left packages that are not installed: {}", .0.join(", "))]
    NotInstalled(Vec<String>),
    /// Pacman, an install script or a hook that failed.
    #[error("{doing}; it said:\n{output}")]
    Pacman {
        /// What failed.
        doing: String,
        /// The end of what it said.
        output: String,
    },
    /// What pacman has installed is not what was locked.
    #[error("pacman did not install what is locked{}{}", named("missing", .missing), named("not locked", .unexpected))]
    NotLocked {
        /// Locked and not installed: `name-version`.
        missing: Vec<String>,
        /// Installed and not locked.
        unexpected: Vec<String>,
    },
    /// A debconf answer to a question that no package asks.
    #[error(
        "the debconf answer `{question}` is to a question that no package of the lock and no script asks"
    )]
    UnknownQuestion {
        /// The question.
        question: String,
        /// A question of the packages that looks like it.
        similar: Option<String>,
    },
    /// A socket, a fifo or a device node in a finished tree.
    #[error("{path} is a socket, a fifo or a device node, which no image can hold")]
    SpecialFile {
        /// The path.
        path: String,
    },
    /// A file of the tree that should be text of a known form is not.
    #[error("{path} of the tree, line {line}: {message}")]
    Malformed {
        /// The file.
        path: &'static str,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// No numeric id is left.
    #[error("no id is free for the {kind} `{name}` in {range}")]
    NoFreeId {
        /// `user` or `group`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The ids that were tried.
        range: &'static str,
    },
    /// Two names that the lock or the tree gives one id, or the other way round.
    #[error("the {kind} `{name}` has id {recorded} in the lock and {found} {place}")]
    Ids {
        /// `user` or `group`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The lock's id.
        recorded: u32,
        /// The other id.
        found: u32,
        /// Where the other id is.
        place: &'static str,
    },
    /// One id for two names, one of them in the lock.
    #[error("the lock gives one id, {id}, to the {kind}s `{one}` and `{other}`")]
    SharedId {
        /// `user` or `group`.
        kind: &'static str,
        /// The id.
        id: u32,
        /// A name.
        one: String,
        /// Another one.
        other: String,
    },
    /// The definition declares what the packages or the definition already have, differently.
    #[error("the definition declares the {kind} `{name}`, which {reason}")]
    Account {
        /// `user` or `group`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why that cannot be.
        reason: String,
    },
    /// A path of the definition that cannot be laid over the tree.
    #[error("{path}: {reason}")]
    Path {
        /// The path, as the definition has it.
        path: String,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
}

fn run_again(said: &Option<String>) -> String {
    let text = |said| format!("; run again with its commands shown, it said:\n{said}");
    said.as_ref().map_or_else(String::new, text)
}

fn named(what: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; {what}: {}", names.join(", ")) }
}

impl Error {
    /// What to do now.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unpack(error) => error.hint(),
            Self::Sandbox(error) => error.hint(),
            Self::Program { source, .. } | Self::Script { source, .. } => source.hint(),
            Self::NotInstalled(_) => Some(
                "a package that they need may be missing from the lock: lock the server again"
                    .to_owned(),
            ),
            Self::NotLocked { .. } => Some(
                "packages that conflict with each other cannot be on one server: lock it again, \
                 or leave one of them out"
                    .to_owned(),
            ),
            Self::UnknownQuestion { similar: Some(similar), .. } => {
                Some(format!("did you mean `{similar}`?"))
            }
            Self::UnknownQuestion { .. } => Some(
                "the questions of a package are in its `templates` file: `dpkg-deb -I FILE.deb \
                 templates`"
                    .to_owned(),
            ),
            Self::Ids { .. } | Self::SharedId { .. } => Some(
                "mend the id in the lock's [users] or [groups]; state on servers is owned by the \
                 number"
                    .to_owned(),
            ),
            Self::Path { hint, .. } => hint.clone(),
            Self::Read { source, .. } | Self::Write { source, .. } | Self::Io(source)
                if source.kind() == io::ErrorKind::StorageFull =>
            {
                Some("make room on the device and run the command again".to_owned())
            }
            _ => None,
        }
    }
}

impl From<unpack::InsideError> for Error {
    fn from(error: unpack::InsideError) -> Self {
        match error {
            unpack::InsideError::Read { path, source } => Self::Read { path, source },
            unpack::InsideError::Write { path, source } => Self::Write { path, source },
        }
    }
}
