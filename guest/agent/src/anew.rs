//! What is made anew without anybody's doing: written by the system at every boot, or derived by a
//! program from what it finds. Nobody misses it. A path that is missing here costs a line of
//! `heirloom audit`; one that is here by mistake hides a loss.

use std::ffi::OsStr;
use std::path::{Component, Path};

/// What the system itself writes at every boot, and nobody keeps.
const ANEW: &[&str] = &[
    // Emptied at every boot on any system (file-hierarchy(7)). Not /var/tmp: it is kept elsewhere.
    "/tmp",
    // What can be lost without a loss (FHS 3.0, 5.5): font caches, manual pages, ldconfig's.
    "/var/cache",
    // systemd-update-done.service, and what ConditionNeedsUpdate= has made anew because of it.
    "/etc/.updated",
    "/var/.updated",
    "/etc/ld.so.cache",
    "/etc/udev/hwdb.bin",
    "/usr/lib/udev/hwdb.bin",
    "/var/lib/systemd/catalog",
    // When a timer elapsed last. Without its stamp it waits from the boot on.
    "/var/lib/systemd/timers",
    // A lock, without content (lckpwdf(3)), and a link to /etc/machine-id.
    "/etc/.pwd.lock",
    "/var/lib/dbus/machine-id",
    // The record of this boot, with the logins since. Those are in the journal as well, which the
    // base role keeps.
    "/var/log/wtmp",
    "/var/log/btmp",
    "/var/log/lastlog",
    "/var/log/README",
    // What apt and pacman have fetched of their archives.
    "/var/lib/apt/lists",
    "/var/lib/pacman/sync",
];

/// Directories that systemd's own tmpfiles.d and units make, for what may come. They are made anew
/// when they are empty; what is in them is somebody's.
const ANEW_EMPTY: &[&str] = &[
    "/var/lib/machines",
    "/var/lib/portables",
    "/var/lib/private",
    "/var/lib/systemd/coredump",
    "/var/lib/systemd/ephemeral-trees",
    "/var/lib/systemd/linger",
    "/var/lib/systemd/pstore",
    "/var/log/private",
];

/// Directories of these names hold what a program derives: Python compiles what it imports (PEP
/// 3147), fontconfig of version 1 lists fonts beside them.
const DERIVED_DIRECTORIES: &[&str] = &["__pycache__", ".fontconfig"];

/// Files below /usr that are derived from what lies beside them.
const DERIVED_FILES: &[&str] = &["icon-theme.cache", "mime.cache", "mimeinfo.cache", ".uuid"];

/// Whether nobody misses `path`; `empty` says that it is an empty directory.
pub(crate) fn is_made_anew(path: &Path, empty: bool) -> bool {
    let named = |known: &[&str], name: &OsStr| known.iter().any(|known| name == *known);
    let private = |name: &str| name.starts_with("systemd-private-");
    ANEW.iter().any(|anew| path.starts_with(anew))
        || (empty && ANEW_EMPTY.iter().any(|anew| path == Path::new(anew)))
        || path.components().any(|part| match part {
            Component::Normal(name) => named(DERIVED_DIRECTORIES, name),
            _ => false,
        })
        || (path.starts_with("/usr") && path.file_name().is_some_and(|it| named(DERIVED_FILES, it)))
        || is_in_a_homes_cache(path)
        // What PrivateTmp= services have in the place of /var/tmp goes when they end.
        || path.strip_prefix("/var/tmp").is_ok_and(|it| it.to_str().is_some_and(private))
}

/// `~/.cache` holds what is not essential (XDG Base Directory Specification).
fn is_in_a_homes_cache(path: &Path) -> bool {
    let inside = path.strip_prefix("/root").ok().or_else(|| {
        let home = path.strip_prefix("/home").ok()?;
        home.strip_prefix(home.components().next()?).ok()
    });
    inside.is_some_and(|inside| inside.starts_with(".cache"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_made_anew_is_told_from_what_is_missed() {
        for (path, anew) in [
            ("/etc/.updated", true),
            ("/etc/ld.so.conf", false),
            ("/etc/resolv.conf", false),
            ("/tmp/a/b", true),
            ("/tmpfile", false),
            ("/var/cache/fontconfig/a", true),
            ("/var/cache/man/index.db", true),
            ("/var/cache/ldconfig/aux-cache", true),
            ("/var/lib/a", false),
            ("/var/lib/apt/lists/deb", true),
            ("/var/lib/apt/extended_states", false),
            ("/var/log/nginx/access.log", false),
            ("/var/log/wtmp", true),
            ("/var/tmp/mine", false),
            ("/var/tmp/systemd-private-1/tmp/a", true),
            ("/usr/lib/python3/dist-packages/fail2ban/__pycache__/a.cpython-311.pyc", true),
            ("/usr/lib/python3/dist-packages/fail2ban/__pycache__", true),
            ("/srv/app/__pycache__x/a", false),
            ("/usr/share/icons/hicolor/icon-theme.cache", true),
            ("/srv/icon-theme.cache", false),
            ("/root/.cache/pip/a", true),
            ("/root/cache", false),
            ("/home/me/.cache/a", true),
            ("/home/.cache/a", false),
            ("/var/lib/private", false),
        ] {
            assert_eq!(is_made_anew(Path::new(path), false), anew, "{path}");
        }
        assert!(is_made_anew(Path::new("/var/lib/private"), true));
    }
}
