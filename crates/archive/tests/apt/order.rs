//! The order of versions is apt's, which is dpkg's.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use digest::Digest;
use libtest_mimic::Failed;
use lock::debian::Version;
use rand::rngs::StdRng;
use rand::seq::{IteratorRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};

use crate::repository::{CONFIGURATION, HERE, Repository};

/// How many of the archive's versions are taken, and how many are made up beside them.
const COUNT: usize = 2000;

/// What versions are made of, what is treated differently most often.
const MARKS: [char; 14] = ['0', '0', '1', '1', '2', '9', 'a', 'Z', '.', '+', '-', '~', '~', ':'];

/// One package in many versions: apt lists them from the newest to the oldest.
pub(crate) fn versions_are_ordered_as_apt_orders_them() -> Result<(), Failed> {
    let repository = Repository::shared()?;
    let versions = versions(&repository.all_versions()?);
    let folder = tempfile::tempdir()?;
    let mut list = String::new();
    for version in &versions {
        writeln!(list, "Package: x\nVersion: {version}\nArchitecture: amd64\nSize: 1")?;
        writeln!(list, "Filename: x.deb\nSHA256: {}\n", "0".repeat(64))?;
    }
    let (digest, size) = (Digest::of(&list).hex(), list.len());
    let release =
        format!("Date: Thu, 26 Nov 2026 00:00:00 UTC\nSHA256:\n {digest} {size} Packages\n");
    let sources = format!("deb [trusted=yes] file:{HERE} ./\n");
    for (file, text) in [
        ("Packages", list.as_str()),
        ("Release", release.as_str()),
        ("sources.list", sources.as_str()),
        ("nothing", ""),
        ("apt.conf", CONFIGURATION),
    ] {
        fs::write(folder.path().join(file), text)?;
    }
    for needed in ["state/lists/partial", "cache/archives/partial", "etc/preferences.d"] {
        fs::create_dir_all(folder.path().join(needed))?;
    }
    repository.apt_get(folder.path(), ["update"])?;
    let listed = repository.apt_cache(folder.path(), ["madison", "x"])?;
    let listed: Vec<&str> = listed.lines().filter_map(|line| line.split(" | ").nth(1)).collect();
    let listed: Vec<&str> = listed.into_iter().map(str::trim).collect();
    assert_eq!(listed.len(), versions.len());
    for pair in listed.windows(2) {
        let [newer, older] = [pair[0], pair[1]].map(|text| text.parse::<Version>().unwrap());
        assert!(newer >= older, "apt has {newer} before {older}");
    }
    Ok(())
}

/// Versions of the archive, and each with one more letter somewhere where that is a version too.
fn versions(archive: &BTreeSet<String>) -> BTreeSet<String> {
    let mut random = StdRng::seed_from_u64(1);
    let mut versions = BTreeSet::new();
    for version in archive.iter().choose_multiple(&mut random, COUNT) {
        let mut odd: Vec<char> = version.chars().collect();
        odd.insert(random.gen_range(0..=odd.len()), *MARKS.choose(&mut random).unwrap());
        let odd: String = odd.into_iter().collect();
        versions.insert(version.clone());
        // An epoch is a number of 31 bits, and apt takes what does not start with a digit for none.
        let plain = odd.starts_with(|c: char| c.is_ascii_digit());
        let epoch = odd.split_once(':').is_none_or(|(epoch, _)| epoch.len() < 9);
        versions.extend(Some(odd).filter(|odd| plain && epoch && odd.parse::<Version>().is_ok()));
    }
    versions
}
