//! Which package has which path, when many are laid at once.
//!
//! While packages are laid, the first one that comes to a path lays there, and all others lay theirs
//! aside; none ever touches what another has laid. When all are there it is decided whose the path
//! is, by the packages and their order alone: so it does not matter which thread was first.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::control::Control;
use crate::error::{Cause, Error};
use crate::laid::{Kind, Laid, Package};
use crate::name;
use crate::tree::Tree;

/// The paths of all packages that are laid into one tree.
#[derive(Default)]
pub(crate) struct Claims(Mutex<Paths>);

#[derive(Default)]
struct Paths {
    /// Who has laid at a path.
    first: HashMap<PathBuf, usize>,
    /// Who has it as well, since an earlier time: packages that share a file.
    shared: HashMap<PathBuf, Vec<usize>>,
    /// Who else has it, with the name under which it is laid aside.
    later: BTreeMap<PathBuf, BTreeMap<usize, String>>,
    /// How many are aside.
    aside: usize,
}

/// How two packages that have one path stand to each other there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    /// Both own the same file.
    Shared,
    /// The first replaces the second.
    Over,
    /// The second replaces the first.
    Under,
    /// They cannot both be installed.
    Conflict,
}

impl Claims {
    /// The claims of packages that are laid and settled.
    pub(crate) fn of(packages: &[Package]) -> Self {
        let mut paths = Paths::default();
        for (index, package) in packages.iter().enumerate() {
            for laid in package.members.iter().filter(|laid| laid.kind != Kind::Directory) {
                if paths.first.contains_key(&laid.place) {
                    paths.shared.entry(laid.place.clone()).or_default().push(index);
                } else {
                    paths.first.insert(laid.place.clone(), index);
                }
            }
        }
        Self(Mutex::new(paths))
    }

    /// Asks for a path that is no directory. `None` when nobody else has it yet: it is laid there.
    /// Otherwise the name under which it is laid aside.
    pub(crate) fn claim(&self, me: usize, place: &Path) -> Option<String> {
        let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Paths { first, later, aside, .. } = &mut *paths;
        if *first.entry(place.to_owned()).or_insert(me) == me {
            return None;
        }
        let later = later.entry(place.to_owned()).or_default();
        let name = later.entry(me).or_insert_with(|| {
            *aside += 1;
            aside.to_string()
        });
        Some(name.clone())
    }

    /// Whether a package was the first to come to a path.
    pub(crate) fn is_first(&mut self, me: usize, place: &Path) -> bool {
        let paths = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        paths.first.get(place) == Some(&me)
    }

    /// Forgets all claims on a path, and what of them is aside. Gives whose they were.
    pub(crate) fn withdraw(&mut self, tree: &Tree, place: &Path) -> Result<Vec<usize>, Error> {
        let paths = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut claimants: Vec<usize> = paths.first.remove(place).into_iter().collect();
        for (package, name) in paths.later.remove(place).unwrap_or_default() {
            tree.drop_aside(&name).map_err(|cause| Error::new(name::shown(place), cause))?;
            claimants.push(package);
        }
        Ok(claimants)
    }

    /// Decides, when all packages are laid, on each path that several have: moves what is the
    /// owner's to it, and takes away what is not, from the tree and from the packages.
    ///
    /// `replaces` tells whether a first package replaces files of a second one.
    pub(crate) fn settle(
        self,
        tree: &Tree,
        packages: &mut [Package],
        replaces: impl Fn(&Control, &Control) -> bool,
    ) -> Result<(), Error> {
        let Paths { first, later, shared, .. } =
            self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut lost: Vec<HashSet<PathBuf>> = vec![HashSet::new(); packages.len()];
        for (place, mut aside) in later {
            let earlier = shared.get(&place).into_iter().flatten().copied();
            let mut claimants: Vec<usize> =
                aside.keys().copied().chain([first[&place]]).chain(earlier).collect();
            claimants.sort_unstable();
            claimants.dedup();
            let control = |package: usize| &packages[package].control;
            let relation = |one, other| relation(control(one), control(other), &place, &replaces);
            let owners = owners(&claimants, relation).map_err(|(one, other)| {
                let other_label = control(one).label();
                let cause = Cause::Conflict { path: name::shown(&place), other: other_label };
                Error::new(control(other).label(), cause)
            })?;
            let laid_aside = aside.remove(&owners[0]);
            laid_aside
                .map_or(Ok(()), |name| tree.replace_by_aside(&place, &name))
                .and_then(|()| aside.values().try_for_each(|name| tree.drop_aside(name)))
                .map_err(|cause| Error::new(control(owners[0]).label(), cause))?;
            for loser in claimants.into_iter().filter(|claimant| !owners.contains(claimant)) {
                lost[loser].insert(place.clone());
            }
        }
        tree.remove_aside()
            .map_err(|cause| Error::new(format!("{} packages", packages.len()), cause))?;
        for (package, lost) in packages.iter_mut().zip(lost) {
            let keeps = |laid: &Laid| laid.kind == Kind::Directory || !lost.contains(&laid.place);
            package.members.retain(keeps);
        }
        Ok(())
    }
}

