//! What came of each row: `results/SUITE.toml`, from which the table is made and by which a later
//! run knows what it need not run again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use digest::Digest;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The rows that were run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// In the order of the list.
    #[serde(default, rename = "row")]
    pub rows: Vec<Row>,
}

/// A row that was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name in the list.
    pub name: String,
    /// With what is recommended.
    pub recommends: bool,
    /// Of what it was a function: with another it is run again.
    pub key: Digest,
    /// Of what of its packages is made at first boot: with other paths it is run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Digest>,
    /// The tables by which `equal` was judged: with others it is judged again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Digest>,
    /// How many packages were locked.
    #[serde(default)]
    pub packages: u64,
    /// There is a lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<Answer>,
    /// There is a package tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Answer>,
    /// It differs from apt's in nothing but what is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equal: Option<Answer>,
    /// A second build in other surroundings is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Answer>,
    /// Its image booted and no unit failed but those of which the list says that they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booted: Option<Answer>,
    /// The units that failed then, and the last that they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<BTreeMap<String, String>>,
}

/// Yes or no, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Whether it is so.
    pub holds: bool,
    /// How many things speak against it, of which `notes` may be the first.
    #[serde(default)]
    pub count: u64,
    /// What speaks against it.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl Answer {
    /// The most notes that are kept.
    pub const SHOWN: usize = 25;

    /// Yes, where nothing speaks against it.
    pub fn of(notes: Vec<String>) -> Self {
        let count = notes.len() as u64;
        let notes = notes.into_iter().take(Self::SHOWN).collect();
        Self { holds: count == 0, count, notes }
    }
}

impl Row {
    /// A row of which nothing is known.
    pub fn new(name: &str, recommends: bool, key: Digest) -> Self {
        Self {
            name: name.to_owned(),
            recommends,
            key,
            own: None,
            judged: None,
            packages: 0,
            locked: None,
            built: None,
            equal: None,
            verified: None,
            booted: None,
            failed: None,
        }
    }

    /// Judges the units that failed by those of which the list says that they do anywhere.
    pub fn judge_boot(&mut self, expected: &BTreeMap<String, String>) {
        let Some(failed) = &self.failed else { return };
        let open = failed.iter().filter(|(unit, _)| !expected.contains_key(*unit));
        let open = open.map(|(unit, said)| format!("{unit}: {said}"));
        self.booted = Some(Answer::of(open.collect()));
    }
}

impl Results {
    /// Reads what a run has written; nothing if none has.
    ///
    /// # Errors
    /// When the file cannot be read, or is none of these.
    pub fn read(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        toml::from_str(&text).map_err(|source| Error::Form { path: path.to_owned(), source })
    }

    /// Writes them.
    ///
    /// # Errors
    /// When that fails.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let head = "# written by `cargo xtask compare-packages`\n\n";
        let text = toml::to_string(self).map_err(std::io::Error::other);
        text.and_then(|text| fs::write(path, format!("{head}{text}")))
            .map_err(Error::io("write", path))
    }

    /// The row of a name.
    pub fn row(&self, name: &str, recommends: bool) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name && row.recommends == recommends)
    }

    /// Puts a row in the place of the one of its name.
    pub fn put(&mut self, row: Row) {
        self.rows.retain(|it| it.name != row.name || it.recommends != row.recommends);
        self.rows.push(row);
    }
}
