//! Fetching: whatever is missing or damaged, from the first source that has the right bytes.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;

use digest::Digest;

use crate::download::{Download, Outcome};
use crate::item::{Item, check_path};
use crate::refusal::Refusal;
use crate::store::Store;
use crate::{Error, Failure, Result, workers};

/// What a fetch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Files that came from a source.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were present, or came through another command meanwhile.
    pub reused: usize,
    /// Sources that were at fault, with the file's name. Each was also warned of; that one cannot
    /// be reached, once for all files.
    pub refused: Vec<(String, Refusal)>,
}

impl Store {
    /// Makes all of `items` present and verified. Those that are present are hashed, and fetched
    /// anew if damaged.
    ///
    /// # Errors
    /// [`Error::Offline`] and [`Error::Unavailable`] when no source has a file (all others are
    /// fetched nevertheless, so that the next run finds them), [`Error::ArchivePath`] for a hostile
    /// path, [`Error::Io`] when the disk is full or the folder cannot be written.
    pub fn fetch(&self, items: &[Item]) -> Result<Fetched> {
        let mut seen = HashSet::new();
        let items: Vec<&Item> = items.iter().filter(|item| seen.insert(item.digest)).collect();
        items.iter().try_for_each(|item| check_path(&item.path))?;

        let sound = workers::map(workers::processors(), &items, |item| self.is_sound(item))?;
        let mut missing: Vec<&Item> =
            items.iter().zip(sound).filter(|(_, sound)| !sound).map(|(item, _)| *item).collect();
        let mut fetched = Fetched { reused: items.len() - missing.len(), ..Fetched::default() };
        if missing.is_empty() {
            return Ok(fetched);
        }
        // The largest first, so that none of them is left alone at the end.
        missing.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.path.cmp(&b.path)));

        let bar = progress::bytes("Fetching", missing.iter().map(|item| item.size).sum());
        let download = Download { store: self, bar: &bar };
        let mut failures = Vec::new();
        // What another command is fetching is left for last, so that two commands divide the work.
        for wait in [false, true] {
            let outcomes =
                workers::map(self.options.connections, &missing, |item| download.item(item, wait))?;
            let mut busy = Vec::new();
            for (item, outcome) in missing.iter().zip(outcomes) {
                match outcome {
                    Outcome::Present => fetched.reused += 1,
                    Outcome::Busy => busy.push(*item),
                    Outcome::Fetched { faults } => {
                        fetched.files += 1;
                        fetched.bytes += item.size;
                        fetched.refused.extend(faults.into_iter().map(|f| (item.name.clone(), f)));
                    }
                    Outcome::Failed(refusals) => {
                        failures.push(Failure { name: item.name.clone(), refusals });
                    }
                }
            }
            missing = busy;
        }
        drop(bar);
        if !failures.is_empty() {
            failures.sort_by(|a, b| a.name.cmp(&b.name));
            return Err(if self.options.offline {
                Error::Offline { missing: failures }
            } else {
                Error::Unavailable { failures }
            });
        }
        if fetched.files > 0 {
            let files = if fetched.files == 1 { "file" } else { "files" };
            let size = megabytes(fetched.bytes);
            progress::done("Fetched", format!("{} {files}, {size}", fetched.files));
        }
        Ok(fetched)
    }

    /// Whether the file is present with the right bytes; one with others is removed.
    pub(crate) fn is_sound(&self, item: &Item) -> Result<bool> {
        let path = self.path(item.digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        let (found, size) = Digest::of_reader(file).map_err(Error::io("read", &path))?;
        if (found, size) == (item.digest, item.size) {
            return Ok(true);
        }
        if found == item.digest {
            // The lock is wrong about the size. No source can have such a file.
            return Ok(false);
        }
        progress::warning(format!(
            "`{}` in the store was damaged; fetching {} anew",
            path.display(),
            item.name
        ));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &path)(error))
            }
            _ => Ok(false),
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}
