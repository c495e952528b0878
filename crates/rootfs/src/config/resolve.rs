//! From a path of the definition to the place that it names on the server.

use crate::error::Error;
use crate::paths::Kind;

/// Links that are followed on the way: as many as the kernel does (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Directories that are empty at each boot, with what to do instead.
const VOLATILE: [&str; 5] = ["dev", "proc", "run", "sys", "tmp"];

/// What a path is, for one who resolves.
pub(super) enum Found {
    Nothing,
    Directory,
    File,
    Symlink(String),
}

impl From<&Kind> for Found {
    fn from(kind: &Kind) -> Self {
        match kind {
            Kind::Directory => Self::Directory,
            Kind::File => Self::File,
            Kind::Symlink(target) => Self::Symlink(target.clone()),
        }
    }
}

/// Whether a link at the very end of a path is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Keep,
    Follow,
}

/// The place of `path` relative to the root, with no link on the way. Links are those of the
/// server: an absolute one begins at its root, and nothing lies above that.
pub(super) fn resolve(
    path: &str,
    last: Last,
    look: impl Fn(&str) -> Found,
) -> Result<String, Error> {
    let wrong = |reason: String| Error::Path { path: path.to_owned(), reason, hint: None };
    if !path.starts_with('/') {
        return Err(wrong("a path of the server begins with `/`".to_owned()));
    }
    if path.split('/').any(|part| part == "..") || path.contains(['\0', '\n']) {
        return Err(wrong("neither `..` nor a new line is possible in it".to_owned()));
    }
    let mut to_go: Vec<String> = parts(path).rev().collect();
    let mut place: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(part) = to_go.pop() {
        if part == ".." {
            place.pop();
            continue;
        }
        place.push(part);
        let here = place.join("/");
        match look(&here) {
            Found::Symlink(target) if !to_go.is_empty() || last == Last::Follow => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(wrong(format!("too many links on the way, the last is /{here}")));
                }
                place.pop();
                if target.starts_with('/') {
                    place.clear();
                }
                to_go.extend(parts(&target).rev());
            }
            Found::File if !to_go.is_empty() => {
                return Err(wrong(format!("/{here} is a file of a package, not a directory")));
            }
            _ => {}
        }
    }
    if let Some(first) = place.first()
        && VOLATILE.contains(&first.as_str())
        && (place.len() > 1 || last == Last::Follow)
    {
        return Err(Error::Path {
            path: path.to_owned(),
            reason: format!("it lies in /{first}, which is empty at each boot"),
            hint: Some(format!(
                "a file in /etc/tmpfiles.d can make it at each boot: see tmpfiles.d(5){}",
                if place.join("/") == parts(path).collect::<Vec<_>>().join("/") {
                    ""
                } else {
                    "; the packages have a link on the way"
                }
            )),
        });
    }
    Ok(place.join("/"))
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = String> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(path: &str) -> Found {
        match path {
            "lib" => Found::Symlink("usr/lib".to_owned()),
            "var/run" => Found::Symlink("/run".to_owned()),
            "etc/loop" => Found::Symlink("loop".to_owned()),
            "srv/up" => Found::Symlink("../../../etc".to_owned()),
            "etc/resolv.conf" => Found::Symlink("../usr/share/resolv.conf".to_owned()),
            "etc/passwd" => Found::File,
            "usr" | "usr/lib" | "etc" | "var" | "run" | "srv" => Found::Directory,
            _ => Found::Nothing,
        }
    }

    fn place(path: &str, last: Last) -> Result<String, String> {
        resolve(path, last, look).map_err(|error| error.to_string())
    }

    #[test]
    fn links_on_the_way_are_followed_inside_the_tree() {
        assert_eq!(place("/lib/systemd/x", Last::Keep).unwrap(), "usr/lib/systemd/x");
        assert_eq!(place("/srv/up/motd", Last::Keep).unwrap(), "etc/motd");
        assert_eq!(place("/new/deep/path", Last::Keep).unwrap(), "new/deep/path");
    }

    #[test]
    fn a_link_at_the_end_is_replaced_or_followed() {
        assert_eq!(place("/etc/resolv.conf", Last::Keep).unwrap(), "etc/resolv.conf");
        assert_eq!(place("/etc/resolv.conf", Last::Follow).unwrap(), "usr/share/resolv.conf");
    }

    #[test]
    fn what_cannot_be_laid_says_why() {
        assert!(place("/var/run/x.pid", Last::Keep).unwrap_err().contains("empty at each boot"));
        assert!(place("/etc/loop/x", Last::Keep).unwrap_err().contains("too many links"));
        assert!(place("/etc/passwd/x", Last::Keep).unwrap_err().contains("is a file"));
        for path in ["etc/x", "/etc/../x", "/etc/a\nb", ""] {
            assert!(place(path, Last::Keep).is_err(), "{path}");
        }
    }
}
