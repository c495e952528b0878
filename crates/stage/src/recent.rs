//! Which results are kept: the last few of each stage and subject. The rest is collected.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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
    let mut recent = read(root, &inputs.stage, subject);
    let key = inputs.key();
    if recent.keys.first() == Some(&key) && recent.inputs.as_ref() == Some(inputs) {
        return Ok(());
    }
    recent.keys.retain(|known| *known != key);
    recent.keys.insert(0, key);
    recent.keys.truncate(KEPT);
    recent.inputs = Some(inputs.clone());
    let path = file(root, &inputs.stage, subject);
    fs::create_dir_all(root.join("recent"))?;
    // Threads of one process may record the same use at once.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{count}.new", std::process::id()));
    fs::write(&temporary, serde_json::to_vec(&recent)?)?;
    fs::rename(temporary, path)
}

/// The keys of `stage` that some subject used lately.
pub(crate) fn keys(root: &Path, stage: &str) -> io::Result<BTreeSet<Digest>> {
    let prefix = format!("{stage}-");
    let mut keys = BTreeSet::new();
    for entry in fs::read_dir(root.join("recent"))? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(subject) = name.strip_prefix(&prefix).and_then(|n| n.strip_suffix(".json")) {
            keys.extend(read(root, stage, subject).keys);
        }
    }
    Ok(keys)
}
