//! Arch packages made of a configured Debian system.
//!
//! The programs of a package, its configuration and what its scripts left behind become a package
//! of the name that Arch has for it; several of Debian's make one of Arch's where Arch does not
//! split them. What Debian's scripts did, Arch's own means do again: hooks make users, module
//! indexes, the hardware database and the message catalog. Files keep Debian's places except the
//! kernel.
//!
//! Nothing is lost in silence: what is in no package is in [`Repackaged::dropped`], with the
//! reason.

mod accounts;
mod debian;
mod filesystem;
mod hooks;
mod kernel;
mod names;
mod paths;
mod system;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::package::{Entry, Kind, Package};

use accounts::Accounts;
use debian::Debian;
use system::System;

/// A Debian system as packages.
#[derive(Debug)]
pub struct Repackaged {
    /// The packages, by name. All dependencies are among them, but for `initramfs` of `linux` and
    /// `archlinux-keyring` of `base`.
    pub packages: BTreeMap<String, Package>,
    /// Paths of the system that are in no package, with the reason.
    pub dropped: BTreeMap<String, &'static str>,
    /// Paths of the system that are elsewhere in packages.
    pub moved: BTreeMap<String, String>,
    /// Paths whose content is another: who is a user, and with which number.
    pub rewritten: BTreeSet<String>,
    /// Paths that are root's in packages, because their owner or group is given a number by a hook
    /// only: who, by name.
    pub settled_later: BTreeMap<String, String>,
}

/// Makes packages of the system in the archive at `tree`, which is a `tree.tar` of crate rootfs:
/// one with dpkg's database in it. They are built at `built`, in seconds since 1970.
pub fn repackage(tree: &Path, built: i64) -> Repackaged {
    let System { mut entries } = System::read(tree);
    let debian = Debian::read(&mut entries);
    let accounts = Accounts::read(&entries);
    let mut made = Repackaged {
        packages: packages(&debian, built),
        dropped: BTreeMap::new(),
        moved: BTreeMap::new(),
        rewritten: BTreeSet::new(),
        settled_later: BTreeMap::new(),
    };
    for (path, mut entry) in entries.clone() {
        if let Some(who) = accounts.settle(&mut entry) {
            made.settled_later.insert(path.clone(), who);
        }
        let owners = match owners(&debian, &entries, &path, &entry) {
            Ok(owners) => owners,
            Err(reason) => {
                made.dropped.insert(path, reason);
                continue;
            }
        };
        let place = kernel::place(&path);
        if place != path {
            made.moved.insert(path, place.clone());
        }
        for owner in owners {
            made.edit(&owner, |package| package.entry(&place, entry.clone()));
        }
    }
    made.share_directories(&entries, &accounts);
    filesystem::complete(&mut made, &accounts);
    kernel::complete(&mut made);
    hooks::complete(&mut made);
    base(&mut made, &debian, built);
    made.packages.retain(|_, package| !package.entries().is_empty() || package.name() == "base");
    made.check(&accounts);
    made
}

impl Repackaged {
    fn edit(&mut self, name: &str, edit: impl FnOnce(Package) -> Package) {
        let package = self.packages.remove(name).unwrap_or_else(|| panic!("no package {name}"));
        self.packages.insert(name.into(), edit(package));
    }

    /// Directories above a path are in the package of the path, as the system has them.
    fn share_directories(&mut self, entries: &BTreeMap<String, Entry>, accounts: &Accounts) {
        for package in self.packages.values_mut() {
            for (path, entry) in package.entries_mut() {
                if let (Kind::Directory, Some(found)) = (&entry.kind, entries.get(path)) {
                    *entry = found.clone();
                    accounts.settle(entry);
                }
            }
        }
    }

