//! Users: those with numbers that never change, and those that a hook makes.

use std::collections::BTreeMap;

use crate::package::Entry;

/// dbus's user has a number of its own, as on Arch, so that a file of the package can be its.
pub(super) const DBUS: u32 = 81;

/// The account files of a system.
pub(super) struct Accounts {
    files: BTreeMap<&'static str, String>,
    /// The users that a hook makes, by their number in the system.
    users: BTreeMap<u32, String>,
    /// The groups that a hook makes.
    groups: BTreeMap<u32, String>,
}

impl Accounts {
    pub(super) fn read(entries: &BTreeMap<String, Entry>) -> Self {
        let text = |name: &str| {
            let entry = entries.get(&format!("etc/{name}")).expect("account files");
            String::from_utf8_lossy(entry.bytes()).into_owned()
        };
        let files = ["passwd", "group", "shadow", "gshadow"].map(|name| (name, text(name))).into();
        let (mut users, mut groups) = (ids(&text("passwd")), ids(&text("group")));
        // Debian gives numbers below 100 once and for all, and a few others: policy 9.2.2.
        users.retain(|id, _| *id >= 100 && *id != 65_534);
        groups.retain(|id, name| *id >= 100 && *id != 65_534 && name != "users");
        Self { files, users, groups }
    }

    /// One of the files with nobody but the base users and groups.
    pub(super) fn base(&self, file: &str) -> String {
        let is_group = file == "group" || file == "gshadow";
        let later = if is_group { &self.groups } else { &self.users };
        let is_base = |line: &&str| {
            let name = line.split(':').next().unwrap_or_default();
            later.values().all(|other| other != name)
        };
        self.files[file].lines().filter(is_base).map(|line| format!("{line}\n")).collect()
    }

    /// The users and groups that a hook makes.
    pub(super) fn made_later(&self) -> impl Iterator<Item = &String> {
        self.users.values().chain(self.groups.values())
    }

    /// Gives an entry to root where its owner or group has no number before a hook gives it one;
    /// who that was, if so.
    pub(super) fn settle(&self, entry: &mut Entry) -> Option<String> {
        let mut later = Vec::new();
        for (id, names) in [(&mut entry.uid, &self.users), (&mut entry.gid, &self.groups)] {
            match names.get(id).map(String::as_str) {
                None => {}
                Some("messagebus") => *id = DBUS,
                Some(name) => {
                    *id = 0;
                    later.push(name);
                }
            }
        }
        (!later.is_empty()).then(|| later.join(":"))
    }
}

/// Names by number.
fn ids(text: &str) -> BTreeMap<u32, String> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    text.lines().filter_map(entry).collect()
}
