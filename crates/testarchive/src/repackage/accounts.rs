//! Users: those with numbers that never change, and those that a hook makes.

use std::collections::BTreeMap;

use crate::package::Entry;

/// dbus's user has a number of its own, as on Arch, so that a file of the package can be its.
pub(super) const DBUS: u32 = 81;

/// The account files of a system.
pub(super) struct Accounts {
    files: BTreeMap<&'static str, String>,
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Accounts {
    pub(super) fn read(entries: &BTreeMap<String, Entry>) -> Self {
        let text = |name: &str| {
            let entry = entries.get(&format!("etc/{name}")).expect("account files");
            String::from_utf8_lossy(entry.bytes()).into_owned()
        };
        let files = ["passwd", "group", "shadow", "gshadow"].map(|name| (name, text(name))).into();
        Self { files, users: ids(&text("passwd")), groups: ids(&text("group")) }
    }

    /// One of the files with nobody but the base users and groups.
    pub(super) fn base(&self, file: &str) -> String {
        let ids =
            if file.ends_with("group") || file == "gshadow" { &self.groups } else { &self.users };
        let is_base = |name: &str| ids.iter().any(|(id, it)| it == name && is_base(*id));
        let lines = self.files[file].lines();
        lines
            .filter(|line| line.split(':').next().is_some_and(is_base))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// The users and groups that a hook makes.
    pub(super) fn made_later(&self) -> impl Iterator<Item = &String> {
        let all = self.users.iter().chain(&self.groups);
        all.filter(|(id, _)| !is_base(**id)).map(|(_, name)| name)
    }

    /// Gives an entry to root where its owner or group has no number before a hook gives it one;
    /// who that was, if so.
    pub(super) fn settle(&self, entry: &mut Entry) -> Option<String> {
        let mut later = Vec::new();
        for (id, names) in [(&mut entry.uid, &self.users), (&mut entry.gid, &self.groups)] {
            if is_base(*id) {
                continue;
            }
            let name = names.get(id).map_or("nobody knows", String::as_str);
            if name == "messagebus" {
                *id = DBUS;
            } else {
                *id = 0;
                later.push(name);
            }
        }
        (!later.is_empty()).then(|| later.join(":"))
    }
}

/// Whether Debian gives a number once and for all: policy 9.2.2.
fn is_base(id: u32) -> bool {
    id < 100 || id == 100 || id == 65_534
}

fn ids(text: &str) -> BTreeMap<u32, String> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    text.lines().filter_map(entry).collect()
}
