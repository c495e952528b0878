//! The store: files by their hash, in the user's cache folder.

use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use digest::{Digest, Hasher};

use crate::client::Client;
use crate::options::Options;
use crate::part::settle;
use crate::source::blob_path;
use crate::standing::Standing;
use crate::{Error, Result};

/// Files by their hash, and the sources that missing ones come from. Shared between threads; any
/// number of commands may have the same folder open.
#[derive(Debug)]
pub struct Store {
    pub(crate) options: Options,
    pub(crate) standing: Standing,
    folder: PathBuf,
    client: OnceLock<Client>,
}

impl Store {
    /// Opens the store in `options.cache`, which is made when it is not there.
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub fn open(options: Options) -> Result<Self> {
        let folder = options.cache.join("store");
        for folder in [folder.join("sha256"), folder.join("partial")] {
            fs::create_dir_all(&folder).map_err(Error::io("make the folder", &folder))?;
        }
        Ok(Self { options, standing: Standing::default(), folder, client: OnceLock::new() })
    }

    /// The cache folder, in which others keep what they can make again.
    pub fn cache_dir(&self) -> &Path {
        &self.options.cache
    }

    /// How it was opened.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether the network is left alone.
    pub fn is_offline(&self) -> bool {
        self.options.offline
    }

    /// The mirrors of an archive that the user's configuration and the host's apt name, best first.
    pub fn mirrors(&self, archive: &str) -> &[String] {
        self.options.mirrors.of(archive)
    }

    /// Where the file of this hash lies when it is present.
    pub fn path(&self, digest: Digest) -> PathBuf {
        blob_path(&self.folder, digest)
    }

    /// Whether the file of this hash is present. Its bytes are not looked at;
    /// [`Store::fetch`] does that.
    pub fn contains(&self, digest: Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Keeps everything that `bytes` gives, under its hash.
    ///
    /// # Errors
    /// When reading or writing fails; nothing is kept then.
    pub fn put(&self, mut bytes: impl Read) -> Result<Digest> {
        let folder = self.partial();
        let mut file =
            tempfile::NamedTempFile::new_in(&folder).map_err(Error::io("write in", &folder))?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let read = match bytes.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io("read what goes into", &folder)(error)),
            };
            hasher.update(&buffer[..read]);
            file.write_all(&buffer[..read]).map_err(Error::io("write", file.path()))?;
        }
        let digest = hasher.finish();
        let (file, path) = file.into_parts();
        settle(&file, &path, &self.path(digest))?;
        // Renamed away: there is nothing left to remove.
        let _path = path.keep();
        Ok(digest)
    }

    /// The hashes of all files, sorted.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn files(&self) -> Result<Vec<Digest>> {
        let folder = self.folder.join("sha256");
        let list = |folder: &Path| -> io::Result<Vec<fs::DirEntry>> {
            fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()
        };
        let mut files = Vec::new();
        for prefix in list(&folder).map_err(Error::io("read", &folder))? {
            let prefix = prefix.path();
            let entries = list(&prefix).map_err(Error::io("read", &prefix))?;
            let names = entries.iter().filter_map(|entry| entry.file_name().into_string().ok());
            files.extend(names.filter_map(|name| Digest::from_hex(&name).ok()));
        }
        files.sort();
        Ok(files)
    }

    /// Removes the file of this hash, if it is there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, digest: Digest) -> Result<()> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn partial(&self) -> PathBuf {
        self.folder.join("partial")
    }

    pub(crate) fn client(&self) -> &Client {
        self.client.get_or_init(|| Client::new(&self.options))
    }
}
