//! What dpkg's database says of places: diversions and statoverrides, for packages that are laid
//! into a tree in which scripts have run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::error::{Cause, Error};
use crate::laid::{Kind, Package};
use crate::name::Name;

/// How packages are laid into a tree that lives already: as dpkg does it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    diversions: HashMap<Vec<u8>, Diversion>,
    overrides: HashMap<Vec<u8>, Override>,
    reserved: PathBuf,
}

/// A diversion, dpkg-divert(1).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Diversion {
    /// The name that all other packages' file gets.
    to: Vec<u8>,
    /// The package whose file keeps the name; none's for a local diversion.
    package: Option<String>,
}

/// Owner and mode of a path, whatever its package says: dpkg-statoverride(1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Override {
    /// The user's id.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

impl Rules {
    /// Reads dpkg's file `diversions`: three lines each, of which the first is diverted to the
    /// second, and the third is the package that does it, or `:`. Below the directory `reserved`
    /// (relative to the root) no package has anything but directories.
    ///
    /// # Errors
    /// When the file is cut off, or names no absolute path of a tree.
    pub fn new(
        diversions: &str,
        overrides: HashMap<Vec<u8>, Override>,
        reserved: impl Into<PathBuf>,
    ) -> Result<Self, Error> {
        let fault = |cause| Error::new("what diversions name", cause);
        let lines: Vec<&str> = diversions.lines().collect();
        let mut read = HashMap::new();
        for entry in lines.chunks(3) {
            let [from, to, package] = entry else {
                return Err(fault(Cause::Name(entry.join(" "))));
            };
            for path in [from, to] {
                let relative =
                    path.strip_prefix('/').ok_or_else(|| fault(Cause::Name((*path).to_owned())))?;
                Name::new(relative.as_bytes(), false).map_err(fault)?;
            }
            let package = (*package != ":").then(|| (*package).to_owned());
            let diversion = Diversion { to: to.as_bytes().to_vec(), package };
            read.insert(from.as_bytes().to_vec(), diversion);
        }
        Ok(Self { diversions: read, overrides, reserved: reserved.into() })
    }

    /// Where a file or link of a package goes.
    pub(crate) fn divert(
        &self,
        package: &str,
        name: Name,
        usr_merge: bool,
    ) -> Result<PathBuf, Cause> {
        match self.diversions.get(&name.listed) {
            Some(diversion) if diversion.package.as_deref() != Some(package) => {
                let relative = diversion.to.strip_prefix(b"/").unwrap_or(&diversion.to);
                Name::new(relative, usr_merge).map(|name| name.place)
            }
            _ => Ok(name.place),
        }
    }

    /// The owner and mode of a path, where they are not its package's.
    pub(crate) fn stat(&self, listed: &[u8]) -> Option<Override> {
        self.overrides.get(listed).copied()
    }

    /// Whether a place is one of dpkg's own.
    pub(crate) fn is_reserved(&self, place: &Path) -> bool {
        !self.reserved.as_os_str().is_empty() && place.starts_with(&self.reserved)
    }

    /// Says of packages that are laid where their files are by now: dpkg-divert has moved those
    /// that are diverted.
    pub(crate) fn follow(&self, packages: &mut [Package], usr_merge: bool) -> Result<(), Error> {
        for package in packages {
            let name = package.control.package().to_owned();
            let files = package.members.iter_mut().filter(|laid| laid.kind != Kind::Directory);
            for laid in files.filter(|laid| self.diversions.contains_key(&laid.listed)) {
                let listed = laid.listed.strip_prefix(b"/").unwrap_or(&laid.listed);
                laid.place = Name::new(listed, usr_merge)
                    .and_then(|listed| self.divert(&name, listed, usr_merge))
                    .map_err(|cause| Error::new(&name, cause))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(diversions: &str) -> Result<Rules, Error> {
        Rules::new(diversions, HashMap::new(), "var/lib/dpkg")
    }

    fn place(rules: &Rules, package: &str, path: &str) -> String {
        let name = Name::new(path.as_bytes(), true).unwrap();
        rules.divert(package, name, true).unwrap().display().to_string()
    }

    #[test]
    fn who_diverts_keeps_the_name_and_all_others_get_the_new_one() {
        let rules = rules(
            "/usr/bin/parallel\n/usr/bin/parallel.moreutils\nparallel\n/bin/x\n/bin/x.old\n:\n",
        )
        .unwrap();
        assert_eq!(place(&rules, "parallel", "usr/bin/parallel"), "usr/bin/parallel");
        assert_eq!(place(&rules, "moreutils", "usr/bin/parallel"), "usr/bin/parallel.moreutils");
        assert_eq!(place(&rules, "any", "bin/x"), "usr/bin/x.old", "a local one is of no package");
        assert_eq!(place(&rules, "any", "usr/bin/x"), "usr/bin/x", "names are as they are written");
        assert!(rules.is_reserved(Path::new("var/lib/dpkg/status")));
    }

    #[test]
    fn diversions_that_lead_out_are_refused() {
        for text in ["/a\n/b\n", "a\n/b\n:\n", "/a\n/../b\n:\n", "/a\n/b\0\n:\n"] {
            assert!(rules(text).is_err(), "{text:?}");
        }
    }
}
