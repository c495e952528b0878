//! `[permissions]` out of `file_permissions` and home directories.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::accounts::Accounts;
use super::plan::Kind;
use super::profiledef::FilePermission;
use super::report::{Report, place};
use crate::{GroupName, Mode, RootPath, UserName};

/// Who owns what is laid, and who may run it.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    /// Files that are laid executable.
    pub(super) executable: BTreeSet<RootPath>,
    /// What `[permissions]` has to say; nobody is root and no mode is the usual one.
    pub(super) permissions: BTreeMap<RootPath, Owned>,
}

/// An entry of `[permissions]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) owner: Option<UserName>,
    pub(super) group: Option<GroupName>,
    pub(super) mode: Option<Mode>,
}

impl Owned {
    fn is_usual_of_directory(&self) -> bool {
        let is_root = |name: Option<&str>| name == Some("root");
        is_root(self.owner.as_ref().map(UserName::as_str))
            && is_root(self.group.as_ref().map(GroupName::as_str))
            && self.mode.map(Mode::bits) == Some(0o755)
    }
}

/// What there is, for one who decides who owns it.
pub(super) struct Tree<'a> {
    /// What is laid, the directories on the way among it.
    pub(super) laid: &'a BTreeMap<RootPath, Kind>,
    /// All that airootfs has.
    pub(super) found: &'a BTreeSet<RootPath>,
    pub(super) accounts: &'a Accounts,
    /// The profile.
    pub(super) root: &'a Path,
}

/// Decides it as mkarchiso does: `file_permissions` first, then people own their homes.
pub(super) fn decide(
    tree: &Tree<'_>,
    file_permissions: &[FilePermission],
    report: &mut Report,
) -> Ownership {
    let mut owned: BTreeMap<RootPath, Owned> = BTreeMap::new();
    // An associative array has no order; the more precise entry is the one that is meant.
    let mut entries: Vec<&FilePermission> = file_permissions.iter().collect();
    entries.sort_by_key(|entry| (!entry.recursive, entry.path.as_str().matches('/').count()));
    for entry in entries {
        let wanted = wanted(entry, tree, report);
        for path in paths(entry, tree, report) {
            let directory = matches!(tree.laid.get(path), Some(Kind::Directory));
            if entry.recursive && directory && wanted.is_usual_of_directory() {
                // It is meant for the files; the directories may be packages'.
                continue;
            }
            owned.insert(path.clone(), wanted.clone());
        }
    }
    homes(tree, &mut owned);
    let mut ownership = Ownership::default();
    for (path, wanted) in owned {
        let directory = matches!(tree.laid.get(&path), Some(Kind::Directory));
        ownership.add(path, wanted, directory);
    }
    ownership
}

impl Ownership {
    /// Root's files of mode 0644 or 0755 need no entry. A directory may be a package's, with
    /// another owner or mode than those.
    fn add(&mut self, path: RootPath, mut wanted: Owned, directory: bool) {
        if !directory {
            let bits = wanted.mode.map(Mode::bits);
            if bits.is_some_and(|bits| bits & 0o100 != 0) {
                self.executable.insert(path.clone());
            }
            if matches!(bits, Some(0o644 | 0o755)) {
                wanted.mode = None;
            }
            wanted.owner = wanted.owner.filter(|owner| owner.as_str() != "root");
            wanted.group = wanted.group.filter(|group| group.as_str() != "root");
        }
        if wanted != Owned::default() {
            self.permissions.insert(path, wanted);
        }
    }
}

/// Names for the numbers of an entry; what has none is reported and stays root's.
fn wanted(entry: &FilePermission, tree: &Tree<'_>, report: &mut Report) -> Owned {
    let at = || place(tree.root, &entry.origin);
    let path = &entry.path;
    let owner = tree.accounts.user(&entry.owner).and_then(|name| name.parse().ok());
    if owner.is_none() {
        let id = entry.owner.escape_debug();
        report.decide(at(), format!("{path}: no user of etc/passwd is {id}; it stays root's"));
    }
    let group = tree.accounts.group(&entry.group).and_then(|name| name.parse().ok());
    if group.is_none() {
        let id = entry.group.escape_debug();
        report.decide(at(), format!("{path}: no group of etc/group is {id}; it stays root's"));
    }
    if entry.mode.is_none() {
        report.decide(at(), format!("{path}: its mode is not in octal digits and is not taken"));
    }
    Owned { owner, group, mode: entry.mode }
}

/// What is laid and an entry is about.
fn paths<'a>(entry: &'a FilePermission, tree: &Tree<'a>, report: &mut Report) -> Vec<&'a RootPath> {
    let at = || place(tree.root, &entry.origin);
    if !tree.found.contains(&entry.path) {
        let message = format!("{}: airootfs has nothing there", entry.path);
        report.decide(at(), message);
        return Vec::new();
    }
    let about = tree.laid.iter().filter(|(path, kind)| {
        let meant = match entry.recursive {
            true => path.is_within(entry.path.as_str()),
            false => **path == entry.path,
        };
        // A symlink has no mode, and its owner means nothing.
        meant && !matches!(kind, Kind::Symlink(_))
    });
    about.map(|(path, _)| path).collect()
}

/// What lies in a home directory is its user's, and nobody else may look into it.
fn homes(tree: &Tree<'_>, owned: &mut BTreeMap<RootPath, Owned>) {
    for user in tree.accounts.users.iter().filter(|user| user.is_person()) {
        let (Some(home), Ok(name)) = (user.home(), user.name.parse::<UserName>()) else { continue };
        let group = tree.accounts.group(&user.gid.to_string()).unwrap_or(&user.name);
        let group: Option<GroupName> = group.parse().ok();
        for (path, kind) in tree.laid {
            if !path.is_within(home.as_str()) || matches!(kind, Kind::Symlink(_)) {
                continue;
            }
            let entry = owned.entry(path.clone()).or_default();
            entry.owner = Some(name.clone());
            entry.group = group.clone();
            if *path == home {
                entry.mode = "0750".parse().ok();
            }
        }
    }
}
