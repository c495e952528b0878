//! In how many rounds packages are installed, and which in which.
//!
//! dpkg grants a preinst that it runs before its own package's files are there, and when the
//! packages of its Pre-Depends are configured. Few make use of that. All others are unpacked at
//! once, in the first round, with the essential packages and what those depend on, which every
//! installer has to treat so. A package that needs the order comes in a later round, and with it
//! whatever depends on it.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use lock::debian::Version;
use unpack::Control;

use super::preinst;

/// Where programs are.
const PROGRAMS: [&str; 4] = ["bin/", "sbin/", "usr/bin/", "usr/sbin/"];

/// The packages of each round, by their numbers, which are in order.
pub(super) fn of(controls: &[Control]) -> Rounds {
    let graph = Graph::new(controls);
    let mut of_level: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (package, level) in graph.levels(&needing(controls, &graph)).into_iter().enumerate() {
        of_level.entry(level).or_default().push(package);
    }
    let order = graph.order();
    Rounds { essential: graph.base, rounds: of_level.into_values().collect(), order }
}

/// In which order packages are installed.
pub(super) struct Rounds {
    /// The essential packages and all that they depend on, which are in the first round.
    pub(super) essential: BTreeSet<usize>,
    /// The packages of each round.
    pub(super) rounds: Vec<Vec<usize>>,
    /// All packages in an order in which dpkg would unpack them one by one.
    pub(super) order: Vec<usize>,
}

/// The version of the newest kernel that packages bring modules of.
pub(super) fn kernel(controls: &[Control]) -> Option<String> {
    let versions = controls.iter().flat_map(files).filter_map(|file| {
        let file = file.strip_prefix("usr/").unwrap_or(file).strip_prefix("lib/modules/")?;
        let (version, _) = file.split_once('/')?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "+-._~".contains(c);
        Some((Version::from_str(version).ok()?, version)).filter(|_| version.chars().all(is_plain))
    });
    versions.max_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, version)| version.to_owned())
}

/// The packages whose preinst needs the order.
fn needing(controls: &[Control], graph: &Graph) -> BTreeSet<usize> {
    let programs: BTreeSet<&str> =
        controls.iter().filter(|it| is_essential(it) && !has_pam(it)).flat_map(programs).collect();
    let all: BTreeSet<&str> = controls.iter().flat_map(files).collect();
    let later = (0..controls.len()).filter(|package| !graph.base.contains(package));
    let needs = |package: &usize| {
        let Some(preinst) = controls[*package].files.get("preinst") else { return false };
        let files: Vec<String> =
            files(&controls[*package]).map(|file| format!("/{file}")).collect();
        let files = files.iter().map(String::as_str).collect();
        // What is no text is a program, and nobody knows what it does.
        std::str::from_utf8(&preinst.bytes)
            .map_or(true, |script| preinst::needs_order(script, &programs, &files, &all))
    };
    later.filter(needs).collect()
}

fn is_essential(control: &Control) -> bool {
    control.field("Essential") == Some("yes")
}

/// Whether what a package does depends on who may log in, which is configured.
fn has_pam(control: &Control) -> bool {
    relations(control, "Pre-Depends")
        .chain(relations(control, "Depends"))
        .any(|name| name == "libpam0g")
}

/// The names of a package's programs.
fn programs(control: &Control) -> impl Iterator<Item = &str> {
    files(control).filter_map(|file| {
        let name = PROGRAMS.iter().find_map(|directory| file.strip_prefix(directory))?;
        (!name.contains('/')).then_some(name)
    })
}

/// A package's regular files, relative to the root, as far as its control archive names them.
fn files(control: &Control) -> impl Iterator<Item = &str> {
    let sums = control.text("md5sums").unwrap_or_default().lines();
    let sums = sums.filter_map(|line| Some(line.split_once("  ")?.1.trim_start_matches("./")));
    sums.chain(control.conffiles().map(|path| path.trim_start_matches('/')))
}

