//! An archive of three days, of packages that make a system which boots.

use std::path::Path;

use jiff::civil::{Date, date};

use crate::archive::Archive;
use crate::keys::Keys;
use crate::package::{Package, Packed};
use crate::repackage::{Repackaged, repackage};

/// The days that [`bootable`] has.
pub const DAYS: [Date; 3] = [date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 22)];

/// Where the git of [`bootable`] says which of its versions it is.
pub const GIT_RELEASE: &str = "usr/share/git/release";

/// What [`bootable`] made, besides the archive.
#[derive(Debug)]
pub struct Bootable<'k> {
    /// The archive.
    pub archive: Archive<'k>,
    /// What it is made of.
    pub repackaged: Repackaged,
    /// The versions of git, one for each of [`DAYS`].
    pub git: [String; 3],
}

/// Makes an archive in `folder` of the system in the archive `tree`, a `tree.tar` of crate rootfs
/// of a Debian server: it has kernel, systemd, openssh and git.
///
/// All is in `core`, the same on all days but git. What is to be installed for a server like
/// gitserver: `base linux openssh git nginx fcgiwrap`.
pub fn bootable<'k>(tree: &Path, folder: &Path, keys: &'k Keys) -> Bootable<'k> {
    let noon = |day: Date| {
        let noon = day.at(12, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        noon.timestamp().as_second()
    };
    // A day before the first: a signature is never of a time that is yet to come.
    let built = noon(DAYS[0].yesterday().unwrap());
    let mut repackaged = repackage(tree, built);
    let git = repackaged.packages.remove("git").expect("git");
    let gits: Vec<Package> = (1..=3)
        .map(|release| {
            let version = git.version().rsplit_once('-').map_or("", |(version, _)| version);
            let version = format!("{version}-{release}");
            let text = format!("{version}\n");
            git.clone().with_version(&version).built(built + release).file(GIT_RELEASE, 0o644, text)
        })
        .collect();
    let mut packed = pack(repackaged.packages.values().chain(&gits), keys);
    packed.push(keys.package("20261119-1").built(built).pack(keys));
    let versions: Vec<String> = gits.iter().map(|git| git.version().to_owned()).collect();
    let mut archive = Archive::new(folder, keys).link_packages();
    for (day, version) in DAYS.into_iter().zip(&versions) {
        let of_day = |it: &&Packed| it.name != "git" || it.version == *version;
        archive = archive.day(day, "core", &packed.iter().filter(of_day).collect::<Vec<_>>());
    }
    repackaged.packages.insert("git".into(), gits[2].clone());
    Bootable { archive, repackaged, git: versions.try_into().unwrap() }
}

/// Packs with all processors.
fn pack<'p>(packages: impl Iterator<Item = &'p Package>, keys: &Keys) -> Vec<Packed> {
    let packages: Vec<&Package> = packages.collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let work = || {
        let mut packed = Vec::new();
        loop {
            let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let Some(package) = packages.get(index) else { return packed };
            packed.push(package.pack(keys));
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}
