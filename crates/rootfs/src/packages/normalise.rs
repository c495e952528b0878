//! Takes away what differs between two builds of one tree, and nothing else.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;

use rustix::io::Errno;

use crate::accounts;
use crate::error::Error;
use crate::tarball::{self, Header, Kind};

const DAY: i64 = 86_400;

/// What is removed, and why. `*` stands for anything within a name, `**` for any directories.
const REMOVED: [(&str, &str); 29] = [
    ("etc/ssh/ssh_host_*", "a machine's own keys"),
    ("etc/ssl/certs/ssl-cert-snakeoil.pem", "a machine's own certificate"),
    ("etc/ssl/private/ssl-cert-snakeoil.key", "a machine's own key"),
    ("etc/aliases.db", "a Berkeley DB has a random id; newaliases makes it at boot"),
    ("etc/passwd-", "backup"),
    ("etc/group-", "backup"),
    ("etc/shadow-", "backup"),
    ("etc/gshadow-", "backup"),
    ("etc/subuid-", "backup"),
    ("etc/subgid-", "backup"),
    ("etc/shells.state-", "backup"),
    ("etc/.pwd.lock", "lock file"),
    ("var/lib/dpkg/*-old", "backup"),
    ("var/lib/dpkg/lock", "lock file"),
    ("var/lib/dpkg/lock-frontend", "lock file"),
    ("var/lib/dpkg/triggers/Lock", "lock file"),
    ("var/lib/dpkg/updates/*", "dpkg's journal, empty by now"),
    ("var/lib/ucf/*.[0-9]", "backup"),
    ("var/lib/systemd/random-seed", "a seed must be a secret of one machine"),
    ("var/cache/debconf/*-old", "backup"),
    ("var/cache/ldconfig/aux-cache", "has inode numbers"),
    ("var/cache/apt/*.bin", "made from package lists that no image has"),
    ("var/log/alternatives.log", "has times"),
    ("var/log/bootstrap.log", "has times"),
    ("var/log/dpkg.log", "has times"),
    ("var/log/fontconfig.log", "has times"),
    ("var/log/apt/*", "has times"),
    ("**/__pycache__", "has times; python makes it again in memory"),
    ("initrd.img*", "link to an initramfs that is not made"),
];

/// Access control lists that squashfs cannot hold; systemd-tmpfiles sets them at boot.
const WITHOUT_ACL: &str = "var/log/journal";

/// Where systemd-update-done(8) says when a directory was brought up to date with `/usr`.
pub(crate) const UPDATED: [&str; 2] = ["etc/.updated", "var/.updated"];

/// What it says there.
pub(crate) fn updated(epoch: i64) -> String {
    format!("TIMESTAMP_NSEC={}\n", i128::from(epoch) * 1_000_000_000)
}

/// Brings a configured tree into the state that every build of it has, and gives its headers.
/// `times` are the modification times that packages gave to paths that are no directories.
pub(super) fn normalise(
    tree: &Path,
    epoch: u64,
    times: &HashMap<Vec<u8>, i64>,
) -> Result<Vec<Header>, Error> {
    let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
    remove(tree)?;
    machine_id(tree)?;
    passwords(tree, epoch)?;
    status(tree)?;
    journal_acls(tree)?;
    up_to_date(tree, epoch)?;
    let mut headers = tarball::walk(tree)?;
    for header in &mut headers {
        header.mtime = match times.get(&header.path) {
            Some(time) if *time == header.mtime => header.mtime.min(epoch),
            _ => epoch,
        };
    }
    // All names of a file have one time: that of the name which is the file.
    let by_path: HashMap<Vec<u8>, i64> =
        headers.iter().map(|header| (header.path.clone(), header.mtime)).collect();
    for header in &mut headers {
        if let Kind::HardLink(first) = &header.kind {
            header.mtime = by_path.get(first).copied().unwrap_or(epoch);
        }
    }
    Ok(headers)
}

/// Removes what [`REMOVED`] names, and sockets and fifos, which programs make when they start.
fn remove(tree: &Path) -> Result<(), Error> {
    let patterns: Vec<Vec<&str>> =
        REMOVED.iter().map(|(pattern, _)| pattern.split('/').collect()).collect();
    let mut names = Vec::new();
    remove_in(tree, &mut names, &patterns)
}

