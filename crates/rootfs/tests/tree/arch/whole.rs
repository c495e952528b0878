//! A whole system: gitserver's packages, repackaged for Arch.

use std::error::Error;
use std::path::Path;

use lock::Lock;
use rootfs::arch::Packages;
use rootfs::tarball::Kind;
use rootfs::{Facts, debian, packages};
use store::{Options, Store};
use testarchive::{Package, repackage};

use super::set::{BUILT, EPOCH, Set};
use super::{Bench, contents};
use crate::Outcome;
use crate::surroundings::{Surroundings, Wanted, build, compare};

/// Makes the packages in `directory`, and the job that installs all of them to `out`.
fn job(set: &Set, directory: &Path, out: &Path) -> Result<Packages, Box<dyn Error>> {
    let store = Store::open(Options::from_environment()?)?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let lock = Lock::read(&workspace.join("servers/gitserver/server.lock"))?;
    store.fetch(&lock.items())?;
    sandbox::in_namespace(&debian::Packages::of(&lock, &store, EPOCH, 2, directory))?;
    let made = repackage(&directory.join(packages::TREE), BUILT);
    let mut packages: Vec<Package> = made.packages.into_values().collect();
    packages.push(set.keys.package("20261119-1").built(BUILT));
    packages.sort_by(|one, other| one.name().cmp(other.name()));
    let explicit = ["base", "linux", "openssh", "git", "nginx", "fcgiwrap"].map(str::to_owned);
    let files = set.write(directory, packages)?;
    Ok(Packages { files, explicit: explicit.into(), ..set.job(out, 2) })
}

pub(super) fn whole_system(bench: &Bench) -> Outcome {
    let set = &bench.first()?.set;
    let directory = tempfile::tempdir()?;
    let outs = [tempfile::tempdir()?, tempfile::tempdir()?];
    let job = job(set, directory.path(), outs[0].path()).map_err(|error| error.to_string())?;
    let count = job.files.len();
    let other = Packages { out: outs[1].path().to_owned(), threads: 1, ..job.clone() };
    build(&Wanted::Arch(job), directory.path(), &Surroundings::plain())?;
    build(&Wanted::Arch(other), directory.path(), &Surroundings::odd())?;
    compare(outs[0].path(), outs[1].path())?;

    let facts = Facts::read(&outs[0].path().join(packages::FACTS))?;
    assert_eq!(facts.packages as usize, count);
    let kernel = facts.kernel.ok_or("no kernel was found")?;
    let paths = contents(outs[0].path().join(packages::TREE))?;
    let is_there = |path: &str| assert!(paths.contains_key(path), "{path}");
    is_there(&kernel.vmlinuz);
    is_there(&format!("{}/modules.dep.bin", kernel.modules));
    is_there("usr/lib/udev/hwdb.bin");
    is_there("var/lib/systemd/catalog/database");
    assert_eq!(paths["etc/machine-id"].1, "");
    assert!(facts.ids.users.contains_key("sshd"), "{:?}", facts.ids.users);
    assert_eq!(paths["usr/bin/su"].0.mode, 0o4755);
    assert!(matches!(paths["bin"].0.kind, Kind::Symlink(_)));
    Ok(())
}