    /// All users and groups that hooks have to make are in some file of sysusers.d(5).
    fn check(&self, accounts: &Accounts) {
        let files = self.packages.values().flat_map(Package::entries);
        let files = files.filter(|(path, _)| path.starts_with("usr/lib/sysusers.d/"));
        let declared: BTreeSet<String> = files
            .flat_map(|(_, entry)| {
                let text = String::from_utf8_lossy(entry.bytes()).into_owned();
                let words = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
                text.lines()
                    .filter(|line| line.starts_with(['u', 'g']))
                    .filter_map(words)
                    .collect::<Vec<_>>()
            })
            .collect();
        let forgotten: Vec<&String> =
            accounts.made_later().filter(|name| !declared.contains(*name)).collect();
        assert!(forgotten.is_empty(), "no sysusers.d makes {forgotten:?}");
    }
}

/// The packages with all but their files: names, versions, dependencies.
fn packages(debian: &Debian, built: i64) -> BTreeMap<String, Package> {
    let mut packages: BTreeMap<String, Package> = BTreeMap::new();
    for (debian_name, stanza) in &debian.packages {
        let Some(name) = names::of(debian_name) else { continue };
        let (version, arch) = (names::version(&stanza.version), names::arch(&stanza.architecture));
        let mut package = packages.remove(&name).unwrap_or_else(|| {
            // Those that every other one needs before its scriptlet can run.
            let first = match name.as_str() {
                "filesystem" => None,
                "glibc" => Some("filesystem"),
                _ => Some("glibc"),
            };
            let package = Package::new(&name, &version).arch("any").built(built);
            first.into_iter().fold(package, Package::depends)
        });
        if names::is_main(debian_name, &name) {
            package = package.with_version(&version).description(&stanza.description);
        }
        if arch != "any" {
            package = package.arch(arch);
        }
        if *debian_name != name {
            package = package.provides(debian_name);
        }
        for path in &stanza.conffiles {
            package = package.backup(path);
        }
        for other in debian.dependencies(stanza).filter_map(|other| names::of(&other)) {
            // glibc needs gcc-libs and is needed by it, as on Debian: pacman has to break a cycle.
            if other != name
                && !names::is_needless(&name, &other)
                && !package.dependencies().contains(&other)
            {
                package = package.depends(&other);
            }
        }
        packages.insert(name, package);
    }
    packages
}

/// The packages that a path goes to: one, or all that have a directory.
fn owners(
    debian: &Debian,
    entries: &BTreeMap<String, Entry>,
    path: &str,
    entry: &Entry,
) -> Result<Vec<String>, &'static str> {
    if let Some(reason) = paths::dropped(path) {
        return Err(reason);
    }
    if let Some(package) = paths::assigned(path) {
        return Ok(vec![package.into()]);
    }
    let listed = debian.owners(path);
    if !listed.is_empty() {
        let mut names: Vec<String> = listed.iter().filter_map(|name| names::of(name)).collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Err("of a package that Arch has no use for");
        }
        let is_directory = entry.kind == Kind::Directory;
        assert!(is_directory || names.len() == 1, "{path} is of {names:?}");
        return Ok(names);
    }
    match &entry.kind {
        // What scripts linked is of the package that has the target.
        Kind::Symlink(target) => {
            let target = paths::resolved(path, target);
            let below = entries.get(&target);
            match below {
                Some(found) if target != path => owners(debian, entries, &target, found)
                    .map(|owners| owners.into_iter().take(1).collect()),
                _ => panic!("/{path} is a link to /{target}, which is nobody's"),
            }
        }
        _ => panic!("/{path} is nobody's"),
    }
}

/// `base`, as on Arch: a package of nothing but dependencies.
fn base(made: &mut Repackaged, debian: &Debian, built: i64) {
    let mut needed: BTreeSet<String> = ["filesystem", "systemd", "systemd-sysvcompat", "iproute2"]
        .map(str::to_owned)
        .into_iter()
        .chain(["archlinux-keyring".to_owned()])
        .collect();
    let essential = debian.packages.iter().filter(|(_, stanza)| stanza.is_essential);
    needed.extend(essential.filter_map(|(name, _)| names::of(name)));
    let base = Package::new("base", "3-2").arch("any").built(built).description("Minimal system");
    let base = needed.iter().fold(base, |base, name| base.depends(name));
    made.packages.insert("base".into(), base);
}
