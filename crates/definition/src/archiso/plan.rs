//! What a new server's `rootfs/` holds: airootfs without what no longer applies.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::accounts::Accounts;
use super::airootfs::{AIROOTFS, Fate, Found, FoundKind, fate};
use super::logins::{self, Login};
use super::report::{Left, Report};
use crate::load::RoleFiles;
use crate::{Origin, Problem, RootPath, overlay};

/// No configuration is larger.
const LARGEST_TEXT: u64 = 1 << 20;

/// What is laid at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    /// The file of the profile.
    File(PathBuf),
    Symlink(String),
}

/// Decides for every path of airootfs. Directories are laid for what is in them.
pub(super) fn plan(
    found: &[Found],
    accounts: &Accounts,
    roles: &[RoleFiles],
    report: &mut Report,
) -> BTreeMap<RootPath, Kind> {
    let keys = authorized_keys(accounts);
    let mut laid: BTreeMap<RootPath, Kind> = BTreeMap::new();
    let mut moved = Vec::new();
    for item in found {
        let shown = shown(&item.path);
        let kind = match &item.kind {
            FoundKind::Directory { empty } => {
                if *empty && matches!(fate(item, &keys), Fate::Kept) {
                    let message = "is empty, and git keeps no such directory: declare it under \
                                   [state], or in rootfs/etc/tmpfiles.d";
                    report.decide(shown, message);
                }
                continue;
            }
            FoundKind::File(source) => Kind::File(source.clone()),
            FoundKind::Symlink(target) => Kind::Symlink(target.clone()),
        };
        match fate(item, &keys) {
            Fate::Left(why) => report.left(why, shown, None),
            Fate::Refused(why) => report.decide(shown, why),
            Fate::Moved(to) => moved.push((item, to, kind)),
            Fate::Taken => {}
            Fate::Kept => match same_in_role(&item.path, &kind, roles) {
                Some(role) => report.left(Left::Roles, format!("{shown} (`{role}`)"), None),
                None => match login(&item.path, &kind) {
                    Some(Login::Refused(why)) => report.decide(shown, why),
                    said => {
                        if let Some(Login::Said(why)) = said {
                            report.decide(shown, why);
                        }
                        beside_roles(&item.path, roles, report);
                        laid.insert(item.path.clone(), kind);
                    }
                },
            },
        }
    }
    for (item, to, kind) in moved {
        let shown = shown(&item.path);
        match laid.entry(to.clone()) {
            Entry::Occupied(_) => {
                report.decide(shown, format!("is not taken: add its keys to rootfs{to}"));
            }
            Entry::Vacant(place) => {
                report.decide(shown, format!("is rootfs{to} now: sshd looks nowhere else"));
                place.insert(kind);
            }
        }
    }
    with_parents(laid)
}

/// What lets somebody in, if that does.
fn login(path: &RootPath, kind: &Kind) -> Option<Login> {
    match kind {
        Kind::Directory => None,
        Kind::Symlink(target) => logins::of_symlink(path, target),
        Kind::File(source) => {
            let is_small = source.metadata().is_ok_and(|metadata| metadata.len() <= LARGEST_TEXT);
            // What cannot be read is met again when it is to be copied.
            let bytes = is_small.then(|| std::fs::read(source).ok())??;
            logins::of_file(path, &String::from_utf8_lossy(&bytes))
        }
    }
}

fn shown(path: &RootPath) -> String {
    format!("{AIROOTFS}{path}")
}

/// Where people keep their keys, and where the role `ssh` has sshd look for them.
fn authorized_keys(accounts: &Accounts) -> Vec<(RootPath, RootPath)> {
    let people = accounts.users.iter().filter(|user| user.uid != 0);
    let homes = people.filter_map(|user| Some((user.name.as_str(), user.home()?)));
    let homes: Vec<(&str, String)> = homes.map(|(name, home)| (name, home.into())).collect();
    let root = std::iter::once(("root", "/root".to_owned()));
    let keys = root.chain(homes).filter_map(|(name, home)| {
        let from = format!("{home}/.ssh/authorized_keys").parse().ok()?;
        Some((from, format!("/etc/ssh/authorized_keys/{name}").parse().ok()?))
    });
    // A name with a slash in it would lead elsewhere.
    keys.filter(|(_, to): &(RootPath, RootPath)| to.as_str().matches('/').count() == 4).collect()
}

