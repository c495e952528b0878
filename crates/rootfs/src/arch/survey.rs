//! Reads all packages, before anything is done with any of them.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use digest::{Digest, Hasher};
use unpack::ArchPackage;

use super::PackageFile;
use crate::error::Error;

/// A package that was read.
pub(super) struct Surveyed {
    pub(super) package: ArchPackage,
    /// What its file is called in the repository.
    pub(super) file_name: String,
    /// Bytes of the file.
    pub(super) size: u64,
    /// The sha256 of the file.
    pub(super) sha256: Digest,
}

/// Reads package files, `threads` at a time; they come back in their order.
pub(super) fn survey(files: &[PackageFile], threads: usize) -> Result<Vec<Surveyed>, Error> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Result<Surveyed, Error>>>> =
        Mutex::new(files.iter().map(|_| None).collect());
    let work = || {
        while let Some(index) = Some(next.fetch_add(1, Ordering::Relaxed))
            && let Some(file) = files.get(index)
        {
            let result = one(file);
            results.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.max(1) {
            scope.spawn(work);
        }
        work();
    });
    // All are read, also after an error, so that it is always the same one that is told.
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().flatten().collect()
}

fn one(file: &PackageFile) -> Result<Surveyed, Error> {
    let read = |source| Error::Read { path: file.path.clone(), source };
    let opened = File::open(&file.path).map_err(read)?;
    let mut reader = Hashing { reader: opened, hasher: Hasher::new() };
    let package = ArchPackage::read(&file.name, BufReader::with_capacity(256 << 10, &mut reader))?;
    // What may follow the compressed archive is part of the file, too.
    io::copy(&mut reader, &mut io::sink()).map_err(read)?;
    let (size, sha256) = (reader.hasher.len(), reader.hasher.finish());
    Ok(Surveyed { package, file_name: file.name.clone(), size, sha256 })
}

/// Takes the digest of what is read.
struct Hashing {
    reader: File,
    hasher: Hasher,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}
