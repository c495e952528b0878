//! Generations on a disk: an OCI image layout (OCI image specification v1.1, image-layout.md).
//!
//! ```text
//! oci-layout             {"imageLayoutVersion":"1.0.0"}
//! index.json             one entry a generation, with what is true of one build only
//! blobs/sha256/<hex>     manifests, configs, kernels, initramfs, layers
//! blobs/sha256/.partial-*  being written, or left by a killed process: nobody's
//! ```
//!
//! Invariants: a blob's name appears when its bytes are complete and on the disk, and a blob is
//! never written again; the index changes by rename only. The roots of garbage collection are the
//! manifests in the index. Files are 0644, directories 0755, whatever the umask.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use digest::{Digest, Hasher};
use serde::{Deserialize, Serialize};

use crate::manifest::{self, Descriptor, Manifest};
use crate::{Config, Error, Result, config, text};

/// Media type of the index.
pub const MEDIA_TYPE_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The bytes of the file `oci-layout`.
pub const OCI_LAYOUT: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}";

/// The longest index that is read, in bytes.
const MAX_INDEX: u64 = 1024 * 1024;

/// `index.json`: the generations of a layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 2.
    pub schema_version: u32,
    /// [`MEDIA_TYPE_INDEX`].
    #[serde(default)]
    pub media_type: String,
    /// One entry a generation.
    pub manifests: Vec<Entry>,
}

/// A generation in an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// [`manifest::MEDIA_TYPE`].
    pub media_type: String,
    /// [`manifest::ARTIFACT_TYPE`] for a generation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub artifact_type: String,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The length of the manifest in bytes.
    pub size: u64,
    /// What is true of one build or one server only: outside of what the digest covers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Entry {
    /// The entry of a generation.
    pub fn new(manifest: &Manifest, annotations: BTreeMap<String, String>) -> Self {
        let bytes = manifest.to_bytes();
        Self {
            media_type: manifest::MEDIA_TYPE.to_owned(),
            artifact_type: manifest::ARTIFACT_TYPE.to_owned(),
            digest: Digest::of(&bytes),
            size: bytes.len() as u64,
            annotations,
        }
    }
}

impl Index {
    /// An index of these generations, in this order.
    pub fn new(manifests: Vec<Entry>) -> Self {
        Self { schema_version: 2, media_type: MEDIA_TYPE_INDEX.to_owned(), manifests }
    }

    /// Reads an index. Members that we do not know are allowed, as the specification wants.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let index: Self = text::parse("index", bytes, MAX_INDEX)?;
        if index.schema_version != 2 {
            return Err(Error::invalid("schemaVersion", "is not 2"));
        }
        Ok(index)
    }

    /// The canonical bytes: JSON without white space, members in the order of the fields above,
    /// annotations sorted by name.
    pub fn to_bytes(&self) -> Vec<u8> {
        text::to_bytes(self)
    }
}

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
        let marker = layout.root.join("oci-layout");
        if !marker.exists() {
            layout.replace("index.json", &Index::new(Vec::new()).to_bytes())?;
            layout.replace("oci-layout", OCI_LAYOUT)?;
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
        let bytes = read(&layout.root.join("oci-layout"), "oci-layout", 4096)?;
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
        self.blobs().join(digest.hex())
    }

    /// Whether a blob of that name and length is there. Its bytes were checked when it came; to
    /// check them again, there is [`Layout::verify`].
    pub fn contains(&self, blob: &Descriptor) -> bool {
        fs::symlink_metadata(self.blob(blob.digest))
            .is_ok_and(|found| found.is_file() && found.len() == blob.size)
    }

    /// Puts a blob in that lies in the file `source`, whose bytes the caller vouches for: as a
    /// hard link, which takes no room and no time, or where that cannot be as a checked copy. The
    /// file becomes mode 0644.
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
        Index::parse(&read(&self.root.join("index.json"), "index", MAX_INDEX)?)
    }

    /// Replaces the index.
    pub fn set_index(&self, index: &Index) -> Result<()> {
        self.replace("index.json", &index.to_bytes())
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

    fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    fn partial(&self, digest: Digest) -> PathBuf {
        self.blobs().join(format!(".partial-{}-{}", digest.hex(), std::process::id()))
    }

    fn publish(&self, partial: &Path, digest: Digest) -> Result<()> {
        let path = self.blob(digest);
        fs::rename(partial, &path).map_err(at(&path, "make"))?;
        // A rename of one link of a file to another link of it does nothing (POSIX, rename).
        remove(partial)?;
        sync(&self.blobs())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(name);
        let partial = self.root.join(format!(".{name}-{}", std::process::id()));
        remove(&partial)?;
        let mut file = create(&partial)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(&partial, "write"))?;
        fs::rename(&partial, &path).map_err(at(&path, "replace"))?;
        sync(&self.root)
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

fn at(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}

/// A new file of mode 0644.
fn create(path: &Path) -> Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(at(path, "make"))?;
    file.set_permissions(Permissions::from_mode(0o644)).map_err(at(path, "make"))?;
    Ok(file)
}

fn make_dir(path: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => set_mode(path, 0o755),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(at(path, "make")(error)),
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(at(path, "set the mode of"))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path, "remove")(error)),
        _ => Ok(()),
    }
}

fn sync(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(at(dir, "sync"))
}

/// Reads a file of at most `limit` bytes.
fn read(path: &Path, what: &'static str, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(at(path, "open"))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(at(path, "read"))?;
    let size = bytes.len() as u64;
    if size > limit { Err(Error::TooLarge { what, size, limit }) } else { Ok(bytes) }
}