/// The names in a field of relations, of all alternatives.
fn relations<'a>(control: &'a Control, field: &str) -> impl Iterator<Item = &'a str> {
    control.field(field).unwrap_or_default().split([',', '|']).filter_map(|relation| {
        let name = relation.split(['(', '[', ':']).next().unwrap_or_default().trim();
        (!name.is_empty()).then_some(name)
    })
}

/// Who depends on whom.
struct Graph {
    /// Each package's dependencies: which, and whether it is one before unpacking.
    edges: Vec<Vec<(usize, bool)>>,
    /// What each package recommends: where that is there, its scripts may look for it.
    recommended: Vec<Vec<usize>>,
    /// The essential packages and what they depend on.
    base: BTreeSet<usize>,
}

impl Graph {
    fn new(controls: &[Control]) -> Self {
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (package, control) in controls.iter().enumerate() {
            for name in relations(control, "Provides").chain([control.package()]) {
                by_name.entry(name).or_default().push(package);
            }
        }
        let targets = |control, field, before| {
            let names = relations(control, field).filter_map(|name| by_name.get(name));
            names.flatten().map(move |target| (*target, before))
        };
        let edges = controls.iter().map(|control| {
            targets(control, "Depends", false)
                .chain(targets(control, "Pre-Depends", true))
                .collect()
        });
        let recommended = controls.iter().map(|control| {
            targets(control, "Recommends", false).map(|(target, _)| target).collect()
        });
        let (edges, recommended) = (edges.collect(), recommended.collect());
        let mut graph = Self { edges, recommended, base: BTreeSet::new() };
        let essential = (0..controls.len()).filter(|package| is_essential(&controls[*package]));
        graph.base = graph.reach(essential);
        graph
    }

