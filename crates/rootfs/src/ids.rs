//! Numeric ids of users and groups: those of the lock, completed by those met for the first time.

use std::collections::{BTreeMap, BTreeSet};

use account::{PEOPLE, SYSTEM};
use serde::{Deserialize, Serialize};

use crate::accounts::{self, Accounts, Group, User};
use crate::error::Error;

pub use lock::Ids;

/// A lock's ids with those that were missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// All ids to be recorded, those of users and groups that no longer exist among them: what
    /// they own on servers is not given to others.
    pub ids: Ids,
    /// The ids that were not in the lock.
    pub new: Ids,
    /// How the tree's ids become these.
    pub renumbering: Renumbering,
    /// The ids of every user and group of the finished system, the distribution's among them.
    pub all: Ids,
}

/// Which number becomes which. Numbers that are not in it stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renumbering {
    users: BTreeMap<u32, u32>,
    groups: BTreeMap<u32, u32>,
}

impl Renumbering {
    /// From pairs of an old and a new id.
    pub fn new(
        users: impl IntoIterator<Item = (u32, u32)>,
        groups: impl IntoIterator<Item = (u32, u32)>,
    ) -> Self {
        let moved = |(old, new): &(u32, u32)| old != new;
        Self {
            users: users.into_iter().filter(moved).collect(),
            groups: groups.into_iter().filter(moved).collect(),
        }
    }

    /// The new id of a user.
    pub fn user(&self, id: u32) -> u32 {
        self.users.get(&id).copied().unwrap_or(id)
    }

    /// The new id of a group.
    pub fn group(&self, id: u32) -> u32 {
        self.groups.get(&id).copied().unwrap_or(id)
    }

    /// Whether nothing changes.
    pub fn is_identity(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }
}

/// Completes a lock's ids by those of a tree and of declared users and groups.
///
/// A recorded id wins. A name met for the first time keeps the id that it has in the tree if that
/// is free, and gets the lowest free one of its range else; the tree's names come first, by id,
/// then the declared ones, by name. The result depends on nothing else.
pub fn complete(
    lock: &Ids,
    tree: &Accounts,
    users: &[User],
    groups: &[Group],
) -> Result<Completed, Error> {
    let tree_users = accounts::ids("/etc/passwd", &tree.passwd)?;
    let tree_groups = accounts::ids("/etc/group", &tree.group)?;
    let system = |name: &str| {
        users.iter().find(|user| user.name == name).map(|user| user.system).unwrap_or(true)
    };
    let declared_users: BTreeMap<String, bool> =
        users.iter().map(|user| (user.name.clone(), user.system)).collect();
    let declared_groups: BTreeMap<String, bool> = accounts::group_names(users, groups)
        .into_iter()
        .map(|name| {
            let group = groups.iter().find(|group| group.name == name);
            let system = group.map_or_else(|| system(&name), |group| group.system);
            (name, system)
        })
        .collect();
    let users = Kind { name: "user", recorded: &lock.users, tree: &tree_users };
    let users = users.complete(&declared_users)?;
    let groups = Kind { name: "group", recorded: &lock.groups, tree: &tree_groups };
    let groups = groups.complete(&declared_groups)?;
    Ok(Completed {
        ids: Ids { users: users.ids, groups: groups.ids },
        new: Ids { users: users.new, groups: groups.new },
        renumbering: Renumbering::new(users.moved, groups.moved),
        all: Ids { users: users.all, groups: groups.all },
    })
}

/// Users or groups: the same rules hold for both.
struct Kind<'a> {
    name: &'static str,
    recorded: &'a BTreeMap<String, u32>,
    tree: &'a BTreeMap<String, u32>,
}

#[derive(Default)]
struct CompletedKind {
    ids: BTreeMap<String, u32>,
    new: BTreeMap<String, u32>,
    all: BTreeMap<String, u32>,
    moved: BTreeMap<u32, u32>,
}

impl Kind<'_> {
    fn complete(&self, declared: &BTreeMap<String, bool>) -> Result<CompletedKind, Error> {
        let mut done = CompletedKind { ids: self.recorded.clone(), ..Default::default() };
        let mut taken = self.taken()?;
        let mut by_id: Vec<(u32, &String)> =
            self.tree.iter().map(|(name, id)| (*id, name)).collect();
        by_id.sort_unstable();
        for (natural, name) in by_id {
            let id = match (self.recorded.get(name), done.moved.get(&natural)) {
                (Some(recorded), Some(moved)) if recorded != moved => {
                    return Err(self.conflict(name, *moved, "as another name of its id"));
                }
                (Some(recorded), _) if !SYSTEM.contains(&natural) && *recorded != natural => {
                    return Err(self.conflict(name, natural, "in the distribution"));
                }
                (Some(recorded), _) => *recorded,
                (None, Some(moved)) => *moved,
                (None, None) if !SYSTEM.contains(&natural) => natural,
                (None, None) if !taken.contains(&natural) => natural,
                (None, None) => self.free(name, true, &taken)?,
            };
            taken.insert(id);
            done.moved.insert(natural, id);
            done.all.insert(name.clone(), id);
            if !self.recorded.contains_key(name) && SYSTEM.contains(&natural) {
                done.new.insert(name.clone(), id);
            }
        }
        for (name, system) in declared {
            if done.all.contains_key(name) {
                continue;
            }
            let id = match self.recorded.get(name) {
                Some(recorded) => *recorded,
                None => {
                    let id = self.free(name, *system, &taken)?;
                    done.new.insert(name.clone(), id);
                    id
                }
            };
            taken.insert(id);
            done.all.insert(name.clone(), id);
        }
        done.ids.extend(done.new.iter().map(|(name, id)| (name.clone(), *id)));
        Ok(done)
    }

    /// The ids that nobody new may have: recorded ones, and the distribution's.
    ///
    /// Two names have one id only where the packages gave it to both.
    fn taken(&self) -> Result<BTreeSet<u32>, Error> {
        let fixed = self.tree.iter().filter(|(_, id)| !SYSTEM.contains(id));
        let mut names: BTreeMap<u32, &String> = fixed.map(|(name, id)| (*id, name)).collect();
        for (name, id) in self.recorded {
            let natural = self.tree.get(name);
            if let Some(other) = names.insert(*id, name)
                && other != name
                && (natural.is_none() || self.tree.get(other) != natural)
            {
                return Err(Error::SharedId {
                    kind: self.name,
                    id: *id,
                    one: other.clone(),
                    other: name.clone(),
                });
            }
        }
        Ok(names.into_keys().collect())
    }

    fn free(&self, name: &str, system: bool, taken: &BTreeSet<u32>) -> Result<u32, Error> {
        let range = if system { SYSTEM } else { PEOPLE };
        // A natural id that another name of the tree still waits for is left to it.
        let waiting: BTreeSet<u32> = self
            .tree
            .iter()
            .filter(|(other, _)| !self.recorded.contains_key(*other) && *other != name)
            .map(|(_, id)| *id)
            .collect();
        range.clone().find(|id| !taken.contains(id) && !waiting.contains(id)).ok_or_else(|| {
            Error::NoFreeId {
                kind: self.name,
                name: name.to_owned(),
                range: if system { "100 to 999" } else { "1000 to 59999" },
            }
        })
    }

    fn conflict(&self, name: &str, found: u32, place: &'static str) -> Error {
        let recorded = self.recorded.get(name).copied().unwrap_or(found);
        Error::Ids { kind: self.name, name: name.to_owned(), recorded, found, place }
    }
}
