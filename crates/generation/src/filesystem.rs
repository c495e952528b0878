//! What `init` found of the data filesystem when it mounted it.
//!
//! ```text
//! /imgs/fsck                     the last check that changed or could not change something
//! /run/heirloom/filesystem.json  this boot's: its check, and what it goes without
//! ```
//!
//! Both are JSON and written by one generation for any other, so a reader takes members that it
//! does not know.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, Result, files, text};

/// The longest file that is read, in bytes.
pub const MAX_SIZE: u64 = 64 * 1024;

/// The most lines of a check's output that are kept.
pub const MAX_LINES: usize = 40;

/// The longest line that is kept, in bytes.
const MAX_LINE: usize = 400;

/// A run of e2fsck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The boot that it belongs to: `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// Why it was done.
    pub asked: String,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub seconds: u64,
    /// The first [`MAX_LINES`] lines of what e2fsck said.
    #[serde(default)]
    pub lines: Vec<String>,
    /// How many more there were.
    #[serde(default)]
    pub more: u64,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing was wrong.
    Clean,
    /// What was wrong is repaired.
    Repaired,
    /// Something is still wrong.
    Failed,
    /// It was stopped because it took too long.
    Stopped,
    /// e2fsck could not be started.
    Absent,
}

/// A path that is state, and is in memory this time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InMemory {
    /// The path in the server.
    pub path: String,
    /// Why.
    pub why: String,
}

/// What this boot found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filesystem {
    /// The check before it was mounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// Why it is mounted read-only, and all state in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<String>,
    /// State that cannot be used as it is on the disk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_memory: Vec<InMemory>,
}

impl Check {
    /// The name of the file under `/imgs`.
    pub const NAME: &str = "fsck";

    /// Adds a line of e2fsck's, as far as there is room.
    pub fn say(&mut self, line: &str) {
        if self.lines.len() < MAX_LINES {
            let plain: String = line.chars().filter(|c| !c.is_control()).collect();
            self.lines.push(text::shortened(&plain, MAX_LINE).to_owned());
        } else {
            self.more += 1;
        }
    }

    /// Puts it in the place of the last one under `imgs`, and returns when it is on the disk.
    pub fn write(&self, imgs: &Path) -> Result<()> {
        files::replace(imgs, Self::NAME, &text::to_bytes(self))
    }

    /// The last one under `imgs`; nothing where there was none.
    pub fn read(imgs: &Path) -> Result<Option<Self>> {
        document(&imgs.join(Self::NAME), "fsck")
    }
}

impl Filesystem {
    /// The name of the file under `/run/heirloom`.
    pub const NAME: &str = "filesystem.json";

    /// Whether there is nothing to say.
    pub fn is_well(&self) -> bool {
        *self == Self::default()
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        text::to_bytes(self)
    }

    /// What init left in the directory `run`; of a boot without trouble nothing.
    pub fn read(run: &Path) -> Result<Self> {
        Ok(document(&run.join(Self::NAME), "filesystem")?.unwrap_or_default())
    }
}

fn document<T: serde::de::DeserializeOwned>(path: &Path, what: &'static str) -> Result<Option<T>> {
    match files::read(path, what, MAX_SIZE) {
        Ok(bytes) => text::parse(what, &bytes, MAX_SIZE).map(Some),
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check() -> Check {
        Check {
            boot: "0f1e".into(),
            asked: "errors were found while it was mounted".into(),
            outcome: Outcome::Repaired,
            seconds: 3,
            lines: Vec::new(),
            more: 0,
        }
    }

    #[test]
    fn a_check_is_read_as_it_was_written() {
        let imgs = tempfile::tempdir().unwrap();
        assert_eq!(Check::read(imgs.path()).unwrap(), None);
        let mut check = check();
        check.say("Inode 12 has\u{1b}[31m a bad block");
        check.write(imgs.path()).unwrap();
        assert_eq!(Check::read(imgs.path()).unwrap().unwrap(), check);
        assert_eq!(check.lines, ["Inode 12 has[31m a bad block"]);
    }

    #[test]
    fn a_filesystem_of_which_everything_is_wrong_is_still_a_short_file() {
        let mut check = check();
        for number in 0..100_000 {
            check.say(&format!("{number} {}", "\u{151}".repeat(5000)));
        }
        assert_eq!((check.lines.len(), check.more), (MAX_LINES, 100_000 - MAX_LINES as u64));
        let imgs = tempfile::tempdir().unwrap();
        check.write(imgs.path()).unwrap();
        assert_eq!(Check::read(imgs.path()).unwrap().unwrap(), check);
    }

    #[test]
    fn of_a_boot_without_trouble_nothing_is_left() {
        let run = tempfile::tempdir().unwrap();
        assert!(Filesystem::read(run.path()).unwrap().is_well());
        let why = Some("e2fsck left errors".to_owned());
        let found = Filesystem { read_only: why, ..Filesystem::default() };
        std::fs::write(run.path().join(Filesystem::NAME), found.to_bytes()).unwrap();
        assert_eq!(Filesystem::read(run.path()).unwrap(), found);
        assert!(!found.is_well());
    }
}
