//! What dpkg's database says: packages, what they need, and whose each path is.

use std::collections::{BTreeMap, BTreeSet};

use crate::package::Entry;

const ADMIN: &str = "var/lib/dpkg/";
/// Directories that are links to those of the same name below `usr`.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// One package of `status`.
#[derive(Debug, Default)]
pub(super) struct Stanza {
    pub(super) version: String,
    pub(super) architecture: String,
    pub(super) description: String,
    pub(super) is_essential: bool,
    pub(super) conffiles: Vec<String>,
    /// Alternatives in each place, names alone.
    depends: Vec<Vec<String>>,
    provides: Vec<String>,
}

/// dpkg's database.
#[derive(Debug)]
pub(super) struct Debian {
    /// By name.
    pub(super) packages: BTreeMap<String, Stanza>,
    owners: BTreeMap<String, BTreeSet<String>>,
}

impl Debian {
    /// Reads the database among a system's paths.
    pub(super) fn read(entries: &mut BTreeMap<String, Entry>) -> Self {
        let text = |entry: &Entry| String::from_utf8_lossy(entry.bytes()).into_owned();
        let status = entries.get(&format!("{ADMIN}status")).expect("dpkg's database");
        let packages = text(status)
            .split("\n\n")
            .filter(|stanza| !stanza.trim().is_empty())
            .map(stanza)
            .collect();
        let mut owners: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (path, entry) in entries.iter() {
            let list = path.strip_prefix(ADMIN).and_then(|name| name.strip_prefix("info/"));
            let Some(name) = list.and_then(|name| name.strip_suffix(".list")) else { continue };
            let name = name.split(':').next().unwrap_or(name);
            for path in text(entry).lines().map(merged) {
                owners.entry(path).or_default().insert(name.to_owned());
            }
        }
        Self { packages, owners }
    }

    /// The packages that list a path.
    pub(super) fn owners(&self, path: &str) -> Vec<&str> {
        self.owners.get(path).into_iter().flatten().map(String::as_str).collect()
    }

    /// The installed packages that a package needs, one for each dependency.
    pub(super) fn dependencies<'d>(&'d self, of: &'d Stanza) -> impl Iterator<Item = String> + 'd {
        of.depends.iter().filter_map(|alternatives| {
            alternatives.iter().find_map(|name| {
                let has = |stanza: &Stanza| stanza.provides.contains(name);
                let provider = || self.packages.iter().find(|(_, stanza)| has(stanza));
                match self.packages.contains_key(name) {
                    true => Some(name.clone()),
                    false => provider().map(|(provider, _)| provider.clone()),
                }
            })
        })
    }
}

/// Where a listed path is once `/bin` and its like are links.
fn merged(listed: &str) -> String {
    let path = listed.trim_start_matches('/').trim_start_matches('.').trim_start_matches('/');
    match path.split_once('/') {
        Some((first, _)) if MERGED.contains(&first) => format!("usr/{path}"),
        _ => path.to_owned(),
    }
}

fn stanza(text: &str) -> (String, Stanza) {
    let mut fields: BTreeMap<&str, String> = BTreeMap::new();
    let mut last = "";
    for line in text.lines() {
        if let Some(more) = line.strip_prefix(' ') {
            let field = fields.get_mut(last).expect("a field before its further lines");
            field.push('\n');
            field.push_str(more);
        } else {
            let (name, value) = line.split_once(':').expect("a field");
            fields.insert(name, value.trim().to_owned());
            last = name;
        }
    }
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let description = field("Description").lines().next().unwrap_or_default().to_owned();
    let conffiles = field("Conffiles")
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.strip_prefix('/').map(str::to_owned))
        .collect();
    let depends = format!("{}, {}", field("Pre-Depends"), field("Depends"));
    let stanza = Stanza {
        version: field("Version"),
        architecture: field("Architecture"),
        description,
        is_essential: field("Essential") == "yes" || field("Priority") == "required",
        conffiles,
        depends: relations(&depends),
        provides: relations(&field("Provides")).concat(),
    };
    (field("Package"), stanza)
}

/// The names in a field of relations.
fn relations(field: &str) -> Vec<Vec<String>> {
    let name = |relation: &str| {
        let end = relation.find([' ', '(', ':', '[']).unwrap_or(relation.len());
        relation[..end].to_owned()
    };
    let relations = field.split(',').map(str::trim).filter(|relation| !relation.is_empty());
    relations.map(|relation| relation.split('|').map(str::trim).map(name).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stanza_has_names_without_versions() {
        let (name, stanza) = stanza(
            "Package: a\nVersion: 1:2-3\nArchitecture: amd64\nEssential: yes\n\
             Pre-Depends: libc6 (>= 2.34)\nDepends: perl:any, mawk | awk\nProvides: sh (= 1)\n\
             Conffiles:\n /etc/a 0123\nDescription: short\n long",
        );
        assert_eq!(name, "a");
        assert_eq!(stanza.depends, [vec!["libc6"], vec!["perl"], vec!["mawk", "awk"]]);
        assert_eq!((stanza.provides, stanza.conffiles), (vec!["sh".into()], vec!["etc/a".into()]));
        assert_eq!(stanza.description, "short");
    }

    #[test]
    fn listed_paths_are_found_below_usr() {
        assert_eq!(merged("/."), "");
        assert_eq!(merged("/bin/sh"), "usr/bin/sh");
        assert_eq!(merged("/lib64/ld.so"), "usr/lib64/ld.so");
        assert_eq!(merged("/etc/.pwd"), "etc/.pwd");
        assert_eq!(merged("/bin"), "bin");
    }
}
