//! Results by key.

use std::error::Error as StdError;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use digest::Digest;
use rustix::fs::FlockOperation;

use crate::{Error, Inputs, durable, recent};

/// The results of stages, under one folder.
pub struct Cache {
    root: PathBuf,
    timings: Mutex<Vec<Timing>>,
}

/// A result. While this lives, the result is not collected.
#[derive(Debug)]
pub struct Done {
    /// Where the stage's files are.
    pub dir: PathBuf,
    /// The key that they are kept under.
    pub key: Digest,
    /// Whether the stage had nothing to do.
    pub hit: bool,
    /// Seconds that it took.
    pub seconds: f64,
    _used: File,
}

/// One run of a stage, for `--timings` and `--explain`.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Timing {
    /// Which stage.
    pub stage: String,
    /// Of which server; empty for what servers share.
    pub subject: String,
    /// Whether there was nothing to do.
    pub hit: bool,
    /// Seconds.
    pub seconds: f64,
    /// Why the stage ran; empty for a hit.
    pub why: Vec<String>,
}

impl Cache {
    /// Results under `root`, which is made when first needed.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), timings: Mutex::default() }
    }

    /// The folder of all results.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What ran so far, in order of completion.
    pub fn timings(&self) -> Vec<Timing> {
        self.timings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls `produce` with an empty folder to fill, unless the result is there already.
    ///
    /// Two processes that want one result share the work: the second waits for the first. When
    /// `produce` fails or the process dies, nothing is kept. Older results of the same stage that
    /// nobody used lately are removed.
    ///
    /// # Errors
    /// [`Error::Io`] for the cache folder, [`Error::Failed`] with the error of `produce`.
    pub fn run<E>(
        &self,
        subject: &str,
        inputs: &Inputs,
        produce: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Done, Error>
    where
        E: StdError + Send + Sync + 'static,
    {
        let start = Instant::now();
        let stage = inputs.stage.as_str();
        let key = inputs.key();
        let folder = self.root.join("stages").join(stage);
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let result = folder.join(key.hex());
        let lock_path = result.with_extension("lock");
        let lock = File::create(&lock_path).map_err(Error::io("create", &lock_path))?;
        let flock = |operation| {
            rustix::fs::flock(&lock, operation).map_err(|e| Error::io("lock", &lock_path)(e.into()))
        };

        flock(FlockOperation::LockShared)?;
        let mut hit = durable::is_trusted(&result);
        let mut why = Vec::new();
        if !hit {
            flock(FlockOperation::LockExclusive)?;
            // Another process may have made it while this one waited.
            hit = durable::is_trusted(&result);
            if !hit {
                why = self.explain(subject, inputs);
                make(&result, subject, inputs, produce)?;
            }
            flock(FlockOperation::LockShared)?;
        }
        recent::record(&self.root, subject, inputs).map_err(Error::io("write", &self.root))?;
        if !hit {
            let in_use = lock.try_clone().map_err(Error::io("open", &lock_path))?;
            durable::sync_later(&result, in_use);
            self.collect(stage, &folder).map_err(Error::io("clean", &folder))?;
        }

        let seconds = start.elapsed().as_secs_f64();
        progress::detail(
            if hit { "Reused" } else { "Made" },
            format!("{stage} {subject} ({}, {seconds:.2} s)", key.short()),
        );
        let timing =
            Timing { stage: stage.to_owned(), subject: subject.to_owned(), hit, seconds, why };
        self.timings.lock().unwrap_or_else(PoisonError::into_inner).push(timing);
        Ok(Done { dir: result.join("out"), key, hit, seconds, _used: lock })
    }

    fn explain(&self, subject: &str, inputs: &Inputs) -> Vec<String> {
        match recent::read(&self.root, &inputs.stage, subject).inputs {
            None => vec!["it was never made here".to_owned()],
            Some(before) => match inputs.differences(&before) {
                same if same.is_empty() => vec!["its result is gone".to_owned()],
                lines => lines,
            },
        }
    }

    /// Removes results of `stage` that no subject used lately and nobody uses now.
    fn collect(&self, stage: &str, folder: &Path) -> std::io::Result<()> {
        let kept = recent::keys(&self.root, stage)?;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "lock") {
                continue;
            }
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if Digest::from_hex(stem).is_ok_and(|key| kept.contains(&key)) {
                continue;
            }
            let lock = File::open(&path)?;
            if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
                continue;
            }
            let result = path.with_extension("");
            remove(&temporary(&result))?;
            remove(&result)?;
            // The lock file stays: removing it would part those who wait for it from newcomers.
        }
        Ok(())
    }
}

/// Where a result lies while it is made.
pub(crate) fn temporary(result: &Path) -> PathBuf {
    result.with_extension("part")
}

/// Removes a folder, if it is there.
pub(crate) fn remove(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn make<E: StdError + Send + Sync + 'static>(
    result: &Path,
    subject: &str,
    inputs: &Inputs,
    produce: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), Error> {
    let part = temporary(result);
    for old in [&part, result] {
        if old.exists() {
            fs::remove_dir_all(old).map_err(Error::io("remove", old))?;
        }
    }
    let out = part.join("out");
    fs::create_dir_all(&out).map_err(Error::io("create", &out))?;
    let written = produce(&out).map_err(|source| Error::Failed {
        stage: inputs.stage.clone(),
        subject: subject.to_owned(),
        source: Box::new(source),
    });
    let whole = written.and_then(|()| {
        let described = part.join("inputs.json");
        let text = serde_json::to_vec_pretty(inputs).map_err(std::io::Error::from);
        text.and_then(|text| fs::write(&described, text))
            .map_err(Error::io("write", &described))?;
        durable::mark(&part).map_err(Error::io("write", &part))?;
        fs::rename(&part, result).map_err(Error::io("rename", &part))
    });
    if whole.is_err() {
        // The first error is the one to tell; a leftover is removed by the next run.
        let _ = fs::remove_dir_all(&part);
    }
    whole
}
