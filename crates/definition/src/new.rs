//! A new server that builds and boots as it is.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use crate::archive::Day;
use crate::place::Place;
use crate::{Error, Refused, Workspace};

/// The roles that a new server is made of.
pub(crate) const ROLES: [&str; 2] = ["base", "ssh"];

/// The definition of a new server.
const SERVER_TOML: (&str, &str) = ("server.toml", include_str!("template/server.toml.in"));

/// Who may log in as root.
pub(crate) const ROOT_KEYS: &str = "rootfs/etc/ssh/authorized_keys/root";

/// What every new server has besides: where it goes below the server's directory, and what is in it.
const TEMPLATE: [(&str, &str); 3] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("src/main.rs", include_str!("template/main.rs.in")),
    (ROOT_KEYS, include_str!("template/authorized_keys.in")),
];

/// Writes `servers/NAME`, made of the roles `base` and `ssh`, with packages of the day `date`.
///
/// Returns the new directory and the files in it. Nothing is left behind when it fails.
pub fn new_server(
    workspace: &Workspace,
    name: &str,
    date: Date,
) -> Result<(PathBuf, Vec<PathBuf>), Error> {
    let place = Place::new(workspace, name)?;
    check_day(date)?;
    let mut files = template(workspace, &place)?;
    let filled = [("@HOSTNAME@", hostname(&place)), ("@DATE@", date.to_string())];
    files.insert(1, (SERVER_TOML.0, fill(SERVER_TOML.1, &filled)));
    place.fill(|dir| files.iter().try_for_each(|(file, text)| write(dir, file, text)))?;
    Ok((place.dir.clone(), files.iter().map(|(file, _)| place.dir.join(file)).collect()))
}

/// Refuses a day that no definition could have.
pub(crate) fn check_day(date: Date) -> Result<(), Error> {
    match date.to_string().parse::<Day>() {
        Ok(_) => Ok(()),
        Err(Refused { message, hint }) => Err(Error::Day { date, message, hint }),
    }
}

/// The files of [`TEMPLATE`] for a server of this place.
pub(crate) fn template(
    workspace: &Workspace,
    place: &Place,
) -> Result<Vec<(&'static str, String)>, Error> {
    let path = |name: &'static str| -> Result<String, Error> {
        let dir = workspace.package(name).ok_or(Error::NoRole { name })?;
        Ok(from_server(workspace.root(), dir))
    };
    let [base, ssh] = ROLES;
    let filled = [
        ("@NAME@", place.name.to_string()),
        ("@BASE@", path(base)?),
        ("@SSH@", path(ssh)?),
        ("@HEALTH@", path("heirloom-health")?),
    ];
    Ok(TEMPLATE.iter().map(|(file, text)| (*file, fill(text, &filled))).collect())
}

fn fill(template: &str, filled: &[(&str, String)]) -> String {
    filled.iter().fold(template.to_owned(), |text, (key, value)| text.replace(key, value))
}

/// The host name that goes without saying.
pub(crate) fn hostname(place: &Place) -> String {
    place.name.as_str().replace('_', "-").trim_matches('-').to_owned()
}

/// Writes a file below `dir`, with the directories that lead to it.
pub(crate) fn write(dir: &Path, file: &str, text: &str) -> Result<(), Error> {
    let path = dir.join(file);
    let parent = path.parent().unwrap_or(dir);
    fs::create_dir_all(parent).map_err(|error| Error::write(parent, error))?;
    fs::write(&path, text).map_err(|error| Error::write(&path, error))
}

/// The way from a server's directory to `dir`: relative where both lie in the workspace.
fn from_server(root: &Path, dir: &Path) -> String {
    match dir.strip_prefix(root) {
        Ok(inside) => format!("../../{}", inside.display()),
        Err(_) => dir.display().to_string(),
    }
}
