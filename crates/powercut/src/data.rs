//! The data partition as the server would find it at its next start.
//!
//! e2fsck does on a copy what the kernel does when it mounts: it replays the journal and takes
//! away files that were open and had no name any more. It is told to mend nothing that takes a
//! decision (`-p`): whatever it finds beyond that is damage.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Cursor;
use std::ops::Range;
use std::path::Path;

use digest::Digest;
use generation::{Index, Manifest};
use sandbox::{Program, ToolRoot};
use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::state::State;

/// Where programs see the folder of a view.
const FOLDER: &str = "/work/view";
/// The copy of the partition in it.
const COPY: &str = "data.ext4";
/// e2fsck has mended something (e2fsck(8)).
const MENDED: i32 = 1;
/// e2fsck has left errors.
const DAMAGED: i32 = 4;

/// The data partition of a state, after its journal.
pub struct DataView {
    tools: ToolRoot,
    folder: TempDir,
    damage: Option<String>,
    index: Option<Index>,
    /// Blobs that have their name, with their lengths in bytes.
    blobs: BTreeMap<Digest, u64>,
}

impl DataView {
    /// Looks at the partition that lies at `range` of `state`, in bytes. `tools` is the root of the
    /// group Image; the copy lies in `scratch` until the view is dropped.
    pub fn open(
        tools: &ToolRoot,
        state: &State,
        range: Range<u64>,
        scratch: &Path,
    ) -> Result<Self> {
        let folder = tempfile::tempdir_in(scratch);
        let folder = folder.map_err(Error::io("make a folder in", scratch))?;
        state.materialize_range(range, &folder.path().join(COPY))?;
        let mut view = Self {
            tools: tools.clone(),
            folder,
            damage: None,
            index: None,
            blobs: BTreeMap::new(),
        };
        view.damage = view.replay_journal()?;
        if view.damage.is_none() {
            let listed = view.debugfs("ls -p /imgs/blobs/sha256\n")?;
            view.blobs = blobs(&listed);
            view.index = view.read("/imgs/index.json")?.and_then(|text| Index::parse(&text).ok());
        }
        Ok(view)
    }

    /// What is wrong with the filesystem itself; it is looked at no further then.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// The index of `/imgs`; none where it is not there or no index.
    pub fn index(&self) -> Option<&Index> {
        self.index.as_ref()
    }

    /// The blobs that have their name, with their lengths in bytes.
    pub fn blobs(&self) -> &BTreeMap<Digest, u64> {
        &self.blobs
    }

    /// The manifest of a generation; none where it is not there or not what its digest says.
    pub fn manifest(&self, generation: Digest) -> Result<Option<Manifest>> {
        let bytes = self.read(&path_of(generation))?;
        let bytes = bytes.filter(|bytes| Digest::of(bytes) == generation);
        Ok(bytes.and_then(|bytes| Manifest::parse(&bytes).ok()))
    }

    /// What a generation lacks, by the names and lengths of its blobs: nothing, when it is whole.
    pub fn lacks(&self, generation: Digest) -> Result<Vec<String>> {
        let Some(manifest) = self.manifest(generation)? else {
            return Ok(vec![format!("manifest {}", generation.short())]);
        };
        let lacking = |blob: &generation::Descriptor| match self.blobs.get(&blob.digest) {
            None => Some(format!("blob {}", blob.digest.short())),
            Some(size) if *size == blob.size => None,
            Some(size) => {
                let (blob, whole) = (blob.digest.short(), blob.size);
                Some(format!("the right length of blob {blob}: {size} instead of {whole} bytes"))
            }
        };
        Ok(manifest.blobs().filter_map(lacking).collect())
    }

    /// Reads every byte of a generation's blobs: those that are not what their digests say.
    pub fn corrupt(&self, manifest: &Manifest) -> Result<Vec<String>> {
        let mut corrupt = Vec::new();
        for blob in manifest.blobs() {
            let found = self.dumped(&path_of(blob.digest), |path| {
                let file = File::open(path).map_err(Error::io("open", path))?;
                Ok(Digest::of_reader(file).map_err(Error::io("read", path))?.0)
            })?;
            if found != Some(blob.digest) {
                corrupt.push(format!("content of blob {}", blob.digest.short()));
            }
        }
        Ok(corrupt)
    }

    /// The content of a file of the partition, by its absolute path; none where it is not there.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.dumped(path, |path| fs::read(path).map_err(Error::io("read", path)))
    }

    /// Makes of the partition what mounting it makes; what is wrong with it.
    fn replay_journal(&self) -> Result<Option<String>> {
        let command = self.tools.command(Program::E2fsck).bind_rw(self.folder.path(), FOLDER);
        let command = command.args(["-f", "-p", &format!("{FOLDER}/{COPY}")]);
        let output = command.accept(MENDED).accept(DAMAGED).free_sync().run()?;
        Ok((output.code == DAMAGED).then(|| output.text().trim().to_owned()))
    }

    /// Copies a file out and gives it to `read`; none where it is not there.
    fn dumped<T>(&self, path: &str, read: impl FnOnce(&Path) -> Result<T>) -> Result<Option<T>> {
        let copy = self.folder.path().join("file");
        self.debugfs(&format!("dump {path} {FOLDER}/file\n"))?;
        if !copy.exists() {
            return Ok(None);
        }
        let result = read(&copy).map(Some);
        fs::remove_file(&copy).map_err(Error::io("remove", &copy))?;
        result
    }

    /// What debugfs says to `commands`; what it cannot do it says on standard error.
    fn debugfs(&self, commands: &str) -> Result<String> {
        let command = self.tools.command(Program::Debugfs).bind_rw(self.folder.path(), FOLDER);
        let input = Cursor::new(commands.as_bytes().to_vec());
        let command = command.args(["-f", "-", &format!("{FOLDER}/{COPY}")]).stdin_from(input);
        Ok(command.free_sync().run()?.text())
    }
}

fn path_of(blob: Digest) -> String {
    format!("/imgs/blobs/sha256/{}", blob.hex())
}

/// The files of a directory with a blob's name: `/inode/mode/uid/gid/name/size/` (debugfs(8)).
fn blobs(listed: &str) -> BTreeMap<Digest, u64> {
    let entry = |line: &str| {
        let fields: Vec<&str> = line.split('/').collect();
        let &["", _inode, mode, _uid, _gid, name, size, ""] = fields.as_slice() else {
            return None;
        };
        let file = mode.starts_with("100");
        Some((Digest::from_hex(name).ok()?, size.parse().ok()?)).filter(|_| file)
    };
    listed.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_with_a_blobs_name_are_blobs() {
        let name = Digest::of("a").hex();
        let listed = format!(
            "debugfs: ls -p /imgs/blobs/sha256\n/13/040755/0/0/.//\n/14/100644/0/0/{name}/4096/\n\
             /15/100644/0/0/.partial-{name}-1/7/\n/16/040755/0/0/{}//\n",
            Digest::of("b").hex()
        );
        assert_eq!(blobs(&listed), [(Digest::of("a"), 4096)].into());
    }
}
