//! The four account files: passwd(5), group(5), shadow(5), gshadow(5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::ids::Renumbering;

/// The account files of a tree, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// `etc/passwd`.
    pub passwd: String,
    /// `etc/group`.
    pub group: String,
    /// `etc/shadow`.
    pub shadow: String,
    /// `etc/gshadow`.
    pub gshadow: String,
}

/// A user that the definition declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name.
    pub name: String,
    /// Whether its id is one of the system's (100 to 999) rather than a person's (1000 to 59999).
    pub system: bool,
    /// The name of its primary group; a group of the user's own name is made when `None`.
    pub group: Option<String>,
    /// Further groups that it is a member of.
    pub groups: Vec<String>,
    /// The comment field, mostly a person's name.
    pub comment: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// The crypt(5) hash of its password; no password fits when `None`.
    pub password: Option<String>,
}

/// A group that the definition declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The name.
    pub name: String,
    /// Whether its id is one of the system's.
    pub system: bool,
}

/// What id a name has, from a file with the id in its third field: passwd or group.
pub fn ids(path: &'static str, text: &str) -> Result<BTreeMap<String, u32>, Error> {
    let mut ids = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let malformed = |message: &str| Error::Malformed {
            path,
            line: number + 1,
            message: message.to_owned(),
        };
        if line.is_empty() || line.starts_with(['#', '+', '-']) {
            continue;
        }
        let fields: Vec<&str> = line.split(':').collect();
        let (Some(name), Some(id)) = (fields.first(), fields.get(2)) else {
            return Err(malformed("there are not enough fields"));
        };
        if !account::is_name(name) {
            // A lock could not be read again that has it.
            return Err(malformed(&format!("{name:?} is not the name of a user or group")));
        }
        let id = id.parse().map_err(|_| malformed("the third field is no id"))?;
        if ids.insert((*name).to_owned(), id).is_some() {
            return Err(malformed(&format!("`{name}` is there twice")));
        }
    }
    Ok(ids)
}

/// Gives the users and groups of a passwd file their other ids.
pub fn renumber_passwd(text: &str, renumbering: &Renumbering) -> String {
    edit_fields(text, |fields| {
        replace(fields, 2, |id| renumbering.user(id));
        replace(fields, 3, |id| renumbering.group(id));
    })
}

/// Gives the groups of a group file their other ids.
pub fn renumber_group(text: &str, renumbering: &Renumbering) -> String {
    edit_fields(text, |fields| replace(fields, 2, |id| renumbering.group(id)))
}

/// Sets the day of the last change of every password in a shadow file that has one.
pub fn set_last_change(shadow: &str, day: i64) -> String {
    edit_fields(shadow, |fields| {
        if let Some(field) = fields.get_mut(2)
            && !field.is_empty()
        {
            *field = day.to_string();
        }
    })
}

fn replace(fields: &mut [String], index: usize, id: impl Fn(u32) -> u32) {
    if let Some(field) = fields.get_mut(index)
        && let Ok(old) = field.parse()
    {
        *field = id(old).to_string();
    }
}

fn edit_fields(text: &str, edit: impl Fn(&mut Vec<String>)) -> String {
    let mut edited = String::with_capacity(text.len());
    for line in text.lines() {
        let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
        edit(&mut fields);
        edited.push_str(&fields.join(":"));
        edited.push('\n');
    }
    edited
}

impl Accounts {
    /// These files with other ids.
    pub fn renumbered(&self, renumbering: &Renumbering) -> Self {
        Self {
            passwd: renumber_passwd(&self.passwd, renumbering),
            group: renumber_group(&self.group, renumbering),
            shadow: self.shadow.clone(),
            gshadow: self.gshadow.clone(),
        }
    }

    /// Adds what a definition declares. `users` and `groups` give the ids; `day` is the day of the
    /// last password change, in days since 1970. A user that the packages made stays as it is and
    /// becomes a member of the groups that the definition gives it.
    pub fn declare(
        &mut self,
        declared: &[User],
        declared_groups: &[Group],
        ids: &crate::ids::Ids,
        day: i64,
    ) -> Result<(), Error> {
        for name in group_names(declared, declared_groups) {
            if !has(&self.group, &name) {
                let id = known(&ids.groups, "group", &name)?;
                push(&mut self.group, &format!("{name}:x:{id}:"));
                push(&mut self.gshadow, &format!("{name}:!::"));
            }
        }
        for user in declared {
            self.declare_user(user, ids, day)?;
            for group in &user.groups {
                if !has(&self.group, group) {
                    return Err(Error::Account {
                        kind: "user",
                        name: user.name.clone(),
                        reason: format!("is to be in the group `{group}`, which nobody makes"),
                    });
                }
                add_member(&mut self.group, group, &user.name);
                add_member(&mut self.gshadow, group, &user.name);
            }
        }
        Ok(())
    }

    fn declare_user(&mut self, user: &User, ids: &crate::ids::Ids, day: i64) -> Result<(), Error> {
        let User { name, comment, home, shell, .. } = user;
        for field in [name, comment, home, shell] {
            if field.contains([':', '\n', '\0']) {
                let reason = format!("has `{}`: no colon and no new line is possible there", field);
                return Err(Error::Account { kind: "user", name: name.clone(), reason });
            }
        }
        if has(&self.passwd, name) {
            return Ok(());
        }
        let group = user.group.as_ref().unwrap_or(name);
        let uid = known(&ids.users, "user", name)?;
        let gid = match crate::accounts::ids("/etc/group", &self.group)?.get(group) {
            Some(gid) => *gid,
            None => known(&ids.groups, "group", group)?,
        };
        push(&mut self.passwd, &format!("{name}:x:{uid}:{gid}:{comment}:{home}:{shell}"));
        let password = user.password.as_deref().unwrap_or("!");
        if password.contains([':', '\n', '\0']) {
            let reason = "has a password that is no hash of crypt(5)".to_owned();
            return Err(Error::Account { kind: "user", name: name.clone(), reason });
        }
        let ageing = if user.system { ":::::" } else { "0:99999:7:::" };
        push(&mut self.shadow, &format!("{name}:{password}:{day}:{ageing}"));
        Ok(())
    }
}

/// The groups that declared users and groups want to exist, in the order in which they are made.
pub fn group_names(users: &[User], groups: &[Group]) -> Vec<String> {
    let mut names: Vec<String> = groups.iter().map(|group| group.name.clone()).collect();
    for user in users.iter().filter(|user| user.group.is_none()) {
        if !names.contains(&user.name) {
            names.push(user.name.clone());
        }
    }
    names
}

fn known(ids: &BTreeMap<String, u32>, kind: &'static str, name: &str) -> Result<u32, Error> {
    ids.get(name).copied().ok_or_else(|| Error::Account {
        kind,
        name: name.to_owned(),
        reason: "nobody gave an id".to_owned(),
    })
}

fn has(text: &str, name: &str) -> bool {
    text.lines().any(|line| line.split(':').next() == Some(name))
}

fn push(text: &mut String, line: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(line);
    text.push('\n');
}

/// Adds a member to the last field of a group's line.
fn add_member(text: &mut String, group: &str, user: &str) {
    *text = edit_fields(text, |fields| {
        if fields.len() < 4 || fields[0] != group {
            return;
        }
        if let Some(members) = fields.last_mut()
            && !members.split(',').any(|member| member == user)
        {
            if !members.is_empty() {
                members.push(',');
            }
            members.push_str(user);
        }
    });
}
