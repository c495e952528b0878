//! `[users]` and `[groups]` out of a profile's accounts.

use std::path::Path;

use super::accounts::{Account, Accounts};
use super::report::{Report, place};
use crate::{GroupName, RootPath, UserName};

/// Everyone whom the server has to declare.
#[derive(Debug, Default)]
pub(super) struct Declared {
    pub(super) users: Vec<User>,
    pub(super) groups: Vec<GroupName>,
}

/// A user for `[users]`; what is none has the default.
#[derive(Debug)]
pub(super) struct User {
    pub(super) name: UserName,
    pub(super) home: Option<RootPath>,
    pub(super) shell: Option<RootPath>,
    pub(super) group: Option<GroupName>,
    pub(super) groups: Vec<GroupName>,
    pub(super) comment: String,
    /// Whether mkarchiso makes a home directory.
    pub(super) is_person: bool,
}

/// Users and groups that every Arch system has: `sysusers.d` of filesystem, systemd, pacman, dbus
/// and util-linux. Declaring one of another package does no harm: the package's stands.
const DISTRIBUTION: [&str; 50] = [
    "adm",
    "alpm",
    "audio",
    "bin",
    "clock",
    "daemon",
    "dbus",
    "disk",
    "empower",
    "floppy",
    "ftp",
    "games",
    "http",
    "input",
    "kmem",
    "kvm",
    "lock",
    "log",
    "lp",
    "mail",
    "mem",
    "network",
    "nobody",
    "optical",
    "power",
    "proc",
    "render",
    "rfkill",
    "root",
    "scanner",
    "sgx",
    "smmsp",
    "storage",
    "sys",
    "systemd-coredump",
    "systemd-imds",
    "systemd-journal",
    "systemd-journal-remote",
    "systemd-journal-upload",
    "systemd-network",
    "systemd-oom",
    "systemd-resolve",
    "systemd-timesync",
    "tty",
    "users",
    "utmp",
    "uucp",
    "uuidd",
    "video",
    "wheel",
];

/// A shell that root has without any profile.
const ROOT_SHELLS: [&str; 5] = ["", "/bin/bash", "/usr/bin/bash", "/bin/sh", "/usr/bin/sh"];

/// Decides who is declared.
pub(super) fn declare(accounts: &Accounts, root: &Path, report: &mut Report) -> Declared {
    let mut declared = Declared::default();
    for account in &accounts.users {
        let at = place(root, &account.origin);
        if account.name == "root" || account.uid == 0 {
            if !ROOT_SHELLS.contains(&account.shell.as_str()) {
                let shell = account.shell.escape_debug();
                report.decide(at, format!("root's shell is not {shell}: it stays the package's"));
            }
        } else if !DISTRIBUTION.contains(&account.name.as_str()) {
            declared.users.extend(user(account, accounts, at, report));
        }
    }
    for group in &accounts.groups {
        let own = declared
            .users
            .iter()
            .any(|user| user.group.is_none() && user.name.as_str() == group.name);
        if own || group.gid == 0 || DISTRIBUTION.contains(&group.name.as_str()) {
            continue;
        }
        match group.name.parse() {
            Ok(name) => declared.groups.push(name),
            Err(refused) => {
                let name = group.name.escape_debug();
                report.decide(
                    place(root, &group.origin),
                    format!("group `{name}` is not taken: it {refused}"),
                );
            }
        }
    }
    declared.users.sort_by(|a, b| a.name.cmp(&b.name));
    declared.groups.sort();
    passwords(accounts, root, report);
    declared
}

/// One whom no package makes; none if the name is impossible.
fn user(account: &Account, accounts: &Accounts, at: String, report: &mut Report) -> Option<User> {
    let name: UserName = match account.name.parse() {
        Ok(name) => name,
        Err(refused) => {
            report.decide(
                at,
                format!("user `{}` is not taken: it {refused}", account.name.escape_debug()),
            );
            return None;
        }
    };
    let group = accounts.group(&account.gid.to_string());
    if group.is_none() {
        let gid = account.gid;
        let message = format!("{name}: no group has the number {gid}; one of its own is made");
        report.decide(at.clone(), message);
    }
    let group = group.filter(|group| *group != account.name).and_then(|group| group.parse().ok());
    let in_group = accounts.groups.iter().filter(|group| group.members.contains(&account.name));
    let mut groups: Vec<GroupName> = in_group.filter_map(|group| group.name.parse().ok()).collect();
    groups.sort();
    let mut path = |what: &str, text: &str| {
        if text.is_empty() || text == "/" {
            return None;
        }
        let path: Option<RootPath> = text.parse().ok().filter(|_| !text.contains(':'));
        if path.is_none() {
            let text = text.escape_debug();
            report.decide(at.clone(), format!("{name}: `{text}` cannot be a {what}"));
        }
        path
    };
    let home = path("home", &account.home);
    // passwd(5): an empty field is /bin/sh.
    let shell = match account.shell.as_str() {
        "" => path("shell", "/usr/bin/sh"),
        shell => path("shell", shell),
    };
    let comment = match account.comment.chars().any(char::is_control) {
        true => String::new(),
        false => account.comment.clone(),
    };
    let is_person = account.is_person();
    Some(User { name, home, shell, group, groups, comment, is_person })
}

/// Nobody has a password: who may log in is said by keys.
fn passwords(accounts: &Accounts, root: &Path, report: &mut Report) {
    for password in &accounts.passwords {
        let user = password.user.escape_debug();
        let what = if password.empty { "an empty password" } else { "a password" };
        let message = format!(
            "{user} has {what} there and none on the server: put a key into \
             rootfs/etc/ssh/authorized_keys/{user}"
        );
        report.decide(place(root, &password.origin), message);
    }
}
