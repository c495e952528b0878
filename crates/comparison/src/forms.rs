//! Texts of which two spellings say the same: they are compared in one form.

use std::collections::BTreeMap;

use crate::pattern;
use crate::survey::{Survey, names};

/// Ids of system users that are given in the order in which packages are configured.
const GIVEN: std::ops::Range<u32> = 100..1000;

/// What is done to a text before it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// passwd(5): ids that were given are left out, groups are named, lines sorted.
    Passwd,
    /// group(5) and gshadow: ids that were given are left out, members and lines sorted.
    Group,
    /// shadow(5): the day of the last change is left out, lines sorted.
    Shadow,
    /// Lines, sorted.
    Lines,
    /// dpkg's status: paragraphs, sorted.
    Paragraphs,
    /// dpkg's diversions: three lines each, sorted.
    Triples,
    /// debconf's database: owners that are no installed packages are left out.
    Owners,
    /// Links: one to `/lib` is one to `/usr/lib`, and so are those to the other merged directories.
    Links,
}

/// Paths, the form in which their texts are compared, and why.
pub const FORMS: [(&str, Form, &str); 15] = [
    (
        "etc/systemd/**",
        Form::Links,
        "a link to `/lib` is one to `/usr/lib`: deb-systemd-helper makes the one, systemctl, where \
         systemd is unpacked already, the other",
    ),
    ("etc/aliases", Form::Lines, "in the order of configuration"),
    ("etc/passwd", Form::Passwd, "ids from 100 to 999 are given in the order of configuration"),
    ("etc/group", Form::Group, "the same"),
    ("etc/gshadow", Form::Group, "in the order of configuration"),
    ("etc/shadow", Form::Shadow, "the day of the last change is the lock's"),
    ("etc/shells", Form::Lines, "in the order of configuration"),
    ("etc/subuid", Form::Lines, "in the order of configuration"),
    ("etc/subgid", Form::Lines, "in the order of configuration"),
    (
        "var/cache/debconf/*.dat",
        Form::Owners,
        "without the name under which the comparison answers what scripts ask",
    ),
    ("var/lib/dpkg/status", Form::Paragraphs, "in the order of unpacking; here by name"),
    ("var/lib/dpkg/diversions", Form::Triples, "in the order of unpacking"),
    ("var/lib/dpkg/statoverride", Form::Lines, "in the order of configuration"),
    ("var/lib/dpkg/triggers/*", Form::Lines, "in the order of unpacking"),
    ("var/lib/ucf/*", Form::Lines, "in the order of configuration"),
];

/// The text of `path` in the form in which it is compared; as it is where there is none.
pub fn formed(survey: &Survey, path: &str, text: &str) -> String {
    let found = FORMS.iter().find(|(pattern, ..)| pattern::matches(pattern, path));
    let Some((_, form, _)) = found else { return text.to_owned() };
    match form {
        Form::Passwd => passwd(text, &names(survey.text("etc/group"))),
        Form::Group => sorted(text.lines().map(group)),
        Form::Shadow => sorted(text.lines().map(|line| without(line, 2))),
        Form::Lines => sorted(text.lines().map(str::to_owned)),
        Form::Paragraphs => sorted(text.split("\n\n").map(|it| format!("{}\n", it.trim()))),
        Form::Owners => {
            let status = survey.text("var/lib/dpkg/status");
            let lines = text.lines().map(|line| owners(line, status));
            lines.collect::<Vec<_>>().join("\n")
        }
        Form::Links => text.to_owned(),
        Form::Triples => {
            let lines: Vec<&str> = text.lines().collect();
            sorted(lines.chunks(3).map(|lines| lines.join(" ")))
        }
    }
}

/// What a path is, in the form in which it is compared.
pub fn formed_kind(path: &str, kind: &str) -> String {
    let is_formed = FORMS
        .iter()
        .any(|(pattern, form, _)| *form == Form::Links && pattern::matches(pattern, path));
    let target = kind.strip_prefix("link to /").filter(|_| is_formed);
    let merged = target.filter(|target| {
        target.split('/').next().is_some_and(|first| unpack::MERGED.contains(&first))
    });
    merged.map_or_else(|| kind.to_owned(), |target| format!("link to /usr/{target}"))
}

fn passwd(text: &str, groups: &BTreeMap<u32, String>) -> String {
    sorted(text.lines().map(|line| {
        let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
        if let [_, _, uid, gid, ..] = fields.as_mut_slice() {
            if let Some(name) = gid.parse().ok().and_then(|gid: u32| groups.get(&gid)) {
                gid.clone_from(name);
            }
            if uid.parse().is_ok_and(|uid: u32| GIVEN.contains(&uid)) {
                *uid = "*".to_owned();
            }
        }
        fields.join(":")
    }))
}

/// A line of debconf's database; of owners, those that are in dpkg's status.
fn owners(line: &str, status: &str) -> String {
    let Some(owners) = line.strip_prefix("Owners: ") else { return line.to_owned() };
    let is_installed = |owner: &&str| {
        let name = owner.split(':').next().unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("Package: ") == Some(name))
    };
    let owners: Vec<&str> = owners.split(", ").filter(is_installed).collect();
    format!("Owners: {}", owners.join(", "))
}

fn group(line: &str) -> String {
    let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
    if let [_, _, gid, members] = fields.as_mut_slice() {
        if gid.parse().is_ok_and(|gid: u32| GIVEN.contains(&gid)) {
            *gid = "*".to_owned();
        }
        let mut names: Vec<&str> = members.split(',').collect();
        names.sort_unstable();
        *members = names.join(",");
    }
    fields.join(":")
}

fn without(line: &str, field: usize) -> String {
    let mut fields: Vec<&str> = line.split(':').collect();
    if let Some(field) = fields.get_mut(field) {
        *field = "*";
    }
    fields.join(":")
}

fn sorted(lines: impl Iterator<Item = String>) -> String {
    let mut lines: Vec<String> = lines.collect();
    lines.sort_unstable();
    lines.join("\n")
}
