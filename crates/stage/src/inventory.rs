//! What a cache holds, and what of it nobody needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use digest::Digest;

use crate::cache::{remove, temporary};
use crate::{Cache, Error, recent};

/// A result in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which stage made it.
    pub stage: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Whether it is the newest of a subject that there still is.
    pub needed: bool,
}

impl Cache {
    /// All results, by stage. `is_alive` is told a stage and a subject, and says whether that
    /// subject is still there.
    ///
    /// # Errors
    /// [`Error::Io`] for the cache folder.
    pub fn inventory(&self, is_alive: impl Fn(&str, &str) -> bool) -> Result<Vec<Held>, Error> {
        let stages = self.root().join("stages");
        let mut held = Vec::new();
        for stage in directories(&stages).map_err(Error::io("read", &stages))? {
            let folder = stages.join(&stage);
            let newest: BTreeSet<Digest> = self
                .newest(&stage)?
                .into_iter()
                .filter(|(subject, _)| is_alive(&stage, subject))
                .map(|(_, key)| key)
                .collect();
            for name in directories(&folder).map_err(Error::io("read", &folder))? {
                let needed = Digest::from_hex(&name).is_ok_and(|key| newest.contains(&key));
                let path = folder.join(&name);
                held.push(Held { stage: stage.clone(), path, needed });
            }
        }
        Ok(held)
    }

    /// Removes a result, unless somebody makes or uses it: says whether it is gone.
    ///
    /// # Errors
    /// [`Error::Io`] for the cache folder.
    pub fn remove(&self, held: &Held) -> Result<bool, Error> {
        // What a killed command left is named after the result that it was to be.
        let result = held.path.with_extension("");
        let lock_path = result.with_extension("lock");
        let lock = File::create(&lock_path).map_err(Error::io("create", &lock_path))?;
        if lock.try_lock().is_err() {
            return Ok(false);
        }
        for path in [temporary(&result), result] {
            remove(&path).map_err(Error::io("remove", &path))?;
        }
        Ok(true)
    }

    /// The newest key of each subject of a stage.
    fn newest(&self, stage: &str) -> Result<BTreeMap<String, Digest>, Error> {
        let newest = match recent::newest(self.root(), stage) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            newest => newest,
        };
        newest.map_err(Error::io("read", self.root()))
    }
}

/// The names of the directories in a folder, sorted; none where there is no folder.
fn directories(folder: &std::path::Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    names.sort();
    Ok(names)
}
