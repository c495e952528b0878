//! In which order pacman gets its targets.
//!
//! pacman installs a package behind what it depends on, and otherwise in the order of its targets
//! (libalpm's `_alpm_sortbydeps`). Install scripts need a shell and often more than their packages
//! say: whoever installs Arch begins with `base` (pacstrap(8)), which brings it.

use std::collections::BTreeSet;
use std::path::Path;

use super::survey::Surveyed;

/// The package that every system has, and before 2019 the group.
const BASE: &str = "base";

/// What runs install scripts, and where packages have it.
const SHELLS: [&str; 2] = ["usr/bin/sh", "bin/sh"];

/// The names of all packages: `base`, the shell, those that somebody asked for, then the rest, each
/// by name. The order in which they are listed decides nothing.
pub(super) fn targets<'p>(packages: &'p [Surveyed], asked_for: &BTreeSet<&str>) -> Vec<&'p str> {
    let rank = |it: &Surveyed| {
        let info = &it.package.info;
        if info.name() == BASE || info.all("group").any(|group| group == BASE) {
            0
        } else if has_shell(it) {
            1
        } else if asked_for.contains(info.name()) {
            2
        } else {
            3
        }
    };
    let mut targets: Vec<_> =
        packages.iter().map(|it| (rank(it), it.package.info.name())).collect();
    targets.sort_unstable();
    targets.into_iter().map(|(_, name)| name).collect()
}

fn has_shell(package: &Surveyed) -> bool {
    let mut members = package.package.members.iter();
    members.any(|member| SHELLS.iter().any(|shell| member.place == Path::new(shell)))
}
