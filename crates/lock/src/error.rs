//! What can be wrong with a lock file.

use std::io;
use std::path::{Path, PathBuf};

/// An error of reading or writing a lock.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A lock file cannot be read.
    #[error("cannot read the lock {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A lock file cannot be written.
    #[error("cannot write the lock {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A lock that was to be written says what no lock says.
    #[error("the lock {} is not written, for it could not be read again: {what}", path.display())]
    Odd {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A lock file says what no lock says.
    #[error("{}:{line}:{column}: {what}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong there.
        what: String,
    },
}

impl Error {
    /// What to do now.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Read { path, source } if source.kind() == io::ErrorKind::NotFound => {
                format!("`{}` writes it", writes(path))
            }
            Self::Invalid { path, .. } => {
                format!("take the file back from git, or write it anew: `{}`", writes(path))
            }
            _ => return None,
        })
    }
}

/// The command that writes a lock.
fn writes(lock: &Path) -> &'static str {
    if lock.ends_with("tools.lock") { "cargo xtask lock --tools" } else { "cargo xtask lock NAME" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lock_is_written_by_its_command() {
        let hint = |path: &str| {
            let source = io::ErrorKind::NotFound.into();
            let missing = Error::Read { path: path.into(), source }.hint().unwrap();
            let (path, what) = (path.into(), String::new());
            let broken = Error::Invalid { path, line: 1, column: 1, what }.hint().unwrap();
            (missing, broken)
        };
        for (path, command) in [
            ("/w/tools.lock", "`cargo xtask lock --tools`"),
            ("/w/servers/a/server.lock", "`cargo xtask lock NAME`"),
        ] {
            let (missing, broken) = hint(path);
            assert!(
                missing.starts_with(command) && broken.ends_with(command),
                "{missing} {broken}"
            );
        }
    }
}
