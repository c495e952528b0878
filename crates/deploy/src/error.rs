//! What keeps a generation from its server.

use std::io;
use std::path::{Path, PathBuf};

use crate::ssh::{Ssh, VARIABLE};

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What keeps a generation from its server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// No destination for ssh.
    #[error("`{destination}` is no host that ssh could reach")]
    Destination {
        /// What was given.
        destination: String,
    },
    /// ssh cannot be started.
    #[error("cannot start `{program}`")]
    NoSsh {
        /// Which program.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// ssh could not connect, or lost the connection.
    #[error("{host}: {why}")]
    Ssh {
        /// Which host.
        host: String,
        /// What happened, in our words or ssh's.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Talking to ssh failed.
    #[error("the connection failed")]
    Transport {
        /// Why.
        source: io::Error,
    },
    /// There is no agent on the host.
    #[error("{host} has no `heirloom` command")]
    NoAgent {
        /// Which host.
        host: String,
    },
    /// A command on the host failed.
    #[error("{host}: {why}")]
    Command {
        /// Which host.
        host: String,
        /// What it said.
        why: String,
        /// What it said that could be done.
        hint: Option<String>,
    },
    /// A command's answer is not what it should be.
    #[error("`{command}` answered what this program does not read: {why}")]
    Answer {
        /// The command.
        command: String,
        /// What is wrong with it.
        why: String,
    },
    /// The host is another server, or for another board.
    #[error("{host} is `{found}`, not `{wanted}`")]
    OtherServer {
        /// Which host.
        host: String,
        /// What it is.
        found: String,
        /// What was to be deployed.
        wanted: String,
    },
    /// Nobody could deploy to the server any more: who deploys has no key in the generation. The
    /// server itself would call it healthy.
    #[error("`{server}` has no key of `{user}` now: nobody could deploy to it after this")]
    LocksOut {
        /// Which server.
        server: String,
        /// Who logs in.
        user: String,
    },
    /// The trial was not decided in time.
    #[error("after {seconds} s {host} has not said whether generation {number} is healthy: {last}")]
    Undecided {
        /// Which host.
        host: String,
        /// Which generation.
        number: u64,
        /// How long was waited.
        seconds: u64,
        /// What was last heard.
        last: String,
    },
    /// Transferring failed.
    #[error(transparent)]
    Transfer(#[from] transfer::Error),
    /// Documents or blobs of a generation.
    #[error(transparent)]
    Generation(#[from] generation::Error),
    /// A disk must not be overwritten.
    #[error("will not write {device}: {why}")]
    Disk {
        /// Which device or file.
        device: String,
        /// Why not.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The server is made for another board.
    #[error("`{server}` is made for the board `{found}`, not for `{wanted}`")]
    Board {
        /// Which server.
        server: String,
        /// Its board.
        found: String,
        /// What the medium is for.
        wanted: String,
    },
    /// The rescue system lacks something.
    #[error("{host}: {why}")]
    Rescue {
        /// Which host.
        host: String,
        /// What.
        why: String,
    },
    /// Not asked, or answered no.
    #[error("{device} was not written: nobody said yes")]
    NotConfirmed {
        /// Which device.
        device: String,
    },
    /// What was written is not what is read.
    #[error("{device} gives other bytes than were written to it")]
    ReadBack {
        /// Which device.
        device: String,
    },
    /// A file could not be used.
    #[error("could not {what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io<'a>(
        what: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }

    /// What ssh said when it ended with its own status, 255.
    pub(crate) fn ssh(host: &str, stderr: &str) -> Self {
        let says = |text: &str| stderr.contains(text);
        let ssh = command_line(host);
        let (why, hint) = if says("REMOTE HOST IDENTIFICATION HAS CHANGED") {
            let name = known_as(host, stderr);
            let hint = format!(
                "after an installation that is expected: `ssh-keygen -R {name}`, then `{ssh}`; \
                 otherwise somebody stands between"
            );
            ("its host key is not the one that ssh knows".to_owned(), Some(hint))
        } else if says("Host key verification failed") {
            let hint = format!("log in by hand once, and compare its fingerprint: `{ssh}`");
            ("ssh does not know its host key".to_owned(), Some(hint))
        } else if says("Permission denied") || says("Too many authentication failures") {
            let hint = format!("`{ssh} true` has to work: is your key on the server?");
            ("it refused the login".to_owned(), Some(hint))
        } else if says("Could not resolve hostname") {
            ("no such host is known".to_owned(), None)
        } else {
            let last = stderr.lines().rfind(|line| !line.trim().is_empty());
            (last.unwrap_or("the connection ended").trim().to_owned(), None)
        };
        Self::Ssh { host: host.to_owned(), why, hint }
    }

    /// What a command said on standard error, in the form of our own programs or in any other.
    pub(crate) fn command(host: &str, command: &str, code: i32, stderr: &str) -> Self {
        let after = |head: &str| stderr.lines().rev().find_map(|line| line.strip_prefix(head));
        let last = stderr.lines().rfind(|line| !line.trim().is_empty());
        let why = after("error: ").or(last).map_or_else(
            || format!("`{command}` ended with exit status {code}"),
            |line| line.trim().to_owned(),
        );
        let hint = after("help: ").map(|line| line.trim().to_owned());
        let hint = hint.or_else(|| {
            why.starts_with("sudo: ").then(|| {
                "who deploys has to be root, or have a rule of sudo that lets them run \
                 /usr/bin/heirloom without a password: docs/how-to/log-in.md"
                    .to_owned()
            })
        });
        Self::Command { host: host.to_owned(), why, hint }
    }

    /// What to do now, where there is something that can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Image(error) => error.hint(),
            Self::NoSsh { .. } => {
                Some(format!("install OpenSSH's client, or name another with {VARIABLE}"))
            }
            Self::Destination { .. } => {
                Some("write `root@host`, `ssh://root@host:port`, or a name of ssh_config".into())
            }
            Self::NoAgent { host } => Some(format!(
                "it is no Heirloom server: from a rescue system, `cargo xtask install SERVER {host} --disk DISK` makes it one"
            )),
            Self::LocksOut { server, user } => Some(format!(
                "put a public key into servers/{server}/rootfs/etc/ssh/authorized_keys/{user}"
            )),
            Self::Answer { .. } => {
                Some("server and workspace have versions of heirloom that differ too much".into())
            }
            Self::Undecided { host, .. } => Some(format!(
                "it goes on by itself, and falls back if it has to; `{} heirloom status` later",
                command_line(host)
            )),
            Self::Board { server, .. } => {
                Some(format!("`board` in servers/{server}/server.toml says it"))
            }
            Self::NotConfirmed { .. } => {
                Some("`--yes` says it beforehand, for programs and for the sure".into())
            }
            Self::ReadBack { .. } => Some("the device is broken, or smaller than it says".into()),
            Self::Ssh { hint, .. } | Self::Command { hint, .. } | Self::Disk { hint, .. } => {
                hint.clone()
            }
            Self::Transfer(error) => error.hint(),
            Self::Generation(error) => error.hint(),
            _ => None,
        }
    }
}

/// How a person reaches `host` as this program does.
fn command_line(host: &str) -> String {
    Ssh::new(host).map_or_else(|_| format!("ssh {host}"), |ssh| ssh.command_line())
}

/// What `ssh-keygen -R` calls `host`: ssh says it, and knows what its configuration makes of a name.
fn known_as(host: &str, stderr: &str) -> String {
    let said = stderr.lines().find_map(|line| {
        line.trim().strip_prefix("Host key for ")?.split_once(" has changed").map(|(name, _)| name)
    });
    match said {
        Some(name) if name.starts_with('[') => format!("'{}'", name.escape_debug()),
        Some(name) => name.escape_debug().to_string(),
        None => Ssh::new(host).map_or_else(|_| host.to_owned(), |ssh| ssh.known_as()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_host_key_is_taken_away_by_the_name_that_ssh_has_for_it() {
        let changed = "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n";
        let hint = |host, stderr: &str| Error::ssh(host, stderr).hint().unwrap();
        for (host, more, name) in [
            ("root@mail.example.org", "", "`ssh-keygen -R mail.example.org`"),
            ("ssh://root@localhost:2222", "", "`ssh-keygen -R '[localhost]:2222'`"),
            ("mail", "Host key for [10.0.0.1]:2222 has changed and you", "-R '[10.0.0.1]:2222'`"),
            ("mail", "Host key for 10.0.0.1 has changed and you", "-R 10.0.0.1`"),
        ] {
            let said = hint(host, &format!("{changed}{more}"));
            assert!(said.contains(name), "{said}");
            assert!(said.contains(&format!("ssh {host}`")), "{said}");
        }
        let said = hint("mail", "x: Permission denied (publickey).");
        assert!(said.starts_with("`ssh mail true` has to work"), "{said}");
    }
}
