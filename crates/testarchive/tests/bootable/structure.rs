//! Whether the packages are all of the system, and fit together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use libtest_mimic::Trial;
use rootfs::tarball::{self, Header};
use sandbox::Command;
use testarchive::{Entry, Kind, Package, Repackaged};

use crate::Outcome;
use crate::bench::{Bench, WANTED};
use crate::tree;

/// Where pacman sees the folder.
const HERE: &str = "/work/folder";

/// The group of dbus's user in the system.
const DBUS_GROUP: u32 = 106;

pub(crate) fn all() -> Vec<Trial> {
    vec![
        Trial::test("every_path_of_the_system_is_in_one_package_or_explained", complete),
        Trial::test("packages_have_nothing_that_is_not_explained", nothing_else),
        Trial::test("packages_agree_on_directories", directories),
        Trial::test("all_dependencies_are_there", dependencies),
        Trial::test("pacman_would_install_all_of_it", plan),
    ]
}

/// Whether a package has at a path what the system has.
fn is_same(header: &Header, content: &[u8], entry: &Entry) -> bool {
    let text = |bytes: &[u8]| String::from_utf8(bytes.into()).unwrap();
    let kind = match &header.kind {
        tarball::Kind::Directory => Kind::Directory,
        tarball::Kind::File(_) => Kind::File(content.into()),
        tarball::Kind::Symlink(target) => Kind::Symlink(text(target)),
        tarball::Kind::HardLink(first) => Kind::HardLink(text(first)),
    };
    let Header { mode, uid, gid, mtime, .. } = *header;
    (kind, mode, uid, gid, Some(mtime))
        == (entry.kind.clone(), entry.mode, entry.uid, entry.gid, entry.mtime)
        && header.xattrs == entry.xattrs
}

/// The packages that have each path.
fn owners(made: &Repackaged) -> BTreeMap<&str, Vec<&Package>> {
    let mut owners: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in made.packages.values() {
        for path in package.entries().keys() {
            owners.entry(path).or_default().push(package);
        }
    }
    owners
}

fn complete() -> Outcome {
    let bench = Bench::shared()?;
    let made = &bench.made.repackaged;
    let owners = owners(made);
    for (path, (header, content)) in tree::read(&bench.tree())? {
        let place = made.moved.get(&path).unwrap_or(&path);
        let packages = owners.get(place.as_str()).map_or(0, Vec::len);
        let is_directory = header.kind == tarball::Kind::Directory;
        let is_right = match made.dropped.contains_key(&path) {
            true => packages == 0 || is_directory,
            false => packages == 1 || (is_directory && packages > 0),
        };
        assert!(is_right, "/{path} is in {packages} packages");
        if let Some(package) = owners.get(place.as_str()).and_then(|packages| packages.first()) {
            let same = is_same(&header, &content, &package.entries()[place]);
            let expected = !made.rewritten.contains(&path);
            let moves = made.settled_later.contains_key(&path) || header.gid == DBUS_GROUP;
            assert!(same == (expected && !moves), "/{path} is another in {}", package.name());
        }
    }
    assert_eq!(made.moved.len(), 1, "{:?}", made.moved);
    assert_eq!(
        made.settled_later
            .iter()
            .map(|(path, who)| (path.as_str(), who.as_str()))
            .collect::<Vec<_>>(),
        [("usr/bin/ssh-agent", "_ssh"), ("var/log/journal", "systemd-journal")],
    );
    Ok(())
}

