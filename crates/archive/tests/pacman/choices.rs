//! Which packages are taken.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use archive::arch::{Archive, MainKeys};
use archive::{Cause, Files};
use digest::Digest;
use jiff::civil::{Date, date};
use libtest_mimic::Failed;
use lock::arch::{KEYRING, Request};
use store::Item;

use crate::pacman::{Pacman, database};

pub(crate) fn a_choice_is_what_pacman_installs(packages: &[&str]) -> Result<(), Failed> {
    let targets = sorted(packages).into_iter().map(as_pacman_writes_it).collect::<Vec<_>>();
    let targets = targets.iter().map(String::as_str).collect();
    let answers = Pacman::shared()?.would_install(&[targets])?;
    let expected = answers.into_iter().flatten().next().ok_or("pacman refuses")?;
    Ok(compare(&choose(packages)?, &expected)?)
}

pub(crate) fn what_pacman_refuses_is_refused(packages: &[&str]) -> Result<(), Failed> {
    let answers = Pacman::shared()?.would_install(&[sorted(packages)])?;
    match (choose(packages), answers.into_iter().flatten().next()) {
        (Err(_), None) => Ok(()),
        (ours, pacman) => Err(format!("pacman takes {pacman:?}, we take {ours:?}").into()),
    }
}

/// A twentieth of all packages, each by itself. Many need what is in no database here: that is refused
/// by both.
pub(crate) fn every_package_by_itself_is_installed_as_by_pacman() -> Result<(), Failed> {
    let names: Vec<String> = ["core", "extra"]
        .into_iter()
        .flat_map(|repository| names(repository).into_iter().step_by(20))
        .collect();
    let sets: Vec<Vec<&str>> = names.iter().map(|name| sorted(&[name])).collect();
    let answers = Pacman::shared()?.would_install(&sets)?;
    assert_eq!(answers.len(), names.len());
    let mut text = String::new();
    assert!(answers.iter().flatten().count() > 100, "pacman refuses nearly everything");
    for (name, pacman) in names.iter().zip(answers) {
        match (choose(&[name]), pacman) {
            (Ok(ours), Some(pacman)) => {
                if let Err(difference) = compare(&ours, &pacman) {
                    write!(text, "{name}:\n{difference}").unwrap();
                }
            }
            (Err(_), None) => {}
            (Ok(_), None) => writeln!(text, "{name}: pacman refuses").unwrap(),
            (Err(error), Some(_)) => writeln!(text, "{name}: {error}").unwrap(),
        }
    }
    if text.is_empty() { Ok(()) } else { Err(text.into()) }
}

/// The order in which the resolver takes what is asked for.
pub(crate) fn sorted<'p>(packages: &[&'p str]) -> Vec<&'p str> {
    packages.iter().copied().chain([KEYRING]).collect::<BTreeSet<_>>().into_iter().collect()
}

/// `extra/vim` for `vim/extra`.
fn as_pacman_writes_it(package: &str) -> String {
    match package.split_once('/') {
        Some((name, repository)) => format!("{repository}/{name}"),
        None => package.to_owned(),
    }
}

fn choose(packages: &[&str]) -> Result<Vec<String>, archive::Error> {
    choose_of(&Databases(database), packages)
}

/// What is chosen of some databases.
pub(crate) fn choose_of(
    databases: &dyn Files,
    packages: &[&str],
) -> Result<Vec<String>, archive::Error> {
    let mut request = Request::new("x86_64", date(2021, 4, 30));
    request.install = packages.iter().map(|package| package.parse().unwrap()).collect();
    // No signature is looked at.
    let nobody = MainKeys::named(&[]).unwrap();
    Archive::new(databases, nobody).choose(&request)
}

pub(crate) fn compare(ours: &[String], pacman: &[String]) -> Result<(), String> {
    let (ours, pacman): (BTreeSet<_>, BTreeSet<_>) =
        (ours.iter().collect(), pacman.iter().collect());
    let mut text = String::new();
    for line in pacman.difference(&ours) {
        writeln!(text, "pacman alone takes {line}").unwrap();
    }
    for line in ours.difference(&pacman) {
        writeln!(text, "we alone take {line}").unwrap();
    }
    if text.is_empty() { Ok(()) } else { Err(text) }
}

fn names(repository: &str) -> Vec<String> {
    let packed = std::fs::File::open(database(repository)).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
    let mut names = BTreeSet::new();
    for file in archive.entries().unwrap() {
        let path = file.unwrap().path().unwrap().to_string_lossy().into_owned();
        let folder = path.split('/').next().unwrap();
        names.insert(folder.rsplitn(3, '-').nth(2).unwrap().to_owned());
    }
    names.into_iter().collect()
}

/// Databases and nothing else: where that of each repository lies.
pub(crate) struct Databases<F>(pub(crate) F);

impl<F: Fn(&str) -> PathBuf + Sync> Files for Databases<F> {
    fn find(
        &self,
        _: &str,
        path: &str,
        _: Date,
        accept: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), Cause> {
        let (repository, _) = path.split_once('/').unwrap();
        if path != format!("{repository}/os/x86_64/{repository}.db") {
            return Err("not found".into());
        }
        Ok(accept(&std::fs::read((self.0)(repository))?)?)
    }

    fn file(&self, _: &Item) -> Result<Vec<u8>, Cause> {
        Err("not found".into())
    }

    fn keep(&self, _: &[u8]) -> Result<(), Cause> {
        Ok(())
    }

    fn kept(&self, _: Digest) -> Option<Vec<u8>> {
        None
    }
}
