//! Pacman's database of what is installed: `local/NAME-VERSION/` with `desc`, `files`, `mtree` and
//! `install`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use unpack::Inside;

use super::survey::Surveyed;
use crate::error::Error;

/// Where pacman's databases lie.
pub(super) const DATABASE: &str = "var/lib/pacman";

/// Makes sure that what is installed is what was locked, and all of it.
pub(super) fn check(inside: &Inside, packages: &[Surveyed]) -> Result<(), Error> {
    let locked: BTreeSet<String> = packages.iter().map(|it| it.package.label()).collect();
    let installed: BTreeSet<String> = inside.directories(local())?.into_iter().collect();
    if locked == installed {
        return Ok(());
    }
    Err(Error::NotLocked {
        missing: locked.difference(&installed).cloned().collect(),
        unexpected: installed.difference(&locked).cloned().collect(),
    })
}

/// Makes `epoch` the time at which every package was installed.
pub(super) fn set_install_dates(inside: &Inside, epoch: u64) -> Result<(), Error> {
    for label in inside.directories(local())? {
        inside.edit(local().join(label).join("desc"), |desc| with_install_date(desc, epoch))?;
    }
    Ok(())
}

fn local() -> PathBuf {
    Path::new(DATABASE).join("local")
}

fn with_install_date(desc: &str, epoch: u64) -> String {
    let mut dated = String::with_capacity(desc.len());
    let mut is_date = false;
    for line in desc.lines() {
        if is_date {
            dated.push_str(&epoch.to_string());
        } else {
            dated.push_str(line);
        }
        dated.push('\n');
        is_date = line == "%INSTALLDATE%";
    }
    dated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_install_date_alone_is_changed() {
        let desc = "%NAME%\na\n\n%INSTALLDATE%\n1700000000\n\n%SIZE%\n1700000000\n\n";
        assert_eq!(
            with_install_date(desc, 5),
            "%NAME%\na\n\n%INSTALLDATE%\n5\n\n%SIZE%\n1700000000\n\n"
        );
    }
}