fn remove_in(
    directory: &Path,
    names: &mut Vec<String>,
    patterns: &[Vec<&str>],
) -> Result<(), Error> {
    let read = |source| Error::Read { path: directory.to_owned(), source };
    for entry in fs::read_dir(directory).map_err(read)? {
        let entry = entry.map_err(read)?;
        let kind = entry.file_type().map_err(read)?;
        let path = entry.path();
        names.push(entry.file_name().to_string_lossy().into_owned());
        let wanted = !patterns.iter().any(|pattern| matches(pattern, names));
        let result = match (wanted, kind.is_dir()) {
            (true, true) => {
                remove_in(&path, names, patterns)?;
                Ok(())
            }
            (true, false) if !kind.is_socket() && !kind.is_fifo() => Ok(()),
            (_, false) => fs::remove_file(&path),
            (false, true) => fs::remove_dir_all(&path),
        };
        result.map_err(|source| Error::Write { path, source })?;
        names.pop();
    }
    Ok(())
}

/// Whether a path, by its names, is what a pattern describes.
fn matches(pattern: &[&str], names: &[String]) -> bool {
    match (pattern.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => (0..=names.len()).any(|skip| matches(rest, &names[skip..])),
        (Some((first, pattern)), Some((name, names))) => {
            matches_name(first.as_bytes(), name.as_bytes()) && matches(pattern, names)
        }
        _ => false,
    }
}

/// `*` and `[0-9]`, as glob(7) has them, within one name.
fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    if let Some(rest) = pattern.strip_prefix(b"*") {
        return (0..=name.len()).any(|skip| matches_name(rest, &name[skip..]));
    }
    if let Some(rest) = pattern.strip_prefix(b"[0-9]") {
        return name
            .split_first()
            .is_some_and(|(digit, name)| digit.is_ascii_digit() && matches_name(rest, name));
    }
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((one, pattern)), Some((other, name))) => one == other && matches_name(pattern, name),
        _ => false,
    }
}

/// An empty machine id is one that the first boot fills in: machine-id(5).
fn machine_id(tree: &Path) -> Result<(), Error> {
    let write = |path: &Path, result: io::Result<()>| match result {
        Err(source) => Err(Error::Write { path: path.to_owned(), source }),
        Ok(()) => Ok(()),
    };
    let machine_id = tree.join("etc/machine-id");
    let of_dbus = tree.join("var/lib/dbus/machine-id");
    if exists(&machine_id) || exists(&of_dbus) {
        write(&machine_id, fs::write(&machine_id, b""))?;
    }
    if exists(&of_dbus) {
        let linked = fs::remove_file(&of_dbus).and_then(|()| symlink("/etc/machine-id", &of_dbus));
        write(&of_dbus, linked)?;
    }
    Ok(())
}

/// Passwords were last changed on the lock's day, whatever today is.
fn passwords(tree: &Path, epoch: i64) -> Result<(), Error> {
    edit(&tree.join("etc/shadow"), |text| accounts::set_last_change(text, epoch.div_euclid(DAY)))
}

/// Packages in dpkg's status file come in the order of their names.
fn status(tree: &Path) -> Result<(), Error> {
    edit(&tree.join("var/lib/dpkg/status"), |text| {
        let mut stanzas: Vec<&str> =
            text.split("\n\n").map(str::trim).filter(|stanza| !stanza.is_empty()).collect();
        stanzas.sort_by_key(|stanza| {
            let field = |name| stanza.lines().find_map(|line| line.strip_prefix(name));
            (field("Package: "), field("Architecture: "))
        });
        stanzas.iter().map(|stanza| format!("{stanza}\n\n")).collect()
    })
}

fn journal_acls(tree: &Path) -> Result<(), Error> {
    let path = tree.join(WITHOUT_ACL);
    for name in ["system.posix_acl_access", "system.posix_acl_default"] {
        match rustix::fs::lremovexattr(&path, name) {
            Ok(()) | Err(Errno::NODATA | Errno::NOENT | Errno::NOTDIR | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(Error::Write { path, source: error.into() }),
        }
    }
    Ok(())
}

/// Tells systemd that `/etc` and `/var` are as new as `/usr`, in the form of
/// systemd-update-done(8): else each boot, which begins with the image's state, would do again what
/// the packages' scripts did here.
fn up_to_date(tree: &Path, epoch: i64) -> Result<(), Error> {
    if !exists(&tree.join("usr/lib/systemd/systemd-update-done")) {
        return Ok(());
    }
    for path in UPDATED.map(|path| tree.join(path)) {
        fs::write(&path, updated(epoch)).map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}

/// Rewrites a text file in place, mode and owner staying as they are; none there is fine.
fn edit(path: &Path, edit: impl Fn(&str) -> String) -> Result<(), Error> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result.map_err(|source| Error::Read { path: path.to_owned(), source })?,
    };
    fs::write(path, edit(&text)).map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_removed(path: &str) -> bool {
        let names: Vec<String> = path.split('/').map(str::to_owned).collect();
        REMOVED.iter().any(|(pattern, _)| matches(&pattern.split('/').collect::<Vec<_>>(), &names))
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
            assert!(is_removed(path), "{path}");
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
            assert!(!is_removed(path), "{path}");
        }
    }
}
