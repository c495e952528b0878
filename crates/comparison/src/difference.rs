//! Two surveys, compared.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::allowed::{self, Allowed};
use crate::forms;
use crate::survey::{Entry, Survey};

/// What differs of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Only apt's tree has it.
    OnlyApt,
    /// Only the package tree has it.
    OnlyOurs,
    /// File, directory, or where a link leads.
    Kind,
    /// Permissions.
    Mode,
    /// Names of user and group.
    Owner,
    /// What a file holds.
    Content,
    /// Extended attributes.
    Attributes,
    /// Which names one file has.
    Names,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnlyApt => "only apt's",
            Self::OnlyOurs => "only ours",
            Self::Kind => "kind",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Content => "content",
            Self::Attributes => "attributes",
            Self::Names => "names",
        })
    }
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The path, without a slash in front.
    pub path: String,
    /// What differs.
    pub what: What,
    /// Ours and apt's, in short.
    pub detail: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}: {}", self.path, self.what)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// What differs between two trees of the same packages.
#[derive(Debug, Default)]
pub struct Compared {
    /// What no entry of [`allowed::ALLOWED`] allows: with any, the trees are not equal.
    pub open: Vec<Difference>,
    /// What is meant, with the entry that allows it.
    pub allowed: Vec<(Difference, &'static Allowed)>,
}

/// Compares our tree with apt's.
pub fn compare(ours: &Survey, apts: &Survey) -> Compared {
    let mut compared = Compared::default();
    for difference in differences(ours, apts) {
        match allowed::by(&difference) {
            Some(allowed) => compared.allowed.push((difference, allowed)),
            None => compared.open.push(difference),
        }
    }
    compared
}

/// Everything that differs, allowed or not, by path.
pub fn differences(ours: &Survey, apts: &Survey) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut add = |path: &str, what, detail| {
        found.push(Difference { path: path.to_owned(), what, detail });
    };
    for (path, one) in &ours.entries {
        let Some(other) = apts.entries.get(path) else {
            add(path, What::OnlyOurs, String::new());
            continue;
        };
        let both = |one: &str, other: &str| format!("{one}, apt's {other}");
        if forms::formed_kind(path, &one.kind) != forms::formed_kind(path, &other.kind) {
            add(path, What::Kind, both(&one.kind, &other.kind));
            continue;
        }
        if one.mode != other.mode {
            let modes = [one.mode, other.mode].map(|mode| format!("{mode:04o}"));
            add(path, What::Mode, both(&modes[0], &modes[1]));
        }
        if one.owner != other.owner {
            add(path, What::Owner, both(&one.owner, &other.owner));
        }
        if one.attributes != other.attributes {
            let names = [one, other].map(|it| format!("{:?}", it.attributes.keys()));
            add(path, What::Attributes, both(&names[0], &names[1]));
        }
        if one.same_as != other.same_as {
            let names = [one, other].map(|it| it.same_as.clone().unwrap_or_default());
            add(path, What::Names, both(&names[0], &names[1]));
        }
        if one.content != other.content
            && let Some(detail) = content((ours, one), (apts, other), path)
        {
            add(path, What::Content, detail);
        }
    }
    for path in apts.entries.keys().filter(|path| !ours.entries.contains_key(*path)) {
        add(path, What::OnlyApt, String::new());
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// The first lines that differ; `None` where both say the same in the form of their path.
fn content(one: (&Survey, &Entry), other: (&Survey, &Entry), path: &str) -> Option<String> {
    let (Some(ours), Some(apts)) = (&one.1.text, &other.1.text) else {
        return Some(String::new());
    };
    let ours = forms::formed(one.0, path, ours);
    let apts = forms::formed(other.0, path, apts);
    if ours == apts {
        return None;
    }
    let lines = |text: &str, others: &str| {
        let others: std::collections::BTreeSet<&str> = others.lines().collect();
        let line = text.lines().find(|line| !others.contains(line)).unwrap_or("(the same lines)");
        line.chars().take(70).collect::<String>()
    };
    Some(format!("`{}`, apt's `{}`", lines(&ours, &apts), lines(&apts, &ours)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use digest::Digest;

    use super::*;

    fn file(text: &str) -> Entry {
        Entry {
            kind: "file".to_owned(),
            mode: 0o644,
            owner: "root:root".to_owned(),
            content: Some(Digest::of(text)),
            text: Some(text.to_owned()),
            attributes: BTreeMap::new(),
            same_as: None,
        }
    }

    fn tree<const N: usize>(entries: [(&str, Entry); N]) -> Survey {
        let entries = entries.map(|(path, entry)| (path.to_owned(), entry));
        Survey { entries: entries.into_iter().collect() }
    }

    fn found(ours: Entry, apts: Entry) -> Vec<What> {
        let (ours, apts) = (tree([("usr/x", ours)]), tree([("usr/x", apts)]));
        compare(&ours, &apts).open.into_iter().map(|it| it.what).collect()
    }

    #[test]
    fn each_kind_of_difference_is_seen() {
        let plain = || file("text");
        assert_eq!(found(plain(), plain()), []);
        assert_eq!(found(plain(), file("other")), [What::Content]);
        assert_eq!(found(plain(), Entry { mode: 0o600, ..plain() }), [What::Mode]);
        assert_eq!(found(plain(), Entry { owner: "a:a".into(), ..plain() }), [What::Owner]);
        assert_eq!(found(plain(), Entry { kind: "directory".into(), ..plain() }), [What::Kind]);
        let attributes = [("user.x".to_owned(), vec![1])].into();
        assert_eq!(found(plain(), Entry { attributes, ..plain() }), [What::Attributes]);
        let same_as = Some("usr/a".to_owned());
        assert_eq!(found(plain(), Entry { same_as, ..plain() }), [What::Names]);
        let (one, none) = (tree([("usr/x", plain())]), tree([]));
        assert_eq!(compare(&one, &none).open[0].what, What::OnlyOurs);
        assert_eq!(compare(&none, &one).open[0].what, What::OnlyApt);
    }

    #[test]
    fn links_of_units_are_compared_as_in_a_merged_usr_and_others_as_they_are() {
        let link = |path: &str, to: &str| {
            let entry = Entry { kind: format!("link to {to}"), ..file("") };
            tree([(path, entry)])
        };
        let wanted = "etc/systemd/system/timers.target.wants/x.timer";
        let differ = |path: &str, one: &str, other: &str| {
            !compare(&link(path, one), &link(path, other)).open.is_empty()
        };
        let (lib, usr) = ("/lib/systemd/system/x.timer", "/usr/lib/systemd/system/x.timer");
        assert!(!differ(wanted, lib, usr) && !differ(wanted, usr, lib));
        assert!(differ("etc/other", lib, usr));
        assert!(differ(wanted, lib, "/usr/lib/systemd/system/y.timer"));
        assert!(differ(wanted, "/srv/x", "/usr/srv/x"));
    }

    #[test]
    fn an_allowed_difference_is_allowed_where_the_table_says_and_nowhere_else() {
        for allowed in &allowed::ALLOWED {
            let path =
                allowed.path.replace("**/", "usr/lib/").replace("/**", "/x").replace('*', "x");
            for what in allowed.what {
                let at = |path: &str| Difference {
                    path: path.to_owned(),
                    what: *what,
                    detail: String::new(),
                };
                assert!(allowed::by(&at(&path)).is_some(), "{path} {what}");
                assert!(allowed::by(&at("usr/bin/other")).is_none(), "{what}");
            }
            assert!(!allowed.reason.is_empty());
        }
        let owner = Difference {
            path: "etc/machine-id".to_owned(),
            what: What::Owner,
            detail: String::new(),
        };
        assert!(allowed::by(&owner).is_none());
    }

    #[test]
    fn accounts_are_compared_by_name_and_nothing_else_of_them_is_lost() {
        let accounts = |passwd: &str, group: &str| {
            tree([("etc/passwd", file(passwd)), ("etc/group", file(group))])
        };
        let ours =
            accounts("a:x:100:101::/:/bin/sh\nb:x:101:102::/:/bin/sh\n", "a:x:101:\nb:x:102:\n");
        let apts =
            accounts("b:x:100:101::/:/bin/sh\na:x:101:102::/:/bin/sh\n", "b:x:101:\na:x:102:\n");
        assert_eq!(compare(&ours, &apts).open, []);
        let shell =
            accounts("b:x:100:101::/:/bin/sh\na:x:101:102::/:/bin/no\n", "b:x:101:\na:x:102:\n");
        assert_eq!(compare(&ours, &shell).open[0].path, "etc/passwd");
        let fixed =
            accounts("b:x:100:101::/:/bin/sh\na:x:101:102::/:/bin/sh\n", "b:x:101:\na:x:50:\n");
        assert!(compare(&ours, &fixed).open.iter().any(|it| it.path == "etc/group"));
    }

    #[test]
    fn the_order_of_packages_in_dpkgs_status_says_nothing_and_their_state_does() {
        let status = |text: &str| tree([("var/lib/dpkg/status", file(text))]);
        let one = status("Package: a\nStatus: x\n\nPackage: b\nStatus: x\n\n");
        let other = status("Package: b\nStatus: x\n\nPackage: a\nStatus: x\n\n");
        assert_eq!(compare(&one, &other).open, []);
        let half = status("Package: b\nStatus: y\n\nPackage: a\nStatus: x\n\n");
        assert_eq!(compare(&one, &half).open.len(), 1);
    }
}
