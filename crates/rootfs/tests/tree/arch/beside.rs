//! Packages that are not Arch's: of a repository that repo-add(8) made, and of files beside a
//! definition. Nobody has signed them whom pacman knows.

use std::path::Path;

use rootfs::arch::PackageFile;
use rootfs::packages;

use super::set::{filesystem, shell};
use super::{Bench, Test, contents};
use crate::Outcome;
use crate::surroundings::{Surroundings, Wanted, build, compare};

pub(super) const ALL: [Test; 1] =
    [("packages_of_other_repositories_and_of_ones_own_are_installed", installed)];

/// Where `make.sh` of `archive`'s tests has put them.
const REPOSITORY: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../archive/tests/archive/repositories/arch");

/// The last has the name of a package of Arch.
const PACKAGES: [&str; 3] = [
    "own-tool-1.0-1-any.pkg.tar.zst",
    "own-library-1.2-1-x86_64.pkg.tar.zst",
    "bash-99.0-1-x86_64.pkg.tar.zst",
];

fn installed(bench: &Bench) -> Outcome {
    let set = &bench.first()?.set;
    let (directory, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut job = set.job(directory.path(), 2);
    job.files = set.write(directory.path(), vec![filesystem(), shell(&set.tools)?])?;
    let beside = PACKAGES
        .map(|name| PackageFile { path: Path::new(REPOSITORY).join(name), name: name.to_owned() });
    job.files.extend(beside);
    job.files.sort_by(|one, other| one.name.cmp(&other.name));
    job.explicit = vec!["own-tool".to_owned()];
    let again = rootfs::arch::Packages { out: other.path().to_owned(), threads: 1, ..job.clone() };
    build(&Wanted::Arch(job), directory.path(), &Surroundings::plain())?;
    build(&Wanted::Arch(again), other.path(), &Surroundings::odd())?;
    compare(directory.path(), other.path())?;

    let paths = contents(directory.path().join(packages::TREE))?;
    for (name, version) in [("own-tool", "1.0-1"), ("own-library", "1.2-1"), ("bash", "99.0-1")] {
        let text = &paths[&format!("usr/share/{name}/version")].1;
        assert_eq!(*text, format!("{name} {version}\n"));
        let desc = &paths[&format!("var/lib/pacman/local/{name}-{version}/desc")].1;
        assert_eq!(!desc.contains("%REASON%\n1\n"), name == "own-tool", "{name}: {desc}");
    }
    Ok(())
}
