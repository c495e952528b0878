//! What differs between two builds of one Arch tree, and in no other tree.

use std::path::Path;

use super::installed;
use crate::error::Error;
use crate::packages::{self, Inside, Normal, Removal, Removed, Times};

/// What is removed, besides what is removed from every tree, unless a package has brought it.
const ARCHS: [Removed; 8] = [
    ("etc/pacman.d/gnupg/*", "keys with random numbers; every signature was verified before"),
    ("var/lib/pacman/sync/*", "the repository of the build, which no server has"),
    ("var/lib/pacman/db.lck", "lock file"),
    ("var/log/pacman.log", "has times"),
    ("var/cache/pacman/pkg/*", "downloads"),
    ("var/cache/man/*", "has times; man-db's timer makes it on a server"),
    ("var/log/journal/*", "named after the machine id"),
    ("**/__pycache__/*", "has times; python makes it again in memory"),
];

/// Brings an installed tree into the state that every build of it has.
pub(super) fn normalise(
    tree: &Path,
    epoch: u64,
    times: &Times,
    own: &[String],
) -> Result<Normal, Error> {
    installed::set_install_dates(&Inside::open(tree)?, epoch)?;
    // The modules that Arch's packages bring were compiled before, and fit the times of their files.
    let kept = |path: &[u8]| times.has(path);
    packages::normalise(tree, epoch, times, &Removal { also: &ARCHS, kept: &kept, own })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::is_removed;

    #[test]
    fn what_differs_is_removed_and_what_users_need_stays() {
        for path in [
            "etc/pacman.d/gnupg/pubring.gpg",
            "etc/shadow-",
            "var/lib/pacman/sync/heirloom.db",
            "usr/lib/python3.12/site-packages/x/__pycache__/x.cpython-312.pyc",
            "var/cache/ldconfig/aux-cache",
        ] {
            assert!(is_removed(path, &ARCHS), "{path}");
        }
        for path in [
            "etc/pacman.d/mirrorlist",
            "etc/shadow",
            "var/lib/pacman/local",
            "var/lib/pacman/local/ALPM_DB_VERSION",
            "var/cache/pacman/pkg",
        ] {
            assert!(!is_removed(path, &ARCHS), "{path}");
        }
    }
}
