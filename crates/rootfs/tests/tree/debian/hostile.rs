//! Packages that try to reach the host's files while a tree is made of them: the job sees those,
//! and its root is who called.

use std::fs;
use std::io;
use std::path::Path;

use rootfs::debian::PackageFile;
use rootfs::packages;

use super::deb::Deb;
use super::{Bench, built};
use crate::Outcome;

/// A directory of the host that nobody may touch. It is not below `/tmp`, which programs of a tree
/// have for themselves.
struct Canary(tempfile::TempDir);

impl Canary {
    fn new() -> io::Result<Self> {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        fs::write(directory.path().join("hosts"), "mine\n")?;
        Ok(Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn check(&self, what: &str) -> Outcome {
        let found: Vec<_> = fs::read_dir(self.path())?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<_>>()?;
        let hosts = fs::read_to_string(self.path().join("hosts")).unwrap_or_default();
        if found == ["hosts"] && hosts == "mine\n" {
            return Ok(());
        }
        Err(format!("{what} has reached the host's files: {found:?}").into())
    }
}

pub(super) fn links_in_the_database(_: &Bench) -> Outcome {
    for (link, target) in [
        ("./var/lib/dpkg/info/evil.postinst", "postinst"),
        ("./var/lib/dpkg/info/evil.list", "list"),
        ("./var/lib/dpkg/status", "status"),
        ("./var/lib/dpkg/status", "hosts"),
        ("./var/lib/dpkg/triggers/evil", "trigger"),
        ("./var/lib/dpkg/info", ""),
        ("./var/lib/dpkg", ""),
    ] {
        let (canary, out) = (Canary::new()?, tempfile::tempdir()?);
        let evil = Deb::new("evil")?
            .control("postinst", "#!/bin/sh\n")?
            .control("triggers", "interest evil\n")?
            .symlink(link, &canary.path().join(target))?
            .write(out.path())?;
        let result = built(vec![evil], out.path());
        canary.check(link)?;
        let said = result.err().ok_or("it was built all the same")?;
        let shown = link.trim_start_matches('.');
        assert!(said.contains("evil 1") && said.contains(&format!("`{shown}`")), "{said}");
    }
    Ok(())
}

pub(super) fn names_that_are_paths(_: &Bench) -> Outcome {
    let (canary, out) = (Canary::new()?, tempfile::tempdir()?);
    let name = format!("{}{}/evil", "../".repeat(20), canary.path().display());
    let evil = Deb::new(&name)?.control("postinst", "#!/bin/sh\n")?.write(out.path())?;
    let result = built(vec![evil], out.path());
    canary.check("a name")?;
    let said = result.err().ok_or("it was built all the same")?;
    assert!(said.contains("Package: ../"), "{said}");
    Ok(())
}

pub(super) fn another_package(_: &Bench) -> Outcome {
    let out = tempfile::tempdir()?;
    let honest = Deb::new("other")?.write(out.path())?;
    for (locked, wanted) in [
        (PackageFile { name: "wanted".to_owned(), ..honest.clone() }, "wanted 1 all"),
        (PackageFile { version: "2".to_owned(), ..honest.clone() }, "other 2 all"),
        (PackageFile { architecture: "amd64".to_owned(), ..honest }, "other 1 amd64"),
    ] {
        let said = built(vec![locked], out.path()).err().ok_or("it was built all the same")?;
        assert!(said.contains(wanted) && said.contains("package `other 1 all`"), "{said}");
    }
    Ok(())
}

/// The script's `/etc` goes on to work in the tree, and leads out of it for who is outside.
pub(super) fn etc_becomes_a_link(bench: &Bench) -> Outcome {
    let (canary, out) = (Canary::new()?, tempfile::tempdir()?);
    let elsewhere = canary.path().display();
    let parent = canary.path().parent().ok_or("no parent")?.display();
    let postinst = format!(
        "#!/bin/sh\nset -e\nmkdir -p '{parent}'\nmv /etc '{elsewhere}'\nln -s '{elsewhere}' /etc\n"
    );
    let evil = Deb::new("zzz-evil")?.control("postinst", &postinst)?.write(out.path())?;
    let files = bench.few()?.files.iter().cloned().chain([evil]).collect();
    let result = built(files, out.path());
    canary.check("a script")?;
    result?;
    assert!(out.path().join(packages::TREE).exists());
    Ok(())
}
