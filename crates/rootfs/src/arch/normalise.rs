//! What differs between two builds of one Arch tree, and in no other tree.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use unpack::{Inside, Laid};

use super::installed;
use crate::error::Error;
use crate::packages::{self, Normal, Removal, Removed, Times};

/// What is removed, besides what is removed from every tree, unless a package has brought it.
const ARCHS: [Removed; 10] = [
    ("boot/**/*", "what scripts make for a boot loader; a generation has kernel and initramfs"),
    ("efi/**/*", "the same, where the EFI system partition is mounted there"),
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
pub(super) fn normalise<'p>(
    tree: &Path,
    epoch: u64,
    members: impl Iterator<Item = &'p Laid> + Clone,
    own: &[String],
) -> Result<Normal, Error> {
    installed::set_install_dates(&Inside::open(tree)?, epoch)?;
    let times = Times::of(members.clone());
    let directories: HashSet<&[u8]> = members.flat_map(directories).collect();
    // The modules that Arch's packages bring were compiled before, and fit the times of their files.
    let kept = |path: &[u8]| times.has(path) || directories.contains(path);
    packages::normalise(tree, epoch, &times, &Removal { also: &ARCHS, kept: &kept, own })
}

/// The directories that a member makes or lies in.
fn directories(member: &Laid) -> impl Iterator<Item = &[u8]> {
    let itself = usize::from(member.kind != unpack::Kind::Directory);
    member.place.ancestors().skip(itself).map(|place| place.as_os_str().as_bytes())
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
            "boot/initramfs-linux.img",
            "boot/EFI/Linux/arch-linux.efi",
            "efi/EFI",
        ] {
            assert!(is_removed(path, &ARCHS), "{path}");
        }
        for path in [
            "etc/pacman.d/mirrorlist",
            "etc/shadow",
            "var/lib/pacman/local",
            "var/lib/pacman/local/ALPM_DB_VERSION",
            "var/cache/pacman/pkg",
            "boot",
        ] {
            assert!(!is_removed(path, &ARCHS), "{path}");
        }
    }
}
