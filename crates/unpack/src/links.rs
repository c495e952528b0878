//! Symbolic links, laid when all files and directories of all packages are there.
//!
//! So nothing is laid through a link, whichever thread was first, and where a package has a link and
//! another a directory it is decided by their order. dpkg keeps what was unpacked first: a directory
//! stays, and the link is in its package's list only. Of a link that comes first dpkg lays the
//! directory's files behind it; here that is refused.

use std::path::Path;

use crate::claims::Claims;
use crate::error::{Cause, Error};
use crate::laid::{Kind, Laid, Package};
use crate::tree::Tree;
use crate::{Options, Relations, name};

/// Lays the links of the packages from `first` on that are not aside. In a tree that lives, where
/// `first` is not 0, what is no package's and in the way is removed.
pub(crate) fn lay(
    claims: &mut Claims,
    tree: &Tree,
    packages: &mut [Package],
    first: usize,
    options: &Options,
    relations: &Relations<'_>,
) -> Result<(), Error> {
    let mut kept = Vec::new();
    for (me, package) in packages.iter().enumerate().skip(first) {
        let links = package.members.iter().filter(|laid| matches!(laid.kind, Kind::Symlink(_)));
        for laid in links.filter(|laid| claims.is_first(me, &laid.place)) {
            let laid_here = tree
                .link(laid, options.owners, first > 0)
                .map_err(|cause| Error::new(package.control.label(), cause))?;
            if !laid_here {
                kept.push(laid.place.clone());
            }
        }
    }
    for place in kept {
        let claimants = claims.withdraw(tree, &place)?;
        let directory = Directory { place: &place, packages, first };
        for me in &claimants {
            directory.stays(*me, relations)?;
        }
        let like = directory.member().cloned();
        for me in claimants {
            let members = packages[me].members.iter_mut();
            for laid in members.filter(|laid| laid.place == place) {
                *laid = directory_of(laid, like.as_ref());
            }
        }
    }
    Ok(())
}

/// A directory in the place of a package's link.
struct Directory<'a> {
    place: &'a Path,
    packages: &'a [Package],
    /// The first of the packages that are new.
    first: usize,
}

impl Directory<'_> {
    /// Refuses what dpkg would not keep the directory for: anything but a link, a link with
    /// something of its own package behind it, a link that is unpacked before any directory.
    fn stays(&self, me: usize, relations: &Relations<'_>) -> Result<(), Error> {
        let control = &self.packages[me].control;
        let is_link = |laid: &&Laid| matches!(laid.kind, Kind::Symlink(_));
        let mine = self.packages[me].members.iter().filter(|laid| laid.place == self.place);
        if !mine.clone().all(|laid| is_link(&laid)) {
            let found = "a directory";
            let cause = Cause::Exists { path: name::shown(self.place), found };
            return Err(Error::new(control.label(), cause));
        }
        let mut holders = self.holders().filter(|(holder, _)| *holder != me).peekable();
        // A directory that no package has was made by scripts, before any of these came.
        let by_scripts = holders.peek().is_none() && self.first > 0;
        let precedes = |holder: usize| {
            holder < self.first || (relations.precedes)(&self.packages[holder].control, control)
        };
        let is_own = self.holders().find(|(holder, _)| *holder == me);
        let stays = is_own.is_none() && (by_scripts || holders.any(|(it, _)| precedes(it)));
        match is_own.or_else(|| self.holders().next()) {
            Some((holder, laid)) if !stays => {
                let (member, link) = (name::shown(&laid.place), name::shown(self.place));
                let label = self.packages[holder].control.label();
                Err(Error::new(label, Cause::BehindLink { member, link }))
            }
            _ => Ok(()),
        }
    }

    /// The packages that have the directory, or anything in it.
    fn holders(&self) -> impl Iterator<Item = (usize, &Laid)> {
        let is_held = |laid: &&Laid| {
            laid.place.starts_with(self.place)
                && (laid.kind == Kind::Directory || laid.place != self.place)
        };
        let found = self.packages.iter().enumerate();
        found.filter_map(move |(it, package)| Some((it, package.members.iter().find(is_held)?)))
    }

    /// The first package's word on it.
    fn member(&self) -> Option<&Laid> {
        let members = self.packages.iter().flat_map(|package| &package.members);
        members.into_iter().find(|it| it.kind == Kind::Directory && it.place == self.place)
    }
}

/// What a link's package has when the directory stays: that directory.
fn directory_of(link: &Laid, like: Option<&Laid>) -> Laid {
    let listed = link.listed.clone();
    match like {
        Some(like) => Laid { listed, ..like.clone() },
        None => Laid { kind: Kind::Directory, mode: 0o755, uid: 0, gid: 0, ..link.clone() },
    }
}
