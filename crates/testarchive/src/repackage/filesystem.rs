//! `filesystem`: the base users and the directories that belong to nobody.

use super::Repackaged;
use super::accounts::Accounts;
use crate::package::Kind;

/// Leaves the base users alone in the account files.
pub(super) fn complete(made: &mut Repackaged, accounts: &Accounts) {
    let files = ["passwd", "group", "shadow", "gshadow"].map(|name| (name, format!("etc/{name}")));
    made.rewritten.extend(files.iter().map(|(_, path)| path.clone()));
    made.edit("filesystem", |mut filesystem| {
        for (name, path) in &files {
            let mut entry = filesystem.entries()[path].clone();
            entry.kind = Kind::File(accounts.base(name).into());
            filesystem = filesystem.entry(path, entry).backup(path);
        }
        filesystem
    });
}