fn nothing_else() -> Outcome {
    let bench = Bench::shared()?;
    let made = &bench.made.repackaged;
    let system = tree::read(&bench.tree())?;
    let moved: BTreeSet<&String> = made.moved.values().collect();
    let added: Vec<&str> = owners(made)
        .into_keys()
        .filter(|path| !system.contains_key(*path) && !moved.contains(&(*path).to_owned()))
        .filter(|path| !path.ends_with("/pkgbase"))
        .collect();
    assert_eq!(
        added,
        [
            "usr/lib/sysusers.d/devices.conf",
            "usr/lib/sysusers.d/openssh.conf",
            "usr/share/git",
            "usr/share/git/release",
            "usr/share/libalpm",
            "usr/share/libalpm/hooks",
            "usr/share/libalpm/hooks/20-systemd-sysusers.hook",
            "usr/share/libalpm/hooks/30-systemd-catalog.hook",
            "usr/share/libalpm/hooks/30-systemd-hwdb.hook",
            "usr/share/libalpm/hooks/30-systemd-tmpfiles.hook",
            "usr/share/libalpm/hooks/30-systemd-update.hook",
            "usr/share/libalpm/hooks/60-depmod.hook",
            "usr/share/libalpm/scripts",
            "usr/share/libalpm/scripts/depmod",
            "usr/share/libalpm/scripts/systemd-hook",
        ]
    );
    Ok(())
}

fn directories() -> Outcome {
    let made = &Bench::shared()?.made.repackaged;
    for (path, packages) in owners(made) {
        let entries: Vec<_> = packages.iter().map(|package| &package.entries()[path]).collect();
        for entry in &entries {
            let (one, other) = (entry, entries[0]);
            assert_eq!(
                (one.mode, one.uid, one.gid, one.kind == other.kind),
                (other.mode, other.uid, other.gid, true),
                "{path}: {:?}",
                packages.iter().map(|package| package.name()).collect::<Vec<_>>()
            );
        }
        assert!(entries.len() == 1 || entries[0].kind == Kind::Directory, "{path}");
    }
    Ok(())
}

fn dependencies() -> Outcome {
    let made = &Bench::shared()?.made.repackaged;
    let mut missing = BTreeSet::new();
    for package in made.packages.values() {
        for needed in package.dependencies() {
            let is_there = made.packages.contains_key(needed)
                || made.packages.values().any(|other| other.provisions().contains(needed));
            if !is_there {
                missing.insert((package.name(), needed.as_str()));
            }
        }
    }
    let missing: Vec<_> = missing.into_iter().collect();
    assert_eq!(missing, [("base", "archlinux-keyring"), ("linux", "initramfs")]);
    Ok(())
}

fn plan() -> Outcome {
    let bench = Bench::shared()?;
    let root = bench.folder.path().join("root");
    for folder in ["db/sync", "gnupg", "cache"] {
        fs::create_dir_all(root.join(folder))?;
    }
    for (day, version) in testarchive::DAYS.into_iter().zip(&bench.made.git) {
        let repository = bench.made.archive.repository(day, "core");
        let server = repository.strip_prefix(bench.folder.path())?.display().to_string();
        let configuration = format!(
            "[options]\nArchitecture = x86_64\nSigLevel = Never\n\
             [core]\nServer = file://{HERE}/{server}\n"
        );
        fs::write(bench.folder.path().join("pacman.conf"), configuration)?;
        pacman(bench, &["-Syy"])?;
        let words = ["-Sp", "--print-format", "%n %v", "--assume-installed", "initramfs"];
        let plan = pacman(bench, &[&words, &WANTED[..]].concat())?;
        let planned: BTreeSet<&str> = plan.lines().collect();
        assert!(planned.contains(format!("git {version}").as_str()), "{plan}");
        let names: BTreeSet<&str> =
            planned.iter().map(|line| line.split(' ').next().unwrap()).collect();
        let packages = &bench.made.repackaged.packages;
        let left: Vec<&str> =
            packages.keys().map(String::as_str).filter(|name| !names.contains(name)).collect();
        assert_eq!(left, [""; 0]);
        assert_eq!(planned.len(), packages.len() + 1, "the keyring comes with base");
    }
    Ok(())
}

fn pacman(bench: &Bench, arguments: &[&str]) -> sandbox::Result<String> {
    let own = format!("--root={HERE}/root --dbpath={HERE}/root/db --gpgdir={HERE}/root/gnupg");
    let own = format!("{own} --config={HERE}/pacman.conf --cachedir={HERE}/root/cache");
    let output = Command::new(bench.tools.path(), "/usr/bin/pacman")
        .bind_rw(bench.folder.path(), HERE)
        .args(own.split(' ').chain(["--noconfirm"]))
        .args(arguments)
        .run()?;
    Ok(output.text())
}
