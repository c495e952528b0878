//! Install scripts that need what their packages do not name.

use std::collections::BTreeMap;

use libtest_mimic::Failed;
use rootfs::packages;
use rootfs::tarball::Header;
use testarchive::Package;

use super::set::{filesystem, package, shell};
use super::{Bench, Test, contents};
use crate::Outcome;
use crate::surroundings::{Surroundings, Wanted, build};

pub(super) const ALL: [Test; 3] = [
    ("a_script_of_a_package_without_dependencies_finds_a_shell", without_dependencies),
    ("what_base_needs_is_there_before_other_scripts_run", behind_base),
    ("the_group_base_comes_first_as_the_package_does", behind_the_group),
];

/// A tree of the file system, the shell and these packages.
fn built(bench: &Bench, more: Vec<Package>) -> Result<BTreeMap<String, (Header, String)>, Failed> {
    let set = &bench.first()?.set;
    let directory = tempfile::tempdir()?;
    let mut job = set.job(directory.path(), 2);
    let mut all = vec![filesystem(), shell(&set.tools)?];
    all.extend(more);
    job.files = set.write(directory.path(), all)?;
    job.files.sort_by(|one, other| one.name.cmp(&other.name));
    build(&Wanted::Arch(job), directory.path(), &Surroundings::plain())?;
    Ok(contents(directory.path().join(packages::TREE))?)
}

/// As archlinux-keyring was until 2021: it depends on nothing.
fn early(install: &str) -> Package {
    package("archlinux-keyring").install(&format!("post_install() {{\n  {install}\n}}\n"))
}

fn without_dependencies(bench: &Bench) -> Outcome {
    let paths = built(bench, vec![early("echo installed >etc/early")])?;
    assert_eq!(paths["etc/early"].1, "installed\n");
    Ok(())
}

fn tool() -> Package {
    package("tool").depends("sh").file("usr/bin/tool", 0o755, "#!/bin/sh\necho tool\n")
}

fn behind_base(bench: &Bench) -> Outcome {
    let base = package("base").depends("filesystem").depends("sh").depends("tool");
    let paths = built(bench, vec![early("tool >etc/early"), base, tool()])?;
    assert_eq!(paths["etc/early"].1, "tool\n");
    Ok(())
}

fn behind_the_group(bench: &Bench) -> Outcome {
    let paths = built(bench, vec![early("tool >etc/early"), tool().groups("base")])?;
    assert_eq!(paths["etc/early"].1, "tool\n");
    Ok(())
}
