//! `[users.NAME]` and `[groups.NAME]`: system users that the definition declares.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::Refused;
use crate::{GroupName, Origin, RootPath, UserName, read};

/// A system user that no package makes. It has no password, and none lets it in.
///
/// ```toml
/// [users.vmail]
/// home = "/var/mail"              # "/nonexistent" by default; not made: see [state]
/// shell = "/usr/bin/git-shell"    # "/usr/sbin/nologin" by default
/// group = "mail"                  # a group of the user's own name by default
/// groups = ["ssl-cert"]           # further groups
/// comment = "owns all mail"
/// ```
///
/// Its numeric id is recorded in the lock and never changes afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its name.
    pub name: UserName,
    /// Its home directory. It is not made: it is state, or part of a `rootfs/`.
    pub home: RootPath,
    /// Its shell.
    pub shell: RootPath,
    /// Its first group; none: a group of its own name, made with it.
    pub group: Option<GroupName>,
    /// Its further groups, sorted.
    pub groups: Vec<GroupName>,
    /// The fifth field of passwd(5).
    pub comment: String,
    /// Where it is declared.
    pub origin: Origin,
}

/// A system group that no package makes and that belongs to no declared user.
///
/// ```toml
/// [groups.webmasters]
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: GroupName,
    /// Where it is declared.
    pub origin: Origin,
}

struct Comment(String);

impl FromStr for Comment {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        match text.chars().any(|c| c == ':' || c.is_control()) {
            true => Err(Refused::new("has a `:` or a line break", "passwd(5) cannot hold those")),
            false => Ok(Self(text.to_owned())),
        }
    }
}

/// A path that is a field of passwd(5).
struct Field(RootPath);

impl FromStr for Field {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        if text.contains(':') {
            return Err(Refused::new("has a `:`", "passwd(5) cannot hold it"));
        }
        text.parse().map(Self)
    }
}

/// Reads `[users]`.
pub(crate) fn read_users(table: &read::Table<'_, '_>) -> Vec<User> {
    let mut users = Vec::new();
    for (name, value) in table.entries::<UserName>() {
        let Some(mut keys) = value.table() else { continue };
        let mut path = |key, default: &str| match keys.value(key) {
            Some(value) => value.text::<Field>().map(|field| field.value.0),
            None => default.parse().ok(),
        };
        let home = path("home", "/nonexistent");
        let shell = path("shell", "/usr/sbin/nologin");
        let group = keys.value("group").and_then(|value| value.text()).map(|group| group.value);
        let groups = keys.value("groups").and_then(|value| value.texts()).unwrap_or_default();
        let mut groups: Vec<GroupName> = groups.into_iter().map(|group| group.value).collect();
        groups.sort();
        let comment = keys.value("comment").and_then(|value| value.text::<Comment>());
        keys.finish();
        let (Some(home), Some(shell)) = (home, shell) else { continue };
        if name.value.as_str() == "root" {
            value.wrong("`root` exists already", "permissions and rootfs/root/ set it up");
            continue;
        }
        let comment = comment.map(|comment| comment.value.0).unwrap_or_default();
        let origin = name.origin;
        users.push(User { name: name.value, home, shell, group, groups, comment, origin });
    }
    users
}

/// Reads `[groups]`.
pub(crate) fn read_groups(table: &read::Table<'_, '_>) -> Vec<Group> {
    let mut groups = Vec::new();
    for (name, value) in table.entries::<GroupName>() {
        let Some(keys) = value.table() else { continue };
        keys.finish();
        groups.push(Group { name: name.value, origin: name.origin });
    }
    groups
}
