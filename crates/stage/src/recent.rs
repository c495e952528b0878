//! Which results are kept: the last few of each stage and subject. The rest is collected.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use digest::Digest;
use serde::{Deserialize, Serialize};

use crate::Inputs;

/// Results kept for a stage and subject: today's, and two to go back to.
const KEPT: usize = 3;

/// The keys last used, newest first, and the inputs of the newest.
#[derive(Serialize, Deserialize, Default)]
pub(crate) struct Recent {
    keys: Vec<Digest>,
    pub(crate) inputs: Option<Inputs>,
}

fn file(root: &Path, stage: &str, subject: &str) -> PathBuf {
    root.join("recent").join(format!("{stage}-{subject}.json"))
}

/// What was used before; nothing when that cannot be read, since it is only a record.
pub(crate) fn read(root: &Path, stage: &str, subject: &str) -> Recent {
    let text = fs::read(file(root, stage, subject)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Records a use.
pub(crate) fn record(root: &Path, subject: &str, inputs: &Inputs) -> io::Result<()> {
    let key = inputs.key();
    let is_newest = |recent: &Recent| {
        recent.keys.first() == Some(&key) && recent.inputs.as_ref() == Some(inputs)
    };
    if is_newest(&read(root, &inputs.stage, subject)) {
        return Ok(());
    }
    let path = file(root, &inputs.stage, subject);
    fs::create_dir_all(root.join("recent"))?;
    // A use that another run records meanwhile must not be lost: its result would be collected.
    let lock = File::create(path.with_extension("lock"))?;
    lock.lock()?;
    let mut recent = read(root, &inputs.stage, subject);
    recent.keys.retain(|known| *known != key);
    recent.keys.insert(0, key);
    recent.keys.truncate(KEPT);
    recent.inputs = Some(inputs.clone());
    let temporary = path.with_extension("new");
    fs::write(&temporary, serde_json::to_vec(&recent)?)?;
    fs::rename(temporary, path)
}

/// The keys of `stage` that some subject used lately.
pub(crate) fn keys(root: &Path, stage: &str) -> io::Result<BTreeSet<Digest>> {
    Ok(of_stage(root, stage)?.into_iter().flat_map(|(_, recent)| recent.keys).collect())
}

/// The key of `stage` that each subject used last.
pub(crate) fn newest(root: &Path, stage: &str) -> io::Result<BTreeMap<String, Digest>> {
    let subjects = of_stage(root, stage)?.into_iter();
    Ok(subjects.filter_map(|(subject, recent)| Some((subject, *recent.keys.first()?))).collect())
}

/// What each subject of `stage` used.
fn of_stage(root: &Path, stage: &str) -> io::Result<Vec<(String, Recent)>> {
    let prefix = format!("{stage}-");
    let mut all = Vec::new();
    for entry in fs::read_dir(root.join("recent"))? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(subject) = name.strip_prefix(&prefix).and_then(|n| n.strip_suffix(".json")) {
            all.push((subject.to_owned(), read(root, stage, subject)));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_runs_that_record_at_once_both_are_remembered() {
        let root = tempfile::tempdir().unwrap();
        for round in 0..200 {
            let used = ["a", "b"].map(|value| Inputs::new("layer", round).text("value", value));
            std::thread::scope(|scope| {
                for inputs in &used {
                    scope.spawn(|| record(root.path(), "mail", inputs).unwrap());
                }
            });
            let kept = keys(root.path(), "layer").unwrap();
            assert!(used.iter().all(|inputs| kept.contains(&inputs.key())), "round {round}");
        }
    }
}
