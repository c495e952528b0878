//! Members behind links, when many packages are laid into one tree.

use std::collections::HashMap;
use std::path::Path;

use super::ArchPackage;
use crate::error::{Cause, Error};
use crate::laid::Kind;
use crate::name::shown;

/// Refuses packages of which any has a member behind a symbolic link or a file of any other, or of
/// its own: whatever comes first, pacman would follow the link.
///
/// Two packages with one path are pacman's to refuse.
///
/// # Errors
/// The first member that is so, in the packages' order.
pub fn check_links<'p>(
    packages: impl IntoIterator<Item = &'p ArchPackage> + Clone,
) -> Result<(), Error> {
    let members = |package: &'p ArchPackage| package.members.iter();
    let leaves: HashMap<&Path, &Kind> = packages
        .clone()
        .into_iter()
        .flat_map(members)
        .filter(|laid| laid.kind != Kind::Directory)
        .map(|laid| (laid.place.as_path(), &laid.kind))
        .collect();
    for package in packages {
        let mut checked = None;
        for laid in &package.members {
            let directory = laid.place.parent();
            if directory == checked {
                continue;
            }
            checked = directory;
            for above in directory.into_iter().flat_map(Path::ancestors) {
                if let Some(kind) = leaves.get(above) {
                    return Err(Error::new(package.label(), behind(&laid.place, above, kind)));
                }
            }
        }
    }
    Ok(())
}

fn behind(member: &Path, above: &Path, kind: &Kind) -> Cause {
    match kind {
        Kind::Symlink(_) => Cause::BehindLink { member: shown(member), link: shown(above) },
        _ => Cause::Exists { path: shown(above), found: "a file" },
    }
}
