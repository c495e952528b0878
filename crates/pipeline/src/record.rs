//! `server.digest`: what came out last. A record to compare with, never an input.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use digest::Digest;
use serde::{Deserialize, Serialize};

use crate::{Built, Error};

/// A generation and the epoch it was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The generation's digest.
    pub generation: Digest,
    /// `SOURCE_DATE_EPOCH`, in seconds.
    pub epoch: u64,
    /// The packages of the lock, once two builds of them were found to be equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packages: Option<Digest>,
}

impl Record {
    /// Whether it is of the same generation.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.generation, self.epoch) == (other.generation, other.epoch)
    }

    /// Whether it is of the generation that was built.
    pub fn is_of(&self, built: &Built) -> bool {
        (self.generation, self.epoch) == (built.generation, built.epoch)
    }

    /// What `path` records; nothing when there is no such file.
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        match fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text)
                .map(Some)
                .map_err(|source| Error::Record { path: path.to_owned(), source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    /// Replaces what `path` records about `server`.
    pub fn write(&self, path: &Path, server: &str) -> Result<(), Error> {
        let text = format!(
            "# Written by `cargo xtask image {server}`: what came out last. A record, never an input.\n\
             generation = \"{}\"\nepoch = {}\n{}",
            self.generation,
            self.epoch,
            self.packages
                .map(|packages| format!("packages = \"{packages}\"\n"))
                .unwrap_or_default()
        );
        let folder = path.parent().unwrap_or(Path::new("."));
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            set_shared_mode(file.as_file())?;
            file.persist(path)?;
            io::Result::Ok(())
        };
        write().map_err(Error::io("write", path))
    }
}

/// A temporary file is its owner's alone; a file of the repository is everyone's to read.
fn set_shared_mode(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_nonsense_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.digest");
        assert_eq!(Record::read(&path).unwrap(), None);
        for packages in [None, Some(Digest::of("lock"))] {
            let record = Record { generation: Digest::of("abc"), epoch: 7, packages };
            record.write(&path, "mailserver").unwrap();
            assert_eq!(Record::read(&path).unwrap(), Some(record));
        }
        fs::write(&path, "generation = \"abc\"\nepoch = 7\n").unwrap();
        assert!(Record::read(&path).is_err());
    }
}
