//! What is wanted: a file of an archive that is known by its hash.

use digest::Digest;
use jiff::civil::Date;

use crate::{Error, Result};

/// A file of an archive, known by size and sha256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The sha256 of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// What messages call it: `postfix_3.7.11-0+deb12u1_amd64.deb`.
    pub name: String,
    /// The archive that it belongs to: `debian`, `debian-security`, `archlinux`, or the URL of one
    /// that has no such name.
    pub archive: String,
    /// Where it lies, relative to the archive's root: `pool/main/p/postfix/…`,
    /// `dists/bookworm/main/binary-amd64/Packages.xz`, `core/os/x86_64/…`.
    pub path: String,
    /// The day at which the dated archive has it.
    pub date: Date,
}

impl Item {
    /// Where else mirrors may keep the same bytes: an index of Debian (anything under `dists/`)
    /// also lies under its own hash, where it outlives the next update of the suite
    /// (Debian repository format, "Acquire-By-Hash").
    pub(crate) fn path_by_hash(&self) -> Option<String> {
        if !self.path.starts_with("dists/") {
            return None;
        }
        let (folder, _) = self.path.rsplit_once('/')?;
        Some(format!("{folder}/by-hash/SHA256/{}", self.digest.hex()))
    }
}

/// Refuses paths that would leave the archive's root, or that are no paths.
pub(crate) fn check_path(path: &str) -> Result<()> {
    let wrong = path.is_empty()
        || path.chars().any(|c| c.is_control() || c == '\\')
        || path.split('/').any(|part| matches!(part, "" | "." | ".."));
    if wrong { Err(Error::ArchivePath { path: path.to_owned() }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(path: &str) -> Item {
        Item {
            digest: Digest::of("abc"),
            size: 3,
            name: "abc".into(),
            archive: "debian".into(),
            path: path.into(),
            date: jiff::civil::date(2026, 11, 1),
        }
    }

    #[test]
    fn indexes_of_debian_are_also_asked_for_by_hash_and_packages_are_not() {
        let index = item("dists/bookworm/main/binary-amd64/Packages.xz");
        let expected =
            format!("dists/bookworm/main/binary-amd64/by-hash/SHA256/{}", Digest::of("abc").hex());
        assert_eq!(index.path_by_hash(), Some(expected));
        assert_eq!(item("pool/main/a/abc/abc_1_all.deb").path_by_hash(), None);
    }

    #[test]
    fn paths_that_leave_the_archive_are_refused() {
        for path in ["", "/etc/passwd", "../x", "pool/../../x", "a//b", "a/./b", "a\nb", "a\\b"] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
        check_path("pool/main/g/g++/g++_1%3a2~rc1+b1_amd64.deb").unwrap();
    }
}