/// Those of a path's claimants that own it: one that replaces all others, or several that share it,
/// of which the first one's is laid. `Err` with two that cannot both have it.
///
/// The one that replaces some must replace all: what each replaces says nothing of a third, and an
/// answer that goes from one to the next would depend on where it begins.
fn owners(
    claimants: &[usize],
    relation: impl Fn(usize, usize) -> Relation,
) -> Result<Vec<usize>, (usize, usize)> {
    let pairs = || {
        let others = |at: usize| claimants[at + 1..].iter();
        (0..claimants.len())
            .flat_map(move |at| others(at).map(move |other| (claimants[at], *other)))
    };
    if let Some(pair) = pairs().find(|(one, other)| relation(*one, *other) == Relation::Conflict) {
        return Err(pair);
    }
    let owns = |me: &usize| {
        let mut others = claimants.iter().filter(|other| *other != me);
        others.all(|other| matches!(relation(*me, *other), Relation::Over | Relation::Shared))
    };
    let owners: Vec<usize> = claimants.iter().copied().filter(owns).collect();
    // Packages that replace one another in a circle; or one that shares what is an owner's, and is
    // replaced by another all the same.
    let torn = |(one, other): &(usize, usize)| {
        relation(*one, *other) == Relation::Shared && owners.contains(one) != owners.contains(other)
    };
    match pairs().find(|pair| owners.is_empty() || torn(pair)) {
        Some(pair) => Err(pair),
        None => Ok(owners),
    }
}

fn relation(
    one: &Control,
    other: &Control,
    place: &Path,
    replaces: impl Fn(&Control, &Control) -> bool,
) -> Relation {
    if identical(one, other, place) {
        return Relation::Shared;
    }
    match (replaces(one, other), replaces(other, one)) {
        (true, false) => Relation::Over,
        (false, true) => Relation::Under,
        _ => Relation::Conflict,
    }
}

/// Whether both are the same package for two architectures, and the file is the same in both.
fn identical(one: &Control, other: &Control, place: &Path) -> bool {
    let Some(place) = place.to_str() else { return false };
    let same = |control: &Control| control.field("Multi-Arch") == Some("same");
    let sum = one.md5sum(place);
    one.package() == other.package()
        && same(one)
        && same(other)
        && sum.is_some()
        && sum == other.md5sum(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Relation::{Conflict, Over, Shared, Under};

    /// The owners among packages 0, 1 and 2: how 0 stands to 1, 0 to 2 and 1 to 2.
    fn of_three(relations: [Relation; 3]) -> Result<Vec<usize>, (usize, usize)> {
        let turned = |relation| match relation {
            Over => Under,
            Under => Over,
            same => same,
        };
        owners(&[0, 1, 2], |one, other| match (one.min(other), one.max(other)) {
            (0, 1) if one == 0 => relations[0],
            (0, 1) => turned(relations[0]),
            (0, 2) if one == 0 => relations[1],
            (0, 2) => turned(relations[1]),
            _ if one == 1 => relations[2],
            _ => turned(relations[2]),
        })
    }

    #[test]
    fn an_owner_replaces_all_others() {
        assert_eq!(of_three([Over, Over, Under]), Ok(vec![0]));
        assert_eq!(of_three([Under, Over, Over]), Ok(vec![1]));
        assert_eq!(of_three([Shared, Shared, Shared]), Ok(vec![0, 1, 2]));
        assert_eq!(of_three([Under, Under, Shared]), Ok(vec![1, 2]));
        assert_eq!(of_three([Over, Over, Shared]), Ok(vec![0]));
    }

    #[test]
    fn packages_that_do_not_agree_are_named() {
        assert_eq!(of_three([Over, Conflict, Over]), Err((0, 2)), "a chain");
        assert_eq!(of_three([Over, Under, Over]), Err((0, 1)), "a circle");
        assert_eq!(of_three([Shared, Over, Under]), Err((0, 1)), "one of two that share");
    }
}
