//! Generations on a disk: an OCI image layout (OCI image specification v1.1, image-layout.md).
//!
//! ```text
//! oci-layout             {"imageLayoutVersion":"1.0.0"}
//! index.json             one entry a generation, with what is true of one build only
//! progress               how far a generation on trial has come ([`crate::progress`])
//! blobs/sha256/<hex>     manifests, configs, kernels, initramfs, layers
//! damaged/<hex>          of a blob that is to come again ([`Layout::mark_damaged`])
//! blobs/sha256/.partial-*  being written, or left by a killed process: nobody's
//! .index.json-*          the same of the files of this directory
//! ```
//!
//! Invariants: a blob's name appears when its bytes are complete and on the disk, and a blob is
//! never written again, only replaced when it was found damaged; the index changes by rename only. The roots of garbage collection are the
//! manifests in the index. Files are 0644, directories 0755, whatever the umask.

mod damage;
mod index;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use digest::{Digest, Hasher};
use serde::Deserialize;

use crate::files::{at, create, is_replacement, make_dir, read, remove, replace, set_mode, sync};
use crate::manifest::{self, Descriptor, Manifest};
use crate::progress::Progress;
use crate::{Config, Error, Result, config, text};

pub use index::{
    ANNOTATION_BUILT_BY, ANNOTATION_COMMIT, ANNOTATION_CONFIRMED, ANNOTATION_LAST_NUMBER,
    ANNOTATION_NUMBER, ANNOTATION_PINNED, ANNOTATION_STAGED, ANNOTATION_UNCOMMITTED, Entry, Index,
    MEDIA_TYPE_INDEX,
};

/// The bytes of the file `oci-layout`.
pub const OCI_LAYOUT: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}";

const INDEX: &str = "index.json";
const MARKER: &str = "oci-layout";
/// Begins the names of blobs that are being written.
const PARTIAL: &str = ".partial-";

