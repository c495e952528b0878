//! Whether a build makes of the packages what Debian's were.

use std::collections::BTreeMap;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use rootfs::tarball::{Header, Kind};
use rootfs::{Facts, packages};

use crate::Outcome;
use crate::bench::{Bench, LETTERS};
use crate::tree::{self, Tree};

pub(crate) fn all() -> Vec<Trial> {
    vec![Trial::test("the_installed_packages_are_the_system_that_they_are_made_of", same)]
}

/// What a system has in addition when it is Arch's.
const ADDED: [&str; 4] =
    ["var/lib/pacman", "usr/share/libalpm", "usr/share/pacman", "usr/share/git"];

/// What has another content: users have other numbers, and libraries of dropped packages are gone.
const OTHER: [&str; 6] = [
    "etc/group",
    "etc/gshadow",
    "etc/ld.so.cache",
    "etc/passwd",
    "etc/shadow",
    "usr/lib/sysusers.d/dbus.conf",
];

fn same() -> Outcome {
    let bench = Bench::shared()?;
    let out = tempfile::tempdir()?;
    bench.install(out.path())?;
    let was = System::read(bench.folder.path())?;
    let is = System::read(out.path())?;
    let version = &was.facts.kernel.as_ref().unwrap().version;
    let kernel = is.facts.kernel.as_ref().unwrap();
    assert_eq!(kernel.version, *version);
    assert_eq!(kernel.vmlinuz, format!("usr/lib/modules/{version}/vmlinuz"));
    let users = |system: &System| system.facts.ids.users.keys().cloned().collect::<Vec<_>>();
    assert_eq!(users(&is), users(&was));

    let added = is.tree.keys().filter(|path| !was.tree.contains_key(*path));
    let is_known = |path: &str| ADDED.iter().any(|known| path.starts_with(known));
    let added: Vec<&str> = added.map(String::as_str).filter(|path| !is_known(path)).collect();
    assert_eq!(
        added,
        [
            &format!("usr/lib/modules/{version}/pkgbase"),
            &kernel.vmlinuz,
            "usr/lib/sysusers.d/devices.conf",
            "usr/lib/sysusers.d/openssh.conf",
            "usr/share/letters",
            LETTERS,
        ]
    );
    let repackaged = &bench.made.repackaged;
    for (path, (header, content)) in &was.tree {
        let dropped = repackaged.dropped.get(path);
        let Some((other, found)) = is.tree.get(path) else {
            assert!(dropped.is_some() || repackaged.moved.contains_key(path), "/{path} is lost");
            continue;
        };
        let is_made = dropped.is_none_or(|reason| reason.starts_with("made "));
        assert!(is_made || header.kind == Kind::Directory, "/{path}: {dropped:?}");
        let same = was.described(header) == is.described(other) && content == found;
        assert_eq!(same, !OTHER.contains(&path.as_str()), "/{path}: {header:?} {other:?}");
    }
    let missing = repackaged.dropped.iter().filter(|(path, _)| !is.tree.contains_key(*path));
    let missing: Vec<&str> = missing
        .filter(|(_, reason)| reason.starts_with("made ") && !reason.contains("texinfo"))
        .map(|(path, _)| path.as_str())
        .collect();
    assert_eq!(missing, [""; 0], "was not made again");
    Ok(())
}

/// A tree with its facts.
struct System {
    tree: Tree,
    facts: Facts,
}

impl System {
    fn read(folder: &Path) -> Result<Self, Failed> {
        let tree = tree::read(&folder.join(packages::TREE))?;
        Ok(Self { tree, facts: Facts::read(&folder.join(packages::FACTS))? })
    }

    /// Everything but content, with owners by name.
    fn described(&self, header: &Header) -> (Kind, u32, String, String, i64) {
        let name = |ids: &BTreeMap<String, u32>, id: u32| {
            ids.iter().find(|(_, it)| **it == id).map(|(name, _)| name.clone()).unwrap_or_default()
        };
        let ids = &self.facts.ids;
        let Header { kind, mode, uid, gid, mtime, .. } = header.clone();
        (kind, mode, name(&ids.users, uid), name(&ids.groups, gid), mtime)
    }
}
