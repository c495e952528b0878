//! Crates as a directory source (Cargo reference, "Source replacement"): unpacked archives, each
//! with its checksum beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::{env, io};

use digest::Digest;
use flate2::read::GzDecoder;
use serde_json::json;

use crate::closure::to_text;
use crate::error::{Error, Result};
use crate::locked::Locked;
use crate::manifest::with_dependencies;
use crate::members::read_manifest;

/// Unpacks `crates` into `directory`, from the archives that the host's cargo keeps. Their
/// manifests lose every dependency but those on the packages that stand beside them: a crate of
/// the same name may be there in a version for others.
pub(crate) fn vendor(crates: &BTreeMap<Locked, BTreeSet<String>>, directory: &Path) -> Result<()> {
    let caches = caches()?;
    fs::create_dir_all(directory).map_err(Error::io("make", directory))?;
    for (one, kept) in crates {
        let archive = archive(one, &caches)?;
        unpack(one, &archive, directory)?;
        let unpacked = directory.join(format!("{}-{}", one.name, one.version));
        let path = unpacked.join("Cargo.toml");
        let manifest = with_dependencies(read_manifest(&path)?, kept);
        fs::write(&path, to_text(&manifest)?).map_err(Error::io("write", &path))?;
        // The archive was checked as a whole; single files are not checked again.
        let path = unpacked.join(".cargo-checksum.json");
        let checksum = json!({ "package": one.checksum.hex(), "files": {} });
        fs::write(&path, checksum.to_string()).map_err(Error::io("write", &path))?;
    }
    Ok(())
}

/// Where cargo keeps archives: one folder a registry.
fn caches() -> Result<Vec<PathBuf>> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let cache = home.unwrap_or_else(|| ".cargo".into()).join("registry/cache");
    let mut found = Vec::new();
    match fs::read_dir(&cache) {
        Ok(entries) => {
            for entry in entries {
                found.push(entry.map_err(Error::io("list", &cache))?.path());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io("list", &cache)(error)),
    }
    found.sort();
    Ok(found)
}

/// The archive of a crate, whose bytes are those of the lock.
fn archive(one: &Locked, caches: &[PathBuf]) -> Result<PathBuf> {
    let name = format!("{}-{}.crate", one.name, one.version);
    let path = caches.iter().map(|cache| cache.join(&name)).find(|path| path.is_file());
    let missing = || Error::Missing { name: one.name.clone(), version: one.version.clone() };
    let path = path.ok_or_else(missing)?;
    let file = File::open(&path).map_err(Error::io("open", &path))?;
    let (found, _) = Digest::of_reader(file).map_err(Error::io("read", &path))?;
    if found != one.checksum {
        return Err(Error::Checksum { path, expected: one.checksum, found });
    }
    Ok(path)
}

/// Unpacks an archive; all its members lie under `NAME-VERSION/`, or it is refused.
fn unpack(one: &Locked, archive: &Path, directory: &Path) -> Result<()> {
    let failed = |error| Error::io("unpack", archive)(error);
    let file = File::open(archive).map_err(failed)?;
    let mut archive_reader = tar::Archive::new(GzDecoder::new(file));
    archive_reader.set_preserve_mtime(false);
    archive_reader.set_preserve_permissions(false);
    let prefix = format!("{}-{}", one.name, one.version);
    for entry in archive_reader.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let inside = entry.path().map_err(failed)?.starts_with(&prefix);
        if !inside || !entry.unpack_in(directory).map_err(failed)? {
            let error = io::Error::other("a file lies outside of the crate's own directory");
            return Err(failed(error));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn pack(path: &Path, members: &[(&str, &str)]) -> Digest {
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, text) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            let bytes = name.as_bytes();
            header.as_gnu_mut().unwrap().name[..bytes.len()].copy_from_slice(bytes);
            header.set_cksum();
            archive.append(&header, text.as_bytes()).unwrap();
        }
        let bytes = archive.into_inner().unwrap().finish().unwrap();
        fs::write(path, &bytes).unwrap();
        Digest::of(bytes)
    }

    fn locked(checksum: Digest) -> Locked {
        Locked { name: "bits".into(), version: "1.2.3".into(), checksum }
    }

    #[test]
    fn an_archive_with_other_bytes_than_locked_is_refused() {
        let cache = tempfile::tempdir().unwrap();
        let path = cache.path().join("bits-1.2.3.crate");
        let checksum = pack(&path, &[("bits-1.2.3/Cargo.toml", "")]);
        let caches = [cache.path().to_owned()];
        assert_eq!(archive(&locked(checksum), &caches).unwrap(), path);
        let error = archive(&locked(Digest::of("other")), &caches).unwrap_err();
        assert!(matches!(error, Error::Checksum { .. }), "{error}");
        assert!(matches!(archive(&locked(checksum), &[]), Err(Error::Missing { .. })));
    }

    #[test]
    fn a_crate_cannot_write_outside_its_directory() {
        let cache = tempfile::tempdir().unwrap();
        let into = cache.path().join("vendor");
        fs::create_dir(&into).unwrap();
        let path = cache.path().join("bits-1.2.3.crate");
        for name in ["../evil", "bits-1.2.3/../../evil", "other-1.0.0/src/lib.rs", "/evil"] {
            pack(&path, &[(name, "x")]);
            assert!(unpack(&locked(Digest::of("")), &path, &into).is_err(), "{name}");
        }
        assert!(!cache.path().join("evil").exists());
        pack(&path, &[("bits-1.2.3/Cargo.toml", "[package]")]);
        unpack(&locked(Digest::of("")), &path, &into).unwrap();
        assert!(into.join("bits-1.2.3/Cargo.toml").is_file());
    }
}
