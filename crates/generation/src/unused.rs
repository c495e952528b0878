//! State that a generation does not use: it was renamed or dropped, and is kept. Init says so at
//! the boot, the agent when it is asked.

use std::fs;
use std::io;
use std::path::Path;

use crate::files::at;
use crate::{Result, State};

/// Begins the names of entries under `/state` that are being made.
pub const UNFINISHED: &str = ".new-";

/// How an entry under `/state` stands to what a generation declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// It is declared, and with it all that it holds.
    Declared,
    /// Something that is declared lies in it.
    LeadsTo,
    /// Neither.
    None,
}

/// What the directory `home`, which is `/state`, has that none of `state` is or lies in, sorted;
/// paths relative to it. No symlink is followed.
pub fn unused(home: &Path, state: &[State]) -> Result<Vec<String>> {
    let mut unused = Vec::new();
    collect(home, "", state, &mut unused).map_err(at(home, "list"))?;
    unused.sort();
    Ok(unused)
}

fn collect(
    directory: &Path,
    prefix: &str,
    state: &[State],
    unused: &mut Vec<String>,
) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let path = format!("{prefix}{}", name.to_string_lossy());
        match usage(&path, state) {
            Use::Declared => {}
            Use::LeadsTo if entry.file_type()?.is_dir() => {
                collect(&entry.path(), &format!("{path}/"), state, unused)?;
            }
            // A boot that was cut short left it; the next that makes the entry takes it up.
            _ if name.to_string_lossy().starts_with(UNFINISHED) => {}
            _ => unused.push(path),
        }
    }
    Ok(())
}

/// `path` is relative to `/state`.
fn usage(path: &str, state: &[State]) -> Use {
    let path = Path::new(path);
    let places = || state.iter().map(|state| Path::new(&state.at));
    if places().any(|at| at == path) {
        Use::Declared
    } else if places().any(|at| at.starts_with(path)) {
        Use::LeadsTo
    } else {
        Use::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(places: &[&str]) -> Vec<State> {
        places.iter().map(|at| State::new(format!("/{at}"), *at)).collect()
    }

    #[test]
    fn an_entry_is_used_when_it_or_something_in_it_is_declared() {
        let state = state(&["mail", "web/html"]);
        for (path, expected) in [
            ("mail", Use::Declared),
            ("web", Use::LeadsTo),
            ("web/html", Use::Declared),
            ("web/html2", Use::None),
            ("mail2", Use::None),
            ("mai", Use::None),
            ("html", Use::None),
        ] {
            assert_eq!(usage(path, &state), expected, "{path}");
        }
    }

    #[test]
    fn what_was_renamed_or_dropped_is_named_and_stays() {
        let home = tempfile::tempdir().unwrap();
        for directory in ["mail", "mail-2025/new", "web/html/news", "web/cgi", ".new-db"] {
            fs::create_dir_all(home.path().join(directory)).unwrap();
        }
        fs::write(home.path().join("random-seed"), "").unwrap();
        let found = unused(home.path(), &state(&["mail", "web/html", "db"])).unwrap();
        assert_eq!(found, ["mail-2025", "random-seed", "web/cgi"]);
        assert!(home.path().join("mail-2025/new").exists());
        assert_eq!(
            unused(home.path(), &state(&["mail", "mail-2025", "random-seed", "web"])).unwrap(),
            [""; 0]
        );
    }

    #[test]
    fn a_file_where_a_directory_is_declared_is_named() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("web"), "").unwrap();
        assert_eq!(unused(home.path(), &state(&["web/html"])).unwrap(), ["web"]);
    }

    #[test]
    fn a_symlink_is_never_followed() {
        let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(elsewhere.path().join("other"), "").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), home.path().join("web")).unwrap();
        assert_eq!(unused(home.path(), &state(&["web/html"])).unwrap(), ["web"]);
    }
}
