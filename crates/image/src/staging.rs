//! The files of a medium, in a folder beside it: blobs as hard links, so that it costs nothing.

use std::fs::{self, DirBuilder, File, FileTimes, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use generation::Layout;
use tempfile::TempDir;

use crate::bundle::Bundle;
use crate::{Error, Result};

/// A folder that is removed when this is dropped.
pub(crate) struct Staging {
    dir: TempDir,
}

impl Staging {
    /// An empty folder beside `out`.
    pub(crate) fn beside(out: &Path) -> Result<Self> {
        let parent = out.parent().unwrap_or(Path::new("."));
        let dir = tempfile::Builder::new().prefix(".staging-").tempdir_in(parent);
        let dir = dir.map_err(Error::io("make a folder in", parent))?;
        set_mode(dir.path(), 0o755)?;
        Ok(Self { dir })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Where the file or folder `path` of the medium is.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// A folder of mode 0755, and those above it.
    pub(crate) fn folder(&self, path: &str) -> Result<()> {
        let mut place = self.dir.path().to_owned();
        for component in path.split('/').filter(|component| !component.is_empty()) {
            place.push(component);
            if !place.is_dir() {
                let made = DirBuilder::new().mode(0o700).create(&place);
                made.map_err(Error::io("make", &place))?;
                set_mode(&place, 0o755)?;
            }
        }
        Ok(())
    }

    /// A file with this content.
    pub(crate) fn text(&self, path: &str, text: &str) -> Result<()> {
        let place = self.prepare(path)?;
        fs::write(&place, text).map_err(Error::io("write", &place))?;
        set_mode(&place, 0o644)
    }

    /// The file `source`, as a hard link where that is possible.
    pub(crate) fn file(&self, path: &str, source: &Path) -> Result<()> {
        let place = self.prepare(path)?;
        if fs::hard_link(source, &place).is_err() {
            fs::copy(source, &place).map_err(Error::io("copy", source))?;
        }
        set_mode(&place, 0o644)
    }

    /// A copy of the file `source`, of which nothing but the content is to count.
    pub(crate) fn copy(&self, path: &str, source: &Path) -> Result<()> {
        let place = self.prepare(path)?;
        fs::copy(source, &place).map_err(Error::io("copy", source))?;
        set_mode(&place, 0o644)
    }

    /// The file `path` of another folder, which is removed.
    pub(crate) fn move_in(&self, path: &str, from: Self) -> Result<()> {
        let place = self.prepare(path)?;
        fs::rename(from.at(path), &place).map_err(Error::io("make", &place))
    }

    /// `/imgs`, with the generation.
    pub(crate) fn layout(&self, bundle: &Bundle) -> Result<Layout> {
        let layout = Layout::create(self.at("imgs"))?;
        bundle.store(&layout)?;
        Ok(layout)
    }

    /// Gives everything the present time. Filesystems are made with SOURCE_DATE_EPOCH in place of
    /// what is later; a blob that was made before the commit that it now belongs to would keep
    /// its own time.
    pub(crate) fn touch(&self) -> Result<()> {
        touch(self.dir.path(), FileTimes::new().set_accessed(now()).set_modified(now()))
    }

    /// The folders that `path` lies in.
    pub(crate) fn parents(&self, path: &str) -> Result<()> {
        match path.rsplit_once('/') {
            Some((folder, _)) => self.folder(folder),
            None => Ok(()),
        }
    }

    fn prepare(&self, path: &str) -> Result<PathBuf> {
        self.parents(path)?;
        Ok(self.at(path))
    }
}

fn now() -> SystemTime {
    SystemTime::now()
}

fn touch(path: &Path, times: FileTimes) -> Result<()> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    file.set_times(times).map_err(Error::io("set the times of", path))?;
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(Error::io("read", path))? {
            touch(&entry.map_err(Error::io("read", path))?.path(), times)?;
        }
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    let set = fs::set_permissions(path, Permissions::from_mode(mode));
    set.map_err(Error::io("set the mode of", path))
}
