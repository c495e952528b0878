//! A server out of an archiso profile.
//!
//! A profile is a directory as archiso's `docs/README.profile.rst` describes it:
//!
//! ```text
//! profiledef.sh      settings, and owners and modes: read, never run
//! packages.x86_64    one package a line
//! pacman.conf        which repositories
//! airootfs/          files laid over the packages; etc/passwd and the like declare users
//! efiboot/ grub/ syslinux/    boot loaders
//! ```
//!
//! Where the documentation is silent, `mkarchiso` is followed: files are root's with mode 0644
//! whatever they are in the profile, people own what is in their homes, and comments may end the
//! lines of packages.
//!
//! A profile is as hostile as any download. Its files are read where they are regular files within
//! it, symlinks of airootfs are data, and nothing is written through one: they are laid last.

mod accounts;
mod airootfs;
mod convert;
mod cursor;
mod declared;
mod logins;
mod made_lists;
mod ownership;
mod package_list;
mod pacman_conf;
mod plan;
mod profile;
mod profiledef;
mod quoting;
mod report;
mod server_toml;
mod shell;
mod text;
mod write;

use std::path::Path;

use jiff::civil::Date;

use self::convert::Given;
use self::profile::Profile;
use self::report::Report;
pub use self::report::{Decision, Left, LeftOut, Migration};
use crate::place::Place;
use crate::{DistributionName, Error, Workspace, new};

/// The board of a new server.
const BOARD: &str = "pc";

/// Writes `servers/NAME` after the archiso profile in the directory `profile`.
///
/// Its packages are those of the day `date`; without, of the day of the archive that the profile's
/// pacman.conf names, or else of `otherwise`. Nothing is left behind when it fails.
pub fn from_archiso(
    workspace: &Workspace,
    name: &str,
    profile: &Path,
    date: Option<Date>,
    otherwise: Date,
) -> Result<Migration, Error> {
    let place = Place::new(workspace, name)?;
    let template = new::template(workspace, &place)?;
    let roles = workspace.roles(&new::ROLES)?;
    let kernel = workspace.kernel(BOARD, DistributionName::Arch)?;
    let mut report = Report::default();
    let profile = Profile::read(profile, &mut report)?;
    let hostname = new::hostname(&place);
    let given = Given { roles: &roles, kernel: &kernel, hostname, date, otherwise };
    let server = convert::convert(&profile, &given, &mut report)?;
    new::check_day(server.date)?;
    place.fill(|dir| {
        write::server(dir, &template, &server)?;
        // What the definition's own checks refuse is not worth having.
        workspace.composed(place.name.as_str(), dir, &roles).map(|_| ())
    })?;
    let (left_out, to_decide) = report.finish();
    Ok(Migration {
        server: place.name.to_string(),
        files: write::files(&template, &server),
        dir: place.dir,
        date: server.date,
        packages: server.packages,
        users: server.users,
        groups: server.groups,
        left_out,
        to_decide,
    })
}
