//! airootfs/: what lies in it, and what becomes of each path.

use std::fs;
use std::path::{Path, PathBuf};

use super::report::{Left, Report};
use crate::{Error, RootPath, paths};

/// The directory's name in a profile.
pub(super) const AIROOTFS: &str = "airootfs";

/// Something in airootfs.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Its path on the system.
    pub(super) path: RootPath,
    pub(super) kind: FoundKind,
}

/// What it is.
#[derive(Clone, Debug)]
pub(super) enum FoundKind {
    /// With nothing in it, or with something.
    Directory { empty: bool },
    /// A file, and where it lies.
    File(PathBuf),
    /// A symlink as it was written; it is never followed.
    Symlink(String),
}

/// Everything in `airootfs`, sorted by path; what cannot be taken is reported.
pub(super) fn walk(airootfs: &Path, report: &mut Report) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    match fs::symlink_metadata(airootfs) {
        Ok(metadata) if metadata.is_dir() => {
            directory(airootfs, "", report, &mut found)?;
        }
        Ok(_) => report.decide(AIROOTFS, "is no directory: nothing of it is taken"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::read(airootfs, error)),
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Returns whether the directory is empty.
fn directory(
    dir: &Path,
    path: &str,
    report: &mut Report,
    found: &mut Vec<Found>,
) -> Result<bool, Error> {
    let failed = |error| Error::read(dir, error);
    let mut empty = true;
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        empty = false;
        let source = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let shown = format!("{AIROOTFS}{path}/{}", name.escape_debug());
        let path = entry.file_name().into_string().map(|name| format!("{path}/{name}"));
        let Some(path) = path.ok().and_then(|path| path.parse::<RootPath>().ok()) else {
            report.decide(shown, "is not taken: names are UTF-8 without control characters");
            continue;
        };
        let kind = entry.file_type().map_err(|error| Error::read(&source, error))?;
        let kind = if kind.is_dir() {
            FoundKind::Directory { empty: directory(&source, path.as_str(), report, found)? }
        } else if kind.is_symlink() {
            let target = fs::read_link(&source).map_err(|error| Error::read(&source, error))?;
            match target.into_os_string().into_string() {
                Ok(target) => FoundKind::Symlink(target),
                Err(_) => {
                    report.decide(shown, "is not taken: its target is not UTF-8");
                    continue;
                }
            }
        } else if kind.is_file() {
            FoundKind::File(source)
        } else {
            report.decide(shown, "is not taken: it is neither file, directory nor symlink");
            continue;
        };
        found.push(Found { path, kind });
    }
    Ok(empty)
}

/// What becomes of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is laid where it is.
    Kept,
    /// server.toml says it.
    Taken,
    /// It is laid elsewhere.
    Moved(RootPath),
    /// It no longer applies.
    Left(Left),
    /// It is not taken, and somebody should know why.
    Refused(String),
}

/// Paths that no longer apply, with all that is below them.
const LEFT: [(&str, Left); 26] = [
    ("/boot", Left::BootLoader),
    ("/efi", Left::BootLoader),
    ("/etc/default/grub", Left::BootLoader),
    ("/etc/grub.d", Left::BootLoader),
    ("/etc/mkinitcpio.conf", Left::Initramfs),
    ("/etc/mkinitcpio.conf.d", Left::Initramfs),
    ("/etc/mkinitcpio.d", Left::Initramfs),
    ("/etc/initcpio", Left::Initramfs),
    ("/usr/lib/initcpio", Left::Initramfs),
    ("/etc/booster.yaml", Left::Initramfs),
    ("/etc/dracut.conf", Left::Initramfs),
    ("/etc/dracut.conf.d", Left::Initramfs),
    ("/etc/pacman.d/gnupg", Left::Pacman),
    ("/etc/passwd", Left::Accounts),
    ("/etc/passwd-", Left::Accounts),
    ("/etc/shadow", Left::Accounts),
    ("/etc/shadow-", Left::Accounts),
    ("/etc/group", Left::Accounts),
    ("/etc/group-", Left::Accounts),
    ("/etc/gshadow", Left::Accounts),
    ("/etc/gshadow-", Left::Accounts),
    ("/etc/machine-id", Left::Emptied),
    ("/var/cache/pacman/pkg", Left::Emptied),
    ("/var/lib/pacman", Left::Emptied),
    ("/var/log", Left::Emptied),
    ("/var/tmp", Left::Emptied),
];

/// Units of archiso's profiles that make a keyring for pacman at every boot.
const KEYRING_UNITS: [&str; 2] = ["pacman-init.service", "etc-pacman.d-gnupg.mount"];

/// Paths that need a person, with what to do instead.
const REFUSED: [(&str, &str); 4] = [
    (
        "/root/customize_airootfs.sh",
        "is not run: say what it does by packages, rootfs/, [users], [permissions] and symlinks \
         for enabled units",
    ),
    ("/etc/fstab", "is not taken: [state] says what is kept, mount units mount the rest"),
    ("/etc/pacman.d/hooks", "is not run: rootfs/ is laid after the packages; lay what it makes"),
    (
        "/usr/share/libalpm/hooks",
        "is not run: rootfs/ is laid after the packages; lay what it makes",
    ),
];

/// What becomes of something other than a directory; `keys` are the files of authorized keys.
pub(super) fn fate(found: &Found, keys: &[(RootPath, RootPath)]) -> Fate {
    let path = &found.path;
    if let Some((_, kind)) = LEFT.iter().find(|(left, _)| path.is_within(left)) {
        return Fate::Left(*kind);
    }
    if let Some((_, instead)) = REFUSED.iter().find(|(refused, _)| path.is_within(refused)) {
        return Fate::Refused((*instead).to_owned());
    }
    if path.as_str() == "/etc/hostname" {
        return Fate::Taken;
    }
    if path.as_str().split('/').any(is_of_keyring_unit) {
        return Fate::Left(Left::Pacman);
    }
    if let FoundKind::Symlink(target) = &found.kind
        && target.rsplit('/').next().is_some_and(is_of_keyring_unit)
    {
        return Fate::Left(Left::Pacman);
    }
    if let FoundKind::File(_) = found.kind
        && let Some((_, to)) = keys.iter().find(|(from, _)| from == path)
    {
        return Fate::Moved(to.clone());
    }
    match paths::check_reachable(path.as_str()) {
        Ok(()) => Fate::Kept,
        Err(refused) => {
            let hint = refused.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            Fate::Refused(format!("is not taken: it {}{hint}", refused.message))
        }
    }
}

/// Whether a part of a path is one of [`KEYRING_UNITS`] or its drop-ins.
fn is_of_keyring_unit(part: &str) -> bool {
    KEYRING_UNITS.contains(&part.strip_suffix(".d").unwrap_or(part))
}
