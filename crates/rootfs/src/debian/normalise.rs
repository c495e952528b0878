//! What differs between two builds of one Debian tree, and in no other tree.

use std::path::Path;

use unpack::Inside;

use crate::error::Error;
use crate::packages::{self, Normal, Removal, Removed, Times};

/// What is removed, besides what is removed from every tree.
const DEBIANS: [Removed; 23] = [
    ("etc/shells.state-", "backup"),
    ("var/lib/dpkg/*-old", "backup"),
    ("var/lib/dpkg/lock", "lock file"),
    ("var/lib/dpkg/lock-frontend", "lock file"),
    ("var/lib/dpkg/triggers/Lock", "lock file"),
    ("var/lib/dpkg/updates/*", "dpkg's journal, empty by now"),
    ("var/lib/ucf/*.[0-9]", "backup"),
    ("var/cache/debconf/*-old", "backup"),
    ("var/lib/sgml-base/*.old", "backup"),
    ("var/cache/apt/*.bin", "made from package lists that no image has"),
    ("var/log/alternatives.log", "has times"),
    ("var/log/bootstrap.log", "has times"),
    ("var/log/dpkg.log", "has times"),
    ("var/log/apt/*", "has times"),
    ("**/__pycache__", "has times; python makes it again in memory"),
    ("etc/.git", "etckeeper's commits have times and the host's name, its index inode numbers"),
    ("etc/.etckeeper", "etckeeper's list of modes, in the order of directories"),
    ("etc/sympa/sympa/sympa.conf.[0-9]*", "backup, with the time in its name"),
    ("var/spool/exim4/db/*", "of the mail that scripts sent"),
    ("var/spool/exim4/input/*", "mail that scripts sent, with times and random names"),
    ("var/spool/exim4/msglog/*", "the same"),
    ("var/spool/postfix/maildrop/*", "the same"),
    ("initrd.img*", "link to an initramfs that is not made"),
];

/// Where ucf(1) keeps what it knows of configuration files.
const UCF: &str = "var/lib/ucf";

/// Brings a configured tree into the state that every build of it has.
pub(super) fn normalise(
    tree: &Path,
    epoch: u64,
    times: &Times,
    own: &[String],
) -> Result<Normal, Error> {
    status(tree)?;
    ucf(tree, own)?;
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
    })?;
    Ok(())
}

/// Takes the paths that belong to one machine out of what ucf(1) knows: its copies hold what the
/// files did.
fn ucf(tree: &Path, own: &[String]) -> Result<(), Error> {
    let inside = Inside::open(tree)?;
    for path in own {
        inside.remove(format!("{UCF}/cache/{}", path.replace('/', ":")))?;
    }
    // Lines of a sum, or a package's name, and the path.
    let is_own = |line: &&str| {
        let path = line.split_once(char::is_whitespace).map(|(_, path)| path.trim());
        path.is_some_and(|path| own.iter().any(|own| own == path))
    };
    for name in ["hashfile", "registry"] {
        inside.edit(format!("{UCF}/{name}"), |text| {
            text.lines().filter(|line| !is_own(line)).map(|line| format!("{line}\n")).collect()
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::is_removed;

    #[test]
    fn ucf_forgets_what_belongs_to_one_machine() {
        let folder = tempfile::tempdir().unwrap();
        let ucf = folder.path().join(UCF);
        std::fs::create_dir_all(ucf.join("cache")).unwrap();
        let own = "/etc/bacula/bacula-fd.conf";
        let write = |name: &str, text: &str| std::fs::write(ucf.join(name), text).unwrap();
        write("cache/:etc:bacula:bacula-fd.conf", "Password = x\n");
        write("cache/:etc:other.conf", "y\n");
        write("hashfile", &format!("0123  {own}\n4567  /etc/other.conf\n"));
        write("registry", &format!("bacula-fd {own}\nother /etc/other.conf\n"));
        super::ucf(folder.path(), &[own.to_owned()]).unwrap();
        let read = |name: &str| std::fs::read_to_string(ucf.join(name)).unwrap();
        assert!(!ucf.join("cache/:etc:bacula:bacula-fd.conf").exists());
        assert_eq!(read("cache/:etc:other.conf"), "y\n");
        assert_eq!(read("hashfile"), "4567  /etc/other.conf\n");
        assert_eq!(read("registry"), "other /etc/other.conf\n");
    }

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
