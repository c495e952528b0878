//! Members' names: from what a package says to a place in the tree.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::Cause;

/// The directories at the root that a merged `/usr` keeps as links to their namesakes under `usr`:
/// those of the file hierarchy and of Debian's multilib names (debian-policy 10.1, usrmerge).
pub const MERGED: [&str; 7] = ["bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"];

/// A member's name, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// As dpkg's `.list` has it.
    pub(crate) listed: Vec<u8>,
    /// Where it goes, relative to the root; empty for the root itself.
    pub(crate) place: PathBuf,
    /// The directory of [`MERGED`] that the name began with.
    pub(crate) merged: Option<&'static str>,
}

impl Name {
    /// Reads a name of a tar archive. A trailing slash and any `./` mean nothing.
    pub(crate) fn new(bytes: &[u8], usr_merge: bool) -> Result<Self, Cause> {
        let shown = || String::from_utf8_lossy(bytes).into_owned();
        if bytes.starts_with(b"/") {
            return Err(Cause::Leaves(shown()));
        }
        if bytes.is_empty() || bytes.contains(&0) || bytes.contains(&b'\n') || bytes.len() > 4000 {
            return Err(Cause::Name(shown()));
        }
        let mut parts = Vec::new();
        for part in bytes.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => return Err(Cause::Leaves(shown())),
                _ if part.len() > 255 => return Err(Cause::Name(shown())),
                _ => parts.push(OsStr::from_bytes(part)),
            }
        }
        let mut listed = b"/".to_vec();
        listed.extend(parts.join(OsStr::new("/")).as_bytes());
        if parts.is_empty() {
            listed.push(b'.');
        }
        let merged = usr_merge
            .then(|| MERGED.into_iter().find(|name| parts.first() == Some(&OsStr::new(name))))
            .flatten();
        let mut place = PathBuf::new();
        if merged.is_some() {
            place.push("usr");
        }
        place.extend(&parts);
        Ok(Self { listed, place, merged })
    }

    /// Whether this is one of the links of the merged `/usr` itself: `bin`, not `bin/sh`.
    pub(crate) fn is_merged_root(&self) -> bool {
        self.merged.is_some() && self.place.components().count() == 2
    }
}

/// A place as messages show it.
pub(crate) fn shown(place: &Path) -> String {
    format!("/{}", place.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str, usr_merge: bool) -> Option<String> {
        let name = Name::new(name.as_bytes(), usr_merge).ok()?;
        Some(name.place.to_str().unwrap().to_owned())
    }

    #[test]
    fn names_become_places_under_the_root() {
        assert_eq!(place("./usr/bin/sh", false).as_deref(), Some("usr/bin/sh"));
        assert_eq!(place("./", true).as_deref(), Some(""));
        assert_eq!(place("a//./b/", true).as_deref(), Some("a/b"));
        assert_eq!(Name::new(b"./", true).unwrap().listed, b"/.");
        assert_eq!(Name::new(b"./etc/", true).unwrap().listed, b"/etc");
    }

    #[test]
    fn a_merged_usr_moves_the_place_and_keeps_the_listed_name() {
        let name = Name::new(b"./bin/sh", true).unwrap();
        assert_eq!(
            (name.place.as_path(), name.listed.as_slice()),
            (Path::new("usr/bin/sh"), &b"/bin/sh"[..])
        );
        assert_eq!(place("./lib64/x", true).as_deref(), Some("usr/lib64/x"));
        assert_eq!(place("./library", true).as_deref(), Some("library"));
        assert_eq!(place("./bin/sh", false).as_deref(), Some("bin/sh"));
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        for name in ["/etc/passwd", "../x", "a/../../x", "a/..", "..", "/", ""] {
            assert_eq!(place(name, true), None, "{name}");
        }
        assert!(Name::new(b"a\0b", true).is_err());
        assert!(Name::new(&[b'a'; 256], true).is_err());
    }
}
