//! Results of stages: what there is, what is taken over from elsewhere, what they are.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use digest::Digest;
use pipeline::Report;
use rustix::fs::FlockOperation;

/// Each file that was made on the way to an image, by its name, as the digest of its bytes.
pub(crate) fn digests(report: &Report) -> Result<BTreeMap<String, Digest>> {
    let digest = |path: &Path| -> Result<Digest> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        Ok(Digest::of_reader(file)?.0)
    };
    report.artefacts.iter().map(|it| Ok((it.name.clone(), digest(&it.path)?))).collect()
}

/// Finished results of `stage` under `stages`.
pub(crate) fn finished(stages: &Path, stage: &str) -> Result<Vec<PathBuf>> {
    entries(stages, stage, |extension| extension.is_none())
}

/// Results of `stage` in the making.
pub(crate) fn unfinished(stages: &Path, stage: &str) -> Result<Vec<PathBuf>> {
    entries(stages, stage, |extension| extension == Some("part"))
}

fn entries(stages: &Path, stage: &str, wanted: fn(Option<&str>) -> bool) -> Result<Vec<PathBuf>> {
    let Ok(folder) = fs::read_dir(stages.join(stage)) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in folder {
        let path = entry?.path();
        if wanted(path.extension().and_then(|it| it.to_str())) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Takes over the finished results of `stage`, by hard links: a result is known by the key of all
/// that it was made from, so those of another workspace are as good.
pub(crate) fn take(from: &Path, to: &Path, stage: &str) -> Result<()> {
    take_if(from, to, stage, |_| true)
}

/// Takes over those results of `stage` that are `wanted`.
pub(crate) fn take_if(
    from: &Path,
    to: &Path,
    stage: &str,
    wanted: impl Fn(&Path) -> bool,
) -> Result<()> {
    for result in finished(from, stage)? {
        let Some(name) = result.file_name() else { continue };
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(result.with_extension("lock"))?;
        // While this is held no other command removes the result.
        rustix::fs::flock(&lock, FlockOperation::LockShared)?;
        if result.exists() && wanted(&result) {
            link_tree(&result, &to.join(stage).join(name))?;
        }
    }
    Ok(())
}

/// The same tree at `to`, its files by hard links.
pub(crate) fn link_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        let linked = if kind.is_dir() {
            link_tree(&source, &target)
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target).map_err(Into::into)
        } else if kind.is_file() {
            fs::hard_link(&source, &target).map_err(Into::into)
        } else {
            continue;
        };
        linked.with_context(|| format!("linking {}", source.display()))?;
    }
    Ok(())
}
