//! Takes away what differs between two builds of one tree, whichever its distribution, and nothing
//! else.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::io::Errno;
use unpack::{Inside, Laid};

use crate::accounts;
use crate::error::Error;
use crate::secrets::{self, LOOKED_AT, Secret};
use crate::tarball::{self, Header, Kind};

const DAY: i64 = 86_400;

/// Something that is removed, and why. In the path, `*` stands for anything within a name and `**`
/// for any directories.
pub(crate) type Removed = (&'static str, &'static str);

/// What is removed whichever the distribution.
pub(crate) const REMOVED: [Removed; 12] = [
    ("etc/ssh/ssh_host_*", "a machine's own keys"),
    ("etc/aliases.db", "a Berkeley DB has a random id; newaliases makes it at boot"),
    ("etc/passwd-", "backup"),
    ("etc/group-", "backup"),
    ("etc/shadow-", "backup"),
    ("etc/gshadow-", "backup"),
    ("etc/subuid-", "backup"),
    ("etc/subgid-", "backup"),
    ("etc/.pwd.lock", "lock file"),
    ("var/lib/systemd/random-seed", "a seed must be a secret of one machine"),
    ("var/cache/ldconfig/aux-cache", "has inode numbers"),
    ("var/log/fontconfig.log", "has times"),
];

/// Access control lists that squashfs cannot hold; systemd-tmpfiles sets them at boot.
const WITHOUT_ACL: &str = "var/log/journal";

/// Where systemd-update-done(8) says when a directory was brought up to date with `/usr`.
pub(crate) const UPDATED: [&str; 2] = ["etc/.updated", "var/.updated"];

/// What it says there.
pub(crate) fn updated(epoch: i64) -> String {
    format!("TIMESTAMP_NSEC={}\n", i128::from(epoch) * 1_000_000_000)
}

/// The modification times that packages gave to paths that are no directories.
pub(crate) struct Times(HashMap<Vec<u8>, i64>);

impl Times {
    /// Of what packages have laid.
    pub(crate) fn of<'a>(members: impl IntoIterator<Item = &'a Laid>) -> Self {
        let members = members.into_iter().filter(|laid| laid.kind != unpack::Kind::Directory);
        let time = |laid: &Laid| (laid.place.as_os_str().as_bytes().to_vec(), laid.mtime);
        Self(members.map(time).collect())
    }

    /// Whether a package has brought this path.
    pub(crate) fn has(&self, path: &[u8]) -> bool {
        self.0.contains_key(path)
    }
}

/// What is removed from a tree.
pub(crate) struct Removal<'a> {
    /// What the distribution has to be removed besides [`REMOVED`].
    pub(crate) also: &'a [Removed],
    /// The paths that stay, whatever they are called.
    pub(crate) kept: &'a dyn Fn(&[u8]) -> bool,
    /// What belongs to one machine, as absolute paths: files go, directories are left empty.
    pub(crate) own: &'a [String],
}

/// A tree that every build of it equals.
pub(crate) struct Normal {
    /// What it consists of.
    pub(crate) headers: Vec<Header>,
    /// The secrets among what packages' scripts made.
    pub(crate) secrets: Vec<Secret>,
}