    /// The essential packages first, each package behind what it depends on as far as there is no
    /// circle, and otherwise as they are numbered.
    fn order(&self) -> Vec<usize> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        for start in self.base.iter().copied().chain(0..self.edges.len()) {
            // A package, and how many of its dependencies were looked at.
            let mut open = vec![(start, 0)];
            if !seen.insert(start) {
                continue;
            }
            while let Some((package, looked)) = open.last_mut() {
                match self.edges[*package].get(*looked) {
                    Some((target, _)) => {
                        *looked += 1;
                        if seen.insert(*target) {
                            open.push((*target, 0));
                        }
                    }
                    None => {
                        order.push(*package);
                        open.pop();
                    }
                }
            }
        }
        order
    }

    /// These packages and all that they depend on.
    fn reach(&self, from: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        self.reach_by(from, |_| &[])
    }

    /// Whether a package depends on another, or recommends it, through however many.
    fn wants(&self, package: usize, other: usize) -> bool {
        self.reach_by([package], |package| &self.recommended[package]).contains(&other)
    }

    fn reach_by<'a>(
        &'a self,
        from: impl IntoIterator<Item = usize>,
        also: impl Fn(usize) -> &'a [usize],
    ) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<usize> = from.into_iter().collect();
        while let Some(package) = open.pop() {
            if reached.insert(package) {
                open.extend(self.edges[package].iter().map(|(target, _)| *target));
                open.extend(also(package));
            }
        }
        reached
    }

    /// Each package's round: not before what it depends on, nor before what it recommends, but
    /// where that wants it again; for one that needs the order, after the first, and after its
    /// Pre-Depends, but where those depend on it again.
    fn levels(&self, needing: &BTreeSet<usize>) -> Vec<usize> {
        let mut after: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for package in needing {
            let before = self.edges[*package]
                .iter()
                .filter(|(target, before)| *before && !self.reach([*target]).contains(package));
            after.insert(*package, before.map(|(target, _)| *target).collect());
        }
        let mut levels = vec![0; self.edges.len()];
        loop {
            let mut changed = false;
            for package in (0..levels.len()).filter(|package| !self.base.contains(package)) {
                let with = self.edges[package].iter().map(|(target, _)| levels[*target]).max();
                let after = after.get(&package).map(|before| {
                    before.iter().map(|target| levels[*target] + 1).max().unwrap_or(1).max(1)
                });
                let level = with.max(after).unwrap_or(0).max(levels[package]);
                let later = self.recommended[package].iter().filter(|it| levels[**it] > level);
                let later = later.filter(|target| !self.wants(**target, package));
                let level = later.map(|target| levels[*target]).max().unwrap_or(level);
                changed |= level != levels[package];
                levels[package] = level;
            }
            if !changed {
                return levels;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::relations::Places;
    use super::*;
    use unpack::ControlFile;

    fn package(name: &str, fields: &str, preinst: Option<&str>) -> Control {
        let file = |text: String| ControlFile { bytes: text.into_bytes(), executable: true };
        let mut control = Control::default();
        control.files.insert("control".into(), file(format!("Package: {name}\n{fields}")));
        if let Some(preinst) = preinst {
            control.files.insert("preinst".into(), file(format!("#!/bin/sh\n{preinst}\n")));
        }
        control
    }

    fn rounds(packages: &[Control]) -> Vec<Vec<&str>> {
        let name = |package: usize| packages[package].package();
        of(packages).rounds.into_iter().map(|round| round.into_iter().map(name).collect()).collect()
    }

    #[test]
    fn packages_that_need_no_order_come_at_once() {
        let packages = [
            package("a", "", None),
            package("base", "Essential: yes\nDepends: lib\n", Some("adduser x")),
            package("lib", "", Some("adduser x")),
            package("other", "Pre-Depends: lib\n", Some("exit 0")),
        ];
        assert_eq!(rounds(&packages), [["a", "base", "lib", "other"]]);
    }

    #[test]
    fn who_needs_the_order_comes_after_its_pre_dependencies_and_brings_who_depends_on_it() {
        let packages = [
            package("a-client", "Depends: server (>= 1) | x\n", None),
            package("base", "Essential: yes\n", None),
            package("server", "Pre-Depends: tool\n", Some("useradd x")),
            package("tool", "Depends: base\n", None),
            package("user", "Pre-Depends: a-client\n", Some("dpkg-divert /x")),
        ];
        let expected: [&[&str]; 3] = [&["base", "tool"], &["a-client", "server"], &["user"]];
        assert_eq!(rounds(&packages), expected);
    }

    #[test]
    fn who_recommends_a_package_is_not_configured_before_it() {
        let packages = [
            package("base", "Essential: yes\nRecommends: server\n", None),
            package("module", "Recommends: server | other\n", None),
            package("server", "Pre-Depends: tool\n", Some("useradd x")),
            package("tool", "Recommends: server\n", None),
        ];
        assert_eq!(rounds(&packages), [["base", "tool"], ["module", "server"]]);
    }

    #[test]
    fn one_by_one_packages_come_behind_what_they_depend_on() {
        let packages = [
            package("application", "Depends: library (>= 2) | x, circle\n", None),
            package("base", "Essential: yes\nDepends: lib\n", None),
            package("circle", "Depends: application\n", None),
            package("lib", "", None),
            package("library", "", None),
        ];
        let order = of(&packages).order;
        let names: Vec<&str> = order.iter().map(|it| packages[*it].package()).collect();
        assert_eq!(names, ["lib", "base", "library", "circle", "application"]);
        let places = Places::new(&packages, &order);
        assert!(places.precedes(&packages[4], &packages[0]), "a directory of the library stays");
        assert!(!places.precedes(&packages[0], &packages[4]));
        assert!(!places.precedes(&package("other", "", None), &packages[4]));
    }

    #[test]
    fn a_circle_ends() {
        let packages = [
            package("a", "Pre-Depends: b\n", Some("useradd x")),
            package("b", "Depends: a\n", None),
            package("base", "Essential: yes\n", None),
        ];
        assert_eq!(rounds(&packages), [vec!["base"], vec!["a", "b"]]);
    }
}
