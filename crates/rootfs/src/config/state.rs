//! What a config layer has to do with state: what hidden content it begins with, and permissions
//! that hold on what a server has had for long.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::plan::{Mount, Plan, plan};
use super::{Base, Config};
use crate::error::Error;
use crate::paths::{Kind, Paths};

/// The file by which systemd-tmpfiles sets permissions in state at each boot (tmpfiles.d(5)). Of
/// two lines for one path that is of the same kind it takes that of the first file by name.
pub(super) const TMPFILES: &str = "/usr/lib/tmpfiles.d/00-heirloom-state.conf";

/// State that begins with content of the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begins {
    /// The path, as it was declared.
    pub path: String,
    /// The files in it, symlinks among them.
    pub files: usize,
}

/// The state of `config` for which the image has files: a server that has it already does not get
/// them.
pub fn begins(config: &Config, base: &Base<'_>) -> Result<Vec<Begins>, Error> {
    let (plan, mounts) = plan(config, base)?;
    let begins = mounts.iter().map(|mount| Begins {
        path: mount.asked.clone(),
        files: files(&mount.place, &plan, base.paths),
    });
    Ok(begins.filter(|begins| begins.files > 0).collect())
}

/// How many files lie in a directory of the finished tree. That of a file that is state is none: it
/// is there to be overwritten.
fn files(place: &str, plan: &Plan, paths: &Paths) -> usize {
    let below = |path: &str| path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'));
    let laid = plan.iter().filter(|(path, _)| below(path));
    let laid = laid.filter(|(_, planned)| planned.entry.kind != Kind::Directory).count();
    let packages = paths.iter().filter(|(path, entry)| {
        below(path) && entry.kind != Kind::Directory && !plan.contains_key(*path)
    });
    laid + packages.count()
}

/// Owner, group and mode that are stated for a place; what is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stated {
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mode: Option<u32>,
}

/// The lines of [`TMPFILES`] for what is stated of places that are state or lie in it; nothing
/// where there is none.
pub(super) fn tmpfiles(mounts: &[Mount], stated: &BTreeMap<String, Stated>) -> Option<String> {
    let mut lines = String::new();
    for (place, Stated { uid, gid, mode }) in stated {
        if !mounts.iter().any(|mount| is_within(place, &mount.place)) {
            continue;
        }
        let or_any = |number: Option<u32>| number.map_or("-".to_owned(), |it| it.to_string());
        let mode = mode.map_or("-".to_owned(), |mode| format!("{mode:04o}"));
        let (uid, gid) = (or_any(*uid), or_any(*gid));
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "z {} {mode} {uid} {gid} - -", pattern(place));
    }
    let head = "# [permissions] of state, which outlives the image that it began with.\n";
    (!lines.is_empty()).then(|| format!("{head}{lines}"))
}

/// Whether a place is `other` or lies below it.
pub(super) fn is_within(place: &str, other: &str) -> bool {
    place.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A place as tmpfiles.d(5) has paths: a pattern of glob(7) with specifiers, in quotes.
fn pattern(place: &str) -> String {
    let mut pattern = "\"/".to_owned();
    for character in place.chars() {
        match character {
            '%' => pattern.push_str("%%"),
            // One backslash for the pattern, and that one escaped in the quotes.
            '*' | '?' | '[' => pattern.extend(["\\\\".to_owned(), character.to_string()]),
            '\\' => pattern.push_str("\\\\\\\\"),
            '"' => pattern.push_str("\\\""),
            other => pattern.push(other),
        }
    }
    pattern.push('"');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_stated_of_state_is_set_at_each_boot() {
        let mount = |place: &str| Mount { asked: format!("/{place}"), place: place.to_owned() };
        let stated = |uid, gid, mode| Stated { uid, gid, mode };
        let all = BTreeMap::from([
            ("etc/secret".to_owned(), stated(Some(0), None, Some(0o600))),
            ("srv/html".to_owned(), stated(None, Some(33), Some(0o750))),
            ("srv/html/a b".to_owned(), stated(Some(33), None, None)),
            ("srv/html2".to_owned(), stated(None, None, Some(0o700))),
        ]);
        let text = tmpfiles(&[mount("srv/html")], &all).unwrap();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(lines, ["z \"/srv/html\" 0750 - 33 - -", "z \"/srv/html/a b\" - 33 - - -"]);
        assert_eq!(tmpfiles(&[mount("var/mail")], &all), None);
    }

    #[test]
    fn a_path_is_only_itself_for_systemd() {
        assert_eq!(pattern("a*[1]%h"), r#""/a\\*\\[1]%%h""#);
        assert_eq!(pattern(r#"a\b"c"#), r#""/a\\\\b\"c""#);
    }
}