/// Brings a configured tree into the state that every build of it has.
pub(crate) fn normalise(
    tree: &Path,
    epoch: u64,
    times: &Times,
    removal: &Removal<'_>,
) -> Result<Normal, Error> {
    let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
    remove(tree, removal)?;
    let inside = Inside::open(tree)?;
    machine_id(&inside)?;
    passwords(&inside, epoch)?;
    journal_acls(&inside)?;
    up_to_date(&inside, epoch)?;
    let mut headers = tarball::walk(tree)?;
    let mut secrets = Vec::new();
    for header in &mut headers {
        if is_log(header) && !times.has(&header.path) {
            inside.write(OsStr::from_bytes(&header.path), "")?;
            header.kind = Kind::File(0);
        }
        header.mtime = match times.0.get(&header.path) {
            Some(time) if *time == header.mtime => header.mtime.min(epoch),
            _ => {
                secrets.extend(secret(tree, header)?);
                epoch
            }
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
    Ok(Normal { headers, secrets })
}

/// Whether a path is a log with something in it. Of what the scripts of an installation logged
/// most has times; the file itself stays, with the owner that its service wants.
fn is_log(header: &Header) -> bool {
    let has_content = matches!(header.kind, Kind::File(size) if size > 0);
    has_content && header.path.starts_with(b"var/log/")
}

/// debconf's answers to questions for passwords, most often none.
const PASSWORDS: &str = "var/cache/debconf/passwords.dat";

fn has_answer(passwords: &[u8]) -> bool {
    let mut lines = passwords.split(|byte| *byte == b'\n');
    lines.any(|line| {
        line.strip_prefix(b"Value:").is_some_and(|value| !value.trim_ascii().is_empty())
    })
}

/// What nobody but its owner is meant to know of a file that a script made.
fn secret(tree: &Path, header: &Header) -> Result<Option<Secret>, Error> {
    let Kind::File(_) = header.kind else { return Ok(None) };
    let path = tree.join(OsStr::from_bytes(&header.path));
    let mut content = Vec::new();
    fs::File::open(&path)
        .and_then(|file| file.take(LOOKED_AT as u64).read_to_end(&mut content))
        .map_err(|source| Error::Read { path, source })?;
    if header.path == PASSWORDS.as_bytes() && !has_answer(&content) {
        return Ok(None);
    }
    let what = secrets::secret(header.mode, &content);
    Ok(what.map(|what| Secret { path: header.shown(), what: what.to_owned() }))
}

/// Removes what is to be removed, and sockets and fifos, which programs make when they start.
fn remove(tree: &Path, removal: &Removal<'_>) -> Result<(), Error> {
    let removed = REMOVED.iter().chain(removal.also);
    let patterns: Vec<Vec<&str>> =
        removed.map(|(pattern, _)| pattern.split('/').collect()).collect();
    let own: HashSet<&[u8]> =
        removal.own.iter().map(|path| path.trim_start_matches('/').as_bytes()).collect();
    let is_own = |names: &[Vec<u8>]| !own.is_empty() && own.contains(&names.join(&b'/')[..]);
    let is_removed = |names: &[Vec<u8>], is_directory: bool| {
        (is_own(names) && !is_directory)
            || names.split_last().is_some_and(|(_, above)| is_own(above))
            || patterns.iter().any(|pattern| matches(pattern, names))
                && !(removal.kept)(&names.join(&b'/'))
    };
    remove_in(tree, &mut Vec::new(), &is_removed)
}

fn remove_in(
    directory: &Path,
    names: &mut Vec<Vec<u8>>,
    is_removed: &dyn Fn(&[Vec<u8>], bool) -> bool,
) -> Result<(), Error> {
    let read = |source| Error::Read { path: directory.to_owned(), source };
    for entry in fs::read_dir(directory).map_err(read)? {
        let entry = entry.map_err(read)?;
        let kind = entry.file_type().map_err(read)?;
        let path = entry.path();
        names.push(entry.file_name().into_vec());
        let wanted = !is_removed(names, kind.is_dir());
        let result = match (wanted, kind.is_dir()) {
            (true, true) => {
                remove_in(&path, names, is_removed)?;
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
fn matches(pattern: &[&str], names: &[Vec<u8>]) -> bool {
    match (pattern.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => (0..=names.len()).any(|skip| matches(rest, &names[skip..])),
        (Some((first, pattern)), Some((name, names))) => {
            matches_name(first.as_bytes(), name) && matches(pattern, names)
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
fn machine_id(inside: &Inside) -> Result<(), Error> {
    let (machine_id, of_dbus) = ("etc/machine-id", "var/lib/dbus/machine-id");
    if inside.has(machine_id) || inside.has(of_dbus) {
        inside.write(machine_id, "")?;
    }
    if inside.has(of_dbus) {
        inside.replace_by_link(of_dbus, "/etc/machine-id")?;
    }
    Ok(())
}

/// Passwords were last changed on the lock's day, whatever today is.
fn passwords(inside: &Inside, epoch: i64) -> Result<(), Error> {
    let day = epoch.div_euclid(DAY);
    Ok(inside.edit("etc/shadow", |text| accounts::set_last_change(text, day))?)
}

fn journal_acls(inside: &Inside) -> Result<(), Error> {
    let Some(directory) = inside.directory(WITHOUT_ACL)? else { return Ok(()) };
    for name in ["system.posix_acl_access", "system.posix_acl_default"] {
        match rustix::fs::fremovexattr(&directory, name) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(error) => {
                let path = inside.shown(WITHOUT_ACL);
                return Err(Error::Write { path, source: error.into() });
            }
        }
    }
    Ok(())
}

/// Tells systemd that `/etc` and `/var` are as new as `/usr`, in the form of
/// systemd-update-done(8): else each boot, which begins with the image's state, would do again what
/// the packages' scripts did here.
fn up_to_date(inside: &Inside, epoch: i64) -> Result<(), Error> {
    if inside.has("usr/lib/systemd/systemd-update-done") {
        for path in UPDATED {
            inside.write(path, updated(epoch))?;
        }
    }
    Ok(())
}

/// Whether a path is among those that are removed.
#[cfg(test)]
pub(crate) fn is_removed(path: &str, removed: &[Removed]) -> bool {
    let names: Vec<Vec<u8>> = path.split('/').map(|name| name.as_bytes().to_vec()).collect();
    let mut all = REMOVED.iter().chain(removed);
    all.any(|(pattern, _)| matches(&pattern.split('/').collect::<Vec<_>>(), &names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_belongs_to_one_machine_files_go_and_directories_stay_empty() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path();
        for directory in ["etc/bind", "var/lib/mysql/mysql", "var/lib/mysql-files"] {
            fs::create_dir_all(tree.join(directory)).unwrap();
        }
        for file in
            ["etc/bind/rndc.key", "etc/bind/rndc.key.pub", "var/lib/mysql/ibdata1", "var/lib/x"]
        {
            fs::write(tree.join(file), "x").unwrap();
        }
        std::os::unix::fs::symlink("/etc", tree.join("var/lib/mysql/link")).unwrap();
        let own = ["/etc/bind/rndc.key".to_owned(), "/var/lib/mysql".to_owned()];
        remove(tree, &Removal { also: &[], kept: &|_| true, own: &own }).unwrap();
        let headers = tarball::walk(tree).unwrap();
        let left: Vec<String> = headers.iter().map(Header::shown).collect();
        assert_eq!(
            left,
            [
                "/",
                "/etc",
                "/etc/bind",
                "/etc/bind/rndc.key.pub",
                "/var",
                "/var/lib",
                "/var/lib/mysql",
                "/var/lib/mysql-files",
                "/var/lib/x",
            ]
        );
    }

    #[test]
    fn only_files_that_have_something_to_hide_are_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
            let header = Header::new(name, Kind::File(content.len() as u64), 0o600, 0);
            secret(folder.path(), &header).unwrap().map(|secret| secret.path)
        };
        assert_eq!(write("etc/key", "x").as_deref(), Some("/etc/key"));
        let unanswered = "Name: a/password\nTemplate: a/password\nOwners: a\n";
        assert_eq!(write(PASSWORDS, unanswered), None);
        assert!(write(PASSWORDS, &format!("{unanswered}Value: x\n")).is_some());
    }
}