/// An OCI image layout on a disk.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Makes an empty layout in `root`, or opens the one that is there.
    pub fn create(root: impl Into<PathBuf>) -> Result<Self> {
        let layout = Self { root: root.into() };
        for dir in ["", "blobs", "blobs/sha256"] {
            make_dir(&layout.root.join(dir))?;
        }
        let marker = layout.root.join(MARKER);
        if !marker.exists() {
            replace(&layout.root, INDEX, &Index::new(Vec::new()).to_bytes())?;
            replace(&layout.root, MARKER, OCI_LAYOUT)?;
        }
        Self::open(layout.root)
    }

    /// Opens the layout in `root`.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Marker {
            image_layout_version: String,
        }
        let layout = Self { root: root.into() };
        let bytes = read(&layout.root.join(MARKER), "oci-layout", 4096)?;
        let marker: Marker = text::parse("oci-layout", &bytes, 4096)?;
        if marker.image_layout_version != "1.0.0" {
            return Err(Error::invalid("imageLayoutVersion", "is not 1.0.0"));
        }
        Ok(layout)
    }

    /// Its directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a blob lies, if it is there.
    pub fn blob(&self, digest: Digest) -> PathBuf {
        self.blobs_dir().join(digest.hex())
    }

    /// Whether a blob of that name and length is there, and was not found damaged. Its bytes were
    /// checked when it came; to check them again, there is [`Layout::verify`].
    pub fn contains(&self, blob: &Descriptor) -> bool {
        fs::symlink_metadata(self.blob(blob.digest))
            .is_ok_and(|found| found.is_file() && found.len() == blob.size)
            && !self.is_marked(blob.digest)
    }

    /// Puts a blob in that lies in the file `source`, whose bytes the caller vouches for: as a
    /// hard link, which takes no room, or where that cannot be as a checked copy. Its bytes are on
    /// the disk before it gets its name. The file becomes mode 0644.
    pub fn link(&self, source: &Path, blob: &Descriptor) -> Result<()> {
        if self.contains(blob) {
            return Ok(());
        }
        let file = File::open(source).map_err(at(source, "open"))?;
        let found = file.metadata().map_err(at(source, "read"))?.len();
        if found != blob.size {
            return Err(Error::WrongSize { digest: blob.digest, expected: blob.size, found });
        }
        let partial = self.partial(blob.digest);
        remove(&partial)?;
        if fs::hard_link(source, &partial).is_err() {
            // Another filesystem, too many links, protected_hardlinks.
            return self.insert(file, blob);
        }
        set_mode(&partial, 0o644)?;
        file.sync_data().map_err(at(source, "write"))?;
        self.publish(&partial, blob.digest)
    }

    /// Puts a blob in from a reader, and checks its length and digest on the way.
    pub fn insert(&self, reader: impl Read, blob: &Descriptor) -> Result<()> {
        if self.contains(blob) {
            return Ok(());
        }
        let partial = self.partial(blob.digest);
        remove(&partial)?;
        let written = write_checked(reader, blob, &partial);
        if written.is_err() {
            // The first error is the one to report; what is left is a partial, nobody's.
            let _ = fs::remove_file(&partial);
        }
        written?;
        self.publish(&partial, blob.digest)
    }

    /// Puts the blobs of a generation in that are documents: its manifest and its config.
    pub fn insert_documents(&self, manifest: &Manifest, config: &Config) -> Result<()> {
        self.insert(&config.to_bytes()[..], &manifest.config)?;
        let bytes = manifest.to_bytes();
        self.insert(&bytes[..], &Descriptor::of(manifest::MEDIA_TYPE, &bytes))
    }

    /// The index.
    pub fn index(&self) -> Result<Index> {
        Index::parse(&read(&self.root.join(INDEX), "index", index::MAX_SIZE)?)
    }

    /// Replaces the index.
    pub fn set_index(&self, index: &Index) -> Result<()> {
        replace(&self.root, INDEX, &index.to_bytes())
    }

    /// Reads a generation's manifest and checks it: digest, form, values.
    pub fn manifest(&self, generation: Digest) -> Result<Manifest> {
        Manifest::parse(&self.document(generation, "manifest", manifest::MAX_SIZE)?)
    }

    /// Reads the config that a manifest names and checks it: digest, form, values.
    pub fn config(&self, manifest: &Manifest) -> Result<Config> {
        Config::parse(&self.document(manifest.config.digest, "config", config::MAX_SIZE)?)
    }

    /// Reads every byte of a generation's blobs and compares them with their digests.
    pub fn verify(&self, manifest: &Manifest) -> Result<()> {
        for blob in manifest.blobs() {
            let path = self.blob(blob.digest);
            let file = File::open(&path).map_err(at(&path, "open"))?;
            let (found, size) = Digest::of_reader(file).map_err(at(&path, "read"))?;
            check_blob(blob, found, size)?;
        }
        Ok(())
    }

    /// All blobs, whoever needs them, with their lengths in bytes; sorted by digest. What is being
    /// written, or bears the name of no blob, is not among them.
    pub fn blobs(&self) -> Result<Vec<(Digest, u64)>> {
        let mut blobs = Vec::new();
        for (name, path) in names(&self.blobs_dir())? {
            let Ok(digest) = Digest::from_hex(&name) else { continue };
            let found = fs::symlink_metadata(&path).map_err(at(&path, "read"))?;
            if found.is_file() {
                blobs.push((digest, found.len()));
            }
        }
        blobs.sort();
        Ok(blobs)
    }

    /// Removes a blob, if it is there, and returns when that is on the disk. That nobody needs it
    /// is the caller's to know: the index has to be without it by then.
    pub fn remove_blob(&self, digest: Digest) -> Result<()> {
        remove(&self.blob(digest))?;
        sync(&self.blobs_dir())?;
        self.unmark_damaged(digest)
    }

    /// Removes what killed processes have left half written; returns how many bytes that were.
    /// Nobody may be writing to the layout meanwhile.
    pub fn remove_leftovers(&self) -> Result<u64> {
        let mut freed = 0;
        let partial = |name: &str| name.starts_with(PARTIAL);
        let replacement =
            |name: &str| [INDEX, MARKER, Progress::NAME].iter().any(|of| is_replacement(name, of));
        for (name, path) in names(&self.blobs_dir())?.into_iter().chain(names(&self.root)?) {
            if partial(&name) || replacement(&name) {
                freed += fs::symlink_metadata(&path).map_err(at(&path, "read"))?.len();
                remove(&path)?;
            }
        }
        sync(&self.blobs_dir())?;
        sync(&self.root)?;
        Ok(freed)
    }

    /// Reads a document by its digest.
    fn document(&self, digest: Digest, what: &'static str, limit: u64) -> Result<Vec<u8>> {
        let bytes = read(&self.blob(digest), what, limit)?;
        let found = Digest::of(&bytes);
        if found != digest {
            let size = bytes.len() as u64;
            return Err(Error::WrongBlob { expected: digest, found, size });
        }
        Ok(bytes)
    }

    fn blobs_dir(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    fn partial(&self, digest: Digest) -> PathBuf {
        self.blobs_dir().join(format!("{PARTIAL}{}-{}", digest.hex(), std::process::id()))
    }

    fn publish(&self, partial: &Path, digest: Digest) -> Result<()> {
        let path = self.blob(digest);
        fs::rename(partial, &path).map_err(at(&path, "make"))?;
        // A rename of one link of a file to another link of it does nothing (POSIX, rename).
        remove(partial)?;
        sync(&self.blobs_dir())?;
        self.unmark_damaged(digest)
    }
}

fn write_checked(mut reader: impl Read, blob: &Descriptor, path: &Path) -> Result<()> {
    let mut file = create(path)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(at(path, "receive")(error)),
        };
        hasher.update(&buffer[..read]);
        if hasher.len() > blob.size {
            // Whatever else comes, it is not ours, and might never end.
            break;
        }
        file.write_all(&buffer[..read]).map_err(at(path, "write"))?;
    }
    check_blob(blob, hasher.finish(), hasher.len())?;
    file.sync_all().map_err(at(path, "write"))
}

fn check_blob(blob: &Descriptor, found: Digest, size: u64) -> Result<()> {
    if size != blob.size {
        let (digest, expected) = (blob.digest, blob.size);
        return Err(Error::WrongSize { digest, expected, found: size });
    }
    if found != blob.digest {
        return Err(Error::WrongBlob { expected: blob.digest, found, size });
    }
    Ok(())
}

/// What a directory holds: names and paths. A name that is no UTF-8 is none of ours.
fn names(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(at(dir, "list"))? {
        let entry = entry.map_err(at(dir, "list"))?;
        names.extend(entry.file_name().into_string().ok().map(|name| (name, entry.path())));
    }
    Ok(names)
}
