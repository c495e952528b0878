//! What a server's machines make for themselves: its definition's rows, and those of its packages.

use definition::{DistributionName, FirstBoot, Server};
use lock::Lock;
use rootfs::first_boot::Own;

use crate::Error;

/// The rows that hold for a server with these packages, sorted by path. Of two about one path the
/// definition's is the one, and what a `rootfs/` lays needs none.
pub(crate) fn rows(server: &Server, lock: &Lock) -> Result<Vec<Own>, Error> {
    let said = |row: &FirstBoot| server.first_boot.iter().any(|other| other.path == row.path);
    let laid = |row: &FirstBoot| server.overlay.iter().any(|entry| entry.path == row.path);
    let mut of_packages = table(server.archive.distribution.name(), lock)?;
    of_packages.retain(|row| !said(row) && !laid(row));
    let mut rows: Vec<Own> = of_packages.iter().chain(&server.first_boot).map(own).collect();
    rows.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(rows)
}

/// The rows of the packages of a lock.
///
/// # Errors
/// When the table is wrong.
pub fn of_packages(distribution: DistributionName, lock: &Lock) -> Result<Vec<Own>, Error> {
    Ok(table(distribution, lock)?.iter().map(own).collect())
}

fn table(distribution: DistributionName, lock: &Lock) -> Result<Vec<FirstBoot>, Error> {
    let mut table = FirstBoot::of_distribution(distribution).map_err(definition::Error::from)?;
    table.retain(|row| {
        row.package.as_ref().is_some_and(|package| lock.package(package.as_str()).is_some())
    });
    Ok(table)
}

fn own(row: &FirstBoot) -> Own {
    Own {
        path: row.path.to_string(),
        make: row.make.iter().map(ToString::to_string).collect(),
        directory: row.directory,
        beside: row.beside.iter().map(ToString::to_string).collect(),
        state: row.state.as_ref().map(ToString::to_string),
        before: row.before.iter().map(ToString::to_string).collect(),
        needs: row.needs.iter().map(ToString::to_string).collect(),
        owner: row.owner.as_ref().map(ToString::to_string),
        group: row.group.as_ref().map(ToString::to_string),
        mode: row.mode.map(definition::Mode::bits),
    }
}
