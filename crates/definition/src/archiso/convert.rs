//! From a profile to a server: nothing here touches the disk.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::accounts::Accounts;
use super::airootfs::AIROOTFS;
use super::declared::{self, Declared, User};
use super::ownership::{self, Tree};
use super::package_list::{self, Brought, Packages};
use super::pacman_conf::{self, PacmanConf};
use super::plan::{self, Kind};
use super::profile::Profile;
use super::report::{Left, Report, place};
use super::server_toml::{self, Contents};
use super::{BOARD, text::Text};
use crate::load::RoleFiles;
use crate::{Error, Hostname, Origin, PackageName, Problem, Problems, RootPath, new};

/// What `[archive] repositories` is where nothing is said.
const REPOSITORIES: [&str; 2] = ["core", "extra"];

/// What there is besides the profile.
pub(super) struct Given<'a> {
    pub(super) roles: &'a [RoleFiles],
    /// The board's kernel packages.
    pub(super) kernel: &'a [PackageName],
    /// The host name of a server whose profile has none.
    pub(super) hostname: String,
    /// The day that was asked for.
    pub(super) date: Option<Date>,
    /// The day where neither was one asked for nor does the profile name one.
    pub(super) otherwise: Date,
}

/// A server that is not written yet.
#[derive(Debug)]
pub(super) struct Converted {
    /// server.toml.
    pub(super) toml: String,
    /// rootfs/.
    pub(super) laid: BTreeMap<RootPath, Kind>,
    /// The files of it that are executable.
    pub(super) executable: BTreeSet<RootPath>,
    pub(super) date: Date,
    pub(super) packages: usize,
    pub(super) users: Vec<String>,
    pub(super) groups: Vec<String>,
}

/// Converts a profile, or says all that is wrong with it.
pub(super) fn convert(
    profile: &Profile,
    given: &Given<'_>,
    report: &mut Report,
) -> Result<Converted, Error> {
    let root = &profile.root;
    let mut problems = Vec::new();
    for directory in &profile.boot_directories {
        report.left(Left::BootLoader, format!("{directory}/"), None);
    }
    let (pacman, date) = repositories(profile, given, report);
    let packages = packages(profile, given, &pacman, report, &mut problems);
    let [passwd, shadow, group] = profile.account_files.each_ref().map(Option::as_ref);
    let accounts = Accounts::read(passwd, shadow, group, &mut problems);
    let declared = declared::declare(&accounts, root, report);
    let laid = plan::plan(&profile.airootfs, &accounts, given.roles, report);
    let own = [new::ROOT_KEYS.trim_start_matches("rootfs")];
    problems.extend(plan::check(&laid, given.roles, &own, &root.join(AIROOTFS)));
    if !problems.is_empty() {
        return Err(Error::Profile(Problems::from_found(problems)));
    }
    let found = profile.airootfs.iter().map(|found| found.path.clone()).collect();
    let tree = Tree { laid: &laid, found: &found, accounts: &accounts, root };
    let ownership = ownership::decide(&tree, &profile.def.permissions, report);
    let homes = homes_to_come(&declared, &laid, report);
    let hostname = profile.hostname.as_ref().and_then(|text| hostname(text, profile, report));
    let usual = pacman.repositories == REPOSITORIES;
    let toml = server_toml::text(&Contents {
        hostname: hostname.as_ref().map_or(given.hostname.as_str(), Hostname::as_str),
        board: BOARD,
        repositories: (!usual).then_some(pacman.repositories.as_slice()),
        date,
        packages: &packages,
        declared: &declared,
        ownership: &ownership,
        homes: &homes,
    });
    Ok(Converted {
        toml,
        laid,
        executable: ownership.executable,
        date,
        packages: packages.install.len(),
        users: declared.users.iter().map(|user| user.name.to_string()).collect(),
        groups: declared.groups.iter().map(ToString::to_string).collect(),
    })
}

/// The repositories, as of the day that is decided on here.
fn repositories(profile: &Profile, given: &Given<'_>, report: &mut Report) -> (PacmanConf, Date) {
    let root = &profile.root;
    let conf = profile.pacman_conf.as_ref();
    let mut pacman = conf.map(|text| pacman_conf::read(text, root, report)).unwrap_or_default();
    let date = given.date.or(pacman.date).unwrap_or(given.otherwise);
    if let Some(conf) = conf {
        pacman.as_of(date, &place(root, &Origin::file(&conf.file)), report);
        if pacman.repositories.is_empty() {
            let at = place(root, &Origin::file(&conf.file));
            report.decide(at, "has no repository of the archive: core and extra are taken");
        }
    }
    if pacman.repositories.is_empty() {
        pacman.repositories = REPOSITORIES.map(str::to_owned).to_vec();
    }
    (pacman, date)
}

fn packages(
    profile: &Profile,
    given: &Given<'_>,
    pacman: &PacmanConf,
    report: &mut Report,
    problems: &mut Vec<Problem>,
) -> Packages {
    let mut roles = BTreeMap::new();
    for role in given.roles {
        for request in role.role.0.requests(crate::DistributionName::Arch) {
            roles.insert(request.name.clone(), role.name.to_string());
        }
    }
    let repositories = &pacman.repositories;
    let brought = Brought { kernel: given.kernel, roles: &roles, repositories };
    package_list::read(&profile.packages, &profile.root, &brought, report, problems)
}

/// What etc/hostname says, if it can be one.
fn hostname(text: &Text, profile: &Profile, report: &mut Report) -> Option<Hostname> {
    let name =
        text.text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let name = name?;
    match name.parse() {
        Ok(name) => Some(name),
        Err(refused) => {
            let message =
                format!("`{}` {refused}: the server's name is taken", name.escape_debug());
            report.decide(place(&profile.root, &Origin::file(&text.file)), message);
            None
        }
    }
}

/// The users for whom mkarchiso makes a home, and nothing is laid in it.
fn homes_to_come<'a>(
    declared: &'a Declared,
    laid: &BTreeMap<RootPath, Kind>,
    report: &mut Report,
) -> Vec<&'a User> {
    let mut homes = Vec::new();
    for user in declared.users.iter().filter(|user| user.is_person) {
        let Some(home) = &user.home else { continue };
        if !laid.contains_key(home) {
            let message = format!("{}: {home} is not made; declare it under [state]", user.name);
            report.decide("airootfs/etc/passwd", message);
            homes.push(user);
        }
    }
    homes
}
