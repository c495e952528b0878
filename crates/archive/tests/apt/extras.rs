//! A repository beside Debian's is what apt makes of it by its preferences: everything of it below
//! what Debian has, and the names that the definition lists above.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use archive::debian;
use libtest_mimic::Failed;
use lock::Extra;
use lock::debian::Request;

use crate::repository::{HERE, Repository, System};
use crate::{compare, request};

/// Names that are listed, and what is asked for. Of bash and mawk the repository has version 99.0.
const CASES: &[(&[&str], &[&str])] = &[
    (&[], &["own-tool"]),
    (&[], &["own-tool", "bash", "mawk"]),
    (&["bash"], &["own-tool", "bash"]),
    (&["bash", "mawk"], &["mawk", "bash"]),
    (&["mawk"], &["own-library", "mawk", "nginx"]),
];

pub(crate) fn a_repository_is_taken_from_as_apt_takes_by_its_preferences() -> Result<(), Failed> {
    let repository = Repository::shared()?;
    lay_out(repository)?;
    for (listed, packages) in CASES {
        let expected = of_apt(repository, listed, packages)?;
        let asked: BTreeSet<&str> = packages.iter().copied().collect();
        let request = Request { extras: vec![extra(listed)?], ..request("bookworm", asked) };
        let lock = debian::resolve(repository.store(), &request, Some(repository.lock()))?;
        compare(&lock, &expected).map_err(|error| format!("{listed:?} {packages:?}: {error:?}"))?;
    }
    Ok(())
}

fn made() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/archive/repositories")
}

fn extra(listed: &[&str]) -> Result<Extra, Failed> {
    let key = fs::read(made().join("key.asc"))?;
    Ok(Extra {
        name: "acme".to_owned(),
        url: format!("file://{}", made().join("reprepro").display()),
        suite: "bookworm".to_owned(),
        components: vec!["main".to_owned()],
        fingerprint: fs::read_to_string(made().join("fingerprint"))?.trim().to_owned(),
        key,
        packages: listed.iter().map(|name| (*name).to_owned()).collect(),
        place: "server.toml".to_owned(),
    })
}

/// The repository beside the others, with lists and sources of its own: other tests go on meanwhile.
fn lay_out(repository: &Repository) -> Result<(), Failed> {
    let folder = repository.folder();
    copy(&made().join("reprepro"), &folder.join("acme"))?;
    fs::create_dir_all(folder.join("lists-acme/partial"))?;
    let sources = fs::read_to_string(folder.join("sources.list"))?;
    let sources = format!("{sources}deb [trusted=yes] file:{HERE}/acme bookworm main\n");
    fs::write(folder.join("sources-acme"), sources)?;
    fs::write(folder.join("preferences-acme"), "")?;
    repository.apt_get(folder, OPTIONS.into_iter().chain(["update"]))?;
    Ok(())
}

const OPTIONS: [&str; 3] = [
    "--option=Dir::Etc::sourcelist=/work/repository/sources-acme",
    "--option=Dir::Etc::preferences=/work/repository/preferences-acme",
    "--option=Dir::State::lists=/work/repository/lists-acme",
];

fn of_apt(
    repository: &Repository,
    listed: &[&str],
    packages: &[&str],
) -> Result<crate::Versions, Failed> {
    let mut preferences = "Package: *\nPin: release o=Test\nPin-Priority: 100\n".to_owned();
    for name in listed {
        preferences += &format!("\nPackage: {name}\nPin: release o=Test\nPin-Priority: 990\n");
    }
    fs::write(repository.folder().join("preferences-acme"), preferences)?;
    let words = OPTIONS.into_iter().chain(packages.iter().copied());
    let added = repository.apt(System::Base, words)?;
    Ok(repository.base.clone().into_iter().chain(added).collect())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
