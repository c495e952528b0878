//! What differs between two builds of one Debian tree, and in no other tree.

use std::path::Path;

use crate::error::Error;
use crate::packages::{self, Inside, Normal, Removal, Removed, Times};

/// What is removed, besides what is removed from every tree.
const DEBIANS: [Removed; 15] = [
    ("etc/shells.state-", "backup"),
    ("var/lib/dpkg/*-old", "backup"),
    ("var/lib/dpkg/lock", "lock file"),
    ("var/lib/dpkg/lock-frontend", "lock file"),
    ("var/lib/dpkg/triggers/Lock", "lock file"),
    ("var/lib/dpkg/updates/*", "dpkg's journal, empty by now"),
    ("var/lib/ucf/*.[0-9]", "backup"),
    ("var/cache/debconf/*-old", "backup"),
    ("var/cache/apt/*.bin", "made from package lists that no image has"),
    ("var/log/alternatives.log", "has times"),
    ("var/log/bootstrap.log", "has times"),
    ("var/log/dpkg.log", "has times"),
    ("var/log/apt/*", "has times"),
    ("**/__pycache__", "has times; python makes it again in memory"),
    ("initrd.img*", "link to an initramfs that is not made"),
];

/// Brings a configured tree into the state that every build of it has.
pub(super) fn normalise(
    tree: &Path,
    epoch: u64,
    times: &Times,
    own: &[String],
) -> Result<Normal, Error> {
    status(tree)?;
    packages::normalise(tree, epoch, times, &Removal { also: &DEBIANS, kept: &|_| false, own })
}

/// Packages in dpkg's status file come in the order of their names.
fn status(tree: &Path) -> Result<(), Error> {
    Inside::open(tree)?.edit("var/lib/dpkg/status", |text| {
        let mut stanzas: Vec<&str> =
            text.split("\n\n").map(str::trim).filter(|stanza| !stanza.is_empty()).collect();
        stanzas.sort_by_key(|stanza| {
            let field = |name| stanza.lines().find_map(|line| line.strip_prefix(name));
            (field("Package: "), field("Architecture: "))
        });
        stanzas.iter().map(|stanza| format!("{stanza}\n\n")).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::is_removed;

    #[test]
    fn what_differs_is_removed_and_what_users_need_stays() {
        for path in [
            "etc/ssh/ssh_host_ed25519_key.pub",
            "etc/passwd-",
            "var/lib/dpkg/status-old",
            "var/lib/ucf/hashfile.0",
            "usr/lib/python3/dist-packages/x/__pycache__",
            "initrd.img.old",
        ] {
            assert!(is_removed(path, &DEBIANS), "{path}");
        }
        for path in [
            "etc/ssh/sshd_config",
            "etc/passwd",
            "var/lib/dpkg/status",
            "var/lib/ucf/hashfile",
            "srv/initrd.img",
            "var/log/btmp",
            "etc/aliases",
        ] {
            assert!(!is_removed(path, &DEBIANS), "{path}");
        }
    }
}