/// The role that lays the very same.
fn same_in_role(path: &RootPath, kind: &Kind, roles: &[RoleFiles]) -> Option<String> {
    roles.iter().find_map(|role| {
        let laid = role.laid.iter().find(|laid| laid.path == *path)?;
        let same = match (kind, &laid.kind) {
            (Kind::Symlink(one), overlay::Kind::Symlink { target: other }) => {
                absolute(path, one) == absolute(path, other)
            }
            (Kind::File(one), overlay::Kind::File { executable: false, .. }) => {
                // What cannot be read is met again when it is to be copied.
                let read = |path: &Path| std::fs::read(path).ok();
                read(one).is_some_and(|one| Some(one) == read(&laid.source))
            }
            _ => false,
        };
        same.then(|| role.name.to_string())
    })
}

/// Where the target of the symlink at `path` leads, by its letters.
fn absolute(path: &RootPath, target: &str) -> Vec<String> {
    let mut parts: Vec<&str> = match target.starts_with('/') {
        true => Vec::new(),
        false => path.relative().split('/').collect(),
    };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.into_iter().map(str::to_owned).collect()
}

/// Says where a role's file is replaced, or read together with one of the profile.
fn beside_roles(path: &RootPath, roles: &[RoleFiles], report: &mut Report) {
    let parent = |path: &RootPath| path.as_str().rsplit_once('/').map(|(dir, _)| dir.to_owned());
    let dir = parent(path).unwrap_or_default();
    let together = [".conf.d", ".service.d", ".d", "/network"].iter().any(|end| dir.ends_with(end));
    for role in roles {
        let others = role.laid.iter().filter(|laid| !laid.kind.is_directory());
        for other in others {
            if other.path == *path {
                let message = format!("takes the place of the role `{}`'s", role.name);
                report.decide(shown(path), message);
            } else if together && parent(&other.path).as_ref() == Some(&dir) {
                let message =
                    format!("is read together with {}, the role `{}`'s", other.path, role.name);
                report.decide(shown(path), message);
            }
        }
    }
    if path.as_str() == "/etc/ssh/sshd_config" {
        let message = "needs a line `Include /etc/ssh/sshd_config.d/*.conf` for the role `ssh`";
        report.decide(shown(path), message);
    }
}

/// Adds the directories that lead to what is laid.
fn with_parents(mut laid: BTreeMap<RootPath, Kind>) -> BTreeMap<RootPath, Kind> {
    let paths: Vec<RootPath> = laid.keys().cloned().collect();
    for path in paths {
        for (at, _) in path.as_str().match_indices('/').skip(1) {
            if let Ok(parent) = path.as_str()[..at].parse() {
                laid.entry(parent).or_insert(Kind::Directory);
            }
        }
    }
    laid
}

/// Mistakes of what is laid: nothing lies below a file or a symlink, be it a role's or of the
/// server itself.
pub(super) fn check(
    laid: &BTreeMap<RootPath, Kind>,
    roles: &[RoleFiles],
    own: &[&str],
    airootfs: &Path,
) -> Vec<Problem> {
    let mut directories: BTreeSet<&str> = BTreeSet::new();
    let mut others: BTreeSet<&str> = BTreeSet::new();
    for laid in roles.iter().flat_map(|role| &role.laid) {
        let set = if laid.kind.is_directory() { &mut directories } else { &mut others };
        set.insert(laid.path.as_str());
    }
    for path in own.iter().copied().chain(laid.keys().map(RootPath::as_str)) {
        let parents = path.match_indices('/').skip(1);
        directories.extend(parents.map(|(at, _)| &path[..at]));
    }
    let wrong = |(path, kind): (&RootPath, &Kind)| {
        let message = match kind {
            Kind::Directory if others.contains(path.as_str()) => {
                format!("`{path}` is a directory here and none in a role")
            }
            Kind::File(_) | Kind::Symlink(_) if directories.contains(path.as_str()) => {
                format!("`{path}` is no directory here, and something is to be laid below it")
            }
            _ => return None,
        };
        let origin = Origin::file(&airootfs.join(path.relative()));
        Some(Problem::new(&origin, message).hint("lay what is in it one by one".to_owned()))
    };
    laid.iter().filter_map(wrong).collect()
}
