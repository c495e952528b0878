//! passwd, shadow and group of a profile, read as the files that they are: passwd(5), shadow(5),
//! group(5).

use std::collections::BTreeSet;
use std::ops::Range;

use super::text::Text;
use crate::{Origin, Problem, RootPath};

/// Everyone that a profile names.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    pub(super) users: Vec<Account>,
    pub(super) groups: Vec<AccountGroup>,
    /// Users whose password is not locked.
    pub(super) passwords: Vec<Password>,
}

/// A line of passwd.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) comment: String,
    pub(super) home: String,
    pub(super) shell: String,
    pub(super) origin: Origin,
}

/// A line of group.
#[derive(Debug)]
pub(super) struct AccountGroup {
    pub(super) name: String,
    pub(super) gid: u32,
    pub(super) members: Vec<String>,
    pub(super) origin: Origin,
}

/// A line of shadow with which one could log in.
#[derive(Debug)]
pub(super) struct Password {
    pub(super) user: String,
    /// Whether nothing has to be typed.
    pub(super) empty: bool,
    pub(super) origin: Origin,
}

impl Accounts {
    /// Reads the files that there are.
    pub(super) fn read(
        passwd: Option<&Text>,
        shadow: Option<&Text>,
        group: Option<&Text>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let users = passwd.map(|text| entries(text, 7, problems, account)).unwrap_or_default();
        let groups =
            group.map(|text| entries(text, 4, problems, account_group)).unwrap_or_default();
        let shadow = shadow.map(|text| entries(text, 9, problems, password)).unwrap_or_default();
        let users = unique(users, |user| (&user.name, &user.origin), problems);
        let groups = unique(groups, |group| (&group.name, &group.origin), problems);
        let passwords = shadow.into_iter().flatten().collect();
        Self { users, groups, passwords }
    }

    /// The name that a number of `file_permissions` stands for, root's without any file.
    pub(super) fn user(&self, id: &str) -> Option<&str> {
        match self.users.iter().find(|user| id.parse() == Ok(user.uid) || id == user.name) {
            Some(user) => Some(&user.name),
            None => (id == "0" || id == "root").then_some("root"),
        }
    }

    /// The same for a group.
    pub(super) fn group(&self, id: &str) -> Option<&str> {
        match self.groups.iter().find(|group| id.parse() == Ok(group.gid) || id == group.name) {
            Some(group) => Some(&group.name),
            None if id == "0" || id == "root" => Some("root"),
            // A user's own group has its number where nobody says otherwise.
            None => {
                let own = |user: &&Account| user.uid == user.gid && id.parse() == Ok(user.gid);
                self.users.iter().find(own).map(|user| user.name.as_str())
            }
        }
    }
}

impl Account {
    /// Whether mkarchiso takes it for a person, who owns what is below the home directory.
    pub(super) fn is_person(&self) -> bool {
        (1000..60_000).contains(&self.uid)
    }

    /// The home directory, where there is a real one.
    pub(super) fn home(&self) -> Option<RootPath> {
        self.home.parse().ok()
    }
}

/// The lines of an account file, which have so many fields.
fn entries<T>(
    text: &Text,
    fields: usize,
    problems: &mut Vec<Problem>,
    entry: impl Fn(&[&str], Origin) -> Option<T>,
) -> Vec<T> {
    let mut read = Vec::new();
    for (span, line) in text.lines() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let found: Vec<&str> = line.split(':').collect();
        let right = found.len() == fields && !found[0].is_empty();
        match right.then(|| entry(&found, text.origin(span.clone()))).flatten() {
            Some(entry) => read.push(entry),
            None => problems.push(malformed(text, span, fields)),
        }
    }
    read
}

/// Not the line itself: it may hold a password.
fn malformed(text: &Text, span: Range<usize>, fields: usize) -> Problem {
    let mut origin = text.origin(span.start..span.start);
    origin.text = origin.text.split(':').next().unwrap_or_default().to_owned();
    let hint = format!("{fields} fields with `:` between them, ids as numbers");
    Problem::new(&origin, "this is no line of an account file").hint(hint)
}

fn account(fields: &[&str], origin: Origin) -> Option<Account> {
    Some(Account {
        name: fields[0].to_owned(),
        uid: fields[2].parse().ok()?,
        gid: fields[3].parse().ok()?,
        comment: fields[4].to_owned(),
        home: fields[5].to_owned(),
        shell: fields[6].to_owned(),
        origin,
    })
}

fn account_group(fields: &[&str], origin: Origin) -> Option<AccountGroup> {
    let members = fields[3].split(',').map(str::trim).filter(|member| !member.is_empty());
    Some(AccountGroup {
        name: fields[0].to_owned(),
        gid: fields[2].parse().ok()?,
        members: members.map(str::to_owned).collect(),
        origin,
    })
}

/// None inside: a locked account.
fn password(fields: &[&str], origin: Origin) -> Option<Option<Password>> {
    let locked = fields[1].starts_with(['!', '*']);
    let origin = Origin { text: String::new(), ..origin };
    let password = Password { user: fields[0].to_owned(), empty: fields[1].is_empty(), origin };
    Some((!locked).then_some(password))
}

fn unique<T>(
    entries: Vec<T>,
    name: impl Fn(&T) -> (&String, &Origin),
    problems: &mut Vec<Problem>,
) -> Vec<T> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for entry in entries {
        let (known, origin) = name(&entry);
        if seen.insert(known.clone()) {
            kept.push(entry);
        } else {
            let message = format!("`{}` is there twice", known.escape_debug());
            problems.push(Problem::new(origin, message));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_the_names_that_the_files_give_them() {
        let passwd = Text::of("root:x:0:0:root:/root:/usr/bin/zsh\narchie:x:1000:1000::/home/a:\n");
        let group = Text::of("wheel:x:998:root,archie\n");
        let mut problems = Vec::new();
        let accounts = Accounts::read(Some(&passwd), None, Some(&group), &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!((accounts.user("0"), accounts.group("0")), (Some("root"), Some("root")));
        assert_eq!(
            (accounts.user("1000"), accounts.group("1000")),
            (Some("archie"), Some("archie"))
        );
        assert_eq!(
            (accounts.group("998"), accounts.group("wheel")),
            (Some("wheel"), Some("wheel"))
        );
        assert_eq!((accounts.user("998"), accounts.group("7")), (None, None));
    }

    #[test]
    fn a_malformed_line_is_refused_without_its_password() {
        let shadow = Text::of("root::1::::::\na:!:1::::::\nb:$y$secret:1\nc:$y$secret:1::::::\n");
        let mut problems = Vec::new();
        let accounts = Accounts::read(None, Some(&shadow), None, &mut problems);
        let named: Vec<_> = accounts.passwords.iter().map(|p| (p.user.as_str(), p.empty)).collect();
        assert_eq!(named, [("root", true), ("c", false)]);
        let text = format!("{problems:?}{:?}", accounts.passwords);
        assert!(problems.len() == 1 && !text.contains("secret"), "{text}");
    }
}
