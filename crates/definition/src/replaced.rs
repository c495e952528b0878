//! Files that programs change by putting another in their place, and that so cannot be state.
//!
//! A file that is kept is mounted over its path, and the kernel lets nobody rename over a mount
//! (rename(2), EBUSY). What is written in place, as systemd does with `/etc/machine-id` and the
//! random seed, can be kept; what editors, `sed -i`, `passwd` or `hostnamectl` replace cannot. A
//! symlink into state would not do: those programs replace the symlink as well. Which program does
//! what is not to be seen in an image, so the files are named here.

use crate::names::Refused;

/// Files that list accounts (shadow(5), subuid(5)).
const ACCOUNTS: [&str; 6] =
    ["/etc/group", "/etc/gshadow", "/etc/passwd", "/etc/shadow", "/etc/subgid", "/etc/subuid"];

/// Files that have a better place, with it.
const ELSEWHERE: [(&str, &str); 5] = [
    ("/etc/hostname", "the key `hostname` sets it"),
    ("/etc/ld.so.cache", "the build makes it"),
    ("/etc/machine-info", "lay it in `rootfs/etc/machine-info`; the key `hostname` sets the name"),
    ("/etc/mtab", "it is a symlink to what the kernel says"),
    ("/etc/resolv.conf", "settings of systemd-resolved: `rootfs/etc/systemd/resolved.conf.d`"),
];

/// Files of settings that belong to the definition: what replaces them is an editor, `sed -i`, or
/// the program that is named.
const SETTINGS: [(&str, &str); 24] = [
    ("/etc/adjtime", "timedatectl"),
    ("/etc/aliases", "an editor"),
    ("/etc/ca-certificates.conf", "update-ca-certificates"),
    ("/etc/crontab", "an editor"),
    ("/etc/crypttab", "an editor"),
    ("/etc/default/keyboard", "localectl"),
    ("/etc/default/locale", "update-locale"),
    ("/etc/environment", "an editor"),
    ("/etc/fstab", "an editor"),
    ("/etc/hosts", "an editor"),
    ("/etc/issue", "an editor"),
    ("/etc/locale.conf", "localectl"),
    ("/etc/locale.gen", "an editor"),
    ("/etc/localtime", "timedatectl"),
    ("/etc/mailname", "an editor"),
    ("/etc/motd", "an editor"),
    ("/etc/nsswitch.conf", "an editor"),
    ("/etc/postfix/main.cf", "postconf"),
    ("/etc/postfix/master.cf", "postconf"),
    ("/etc/profile", "an editor"),
    ("/etc/shells", "add-shell"),
    ("/etc/sudoers", "visudo"),
    ("/etc/timezone", "timedatectl"),
    ("/etc/vconsole.conf", "localectl"),
];

/// Why `path` cannot be state, if it cannot.
pub(crate) fn check(path: &str) -> Result<(), Refused> {
    if ACCOUNTS.contains(&path) {
        return Err(Refused::new(
            "cannot be kept: programs that change accounts put another file in its place, which a \
             mounted file does not allow; and users of a new generation would be missing in it",
            "declare `[users.NAME]` and `[groups.NAME]`: their ids stay the same",
        ));
    }
    if let Some((_, hint)) = ELSEWHERE.iter().find(|(known, _)| *known == path) {
        return Err(Refused::new(
            "cannot be kept: programs put another file in its place, which a mounted file does \
             not allow",
            hint,
        ));
    }
    let Some((_, program)) = SETTINGS.iter().find(|(known, _)| *known == path) else {
        return Ok(());
    };
    let message = format!(
        "cannot be kept: {program} puts another file in its place, which a mounted file does not \
         allow"
    );
    let hint = format!(
        "lay it in `rootfs{path}`; what the server itself changes belongs in a directory of state"
    );
    Err(Refused { message, hint: Some(hint) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_programs_replace_are_refused_with_what_to_do() {
        for (path, hint) in [
            ("/etc/shadow", "[users.NAME]"),
            ("/etc/hostname", "`hostname`"),
            ("/etc/aliases", "`rootfs/etc/aliases`"),
            ("/etc/localtime", "`rootfs/etc/localtime`"),
        ] {
            let refused = check(path).unwrap_err();
            assert!(refused.message.contains("in its place"), "{path}: {}", refused.message);
            assert!(refused.hint.as_ref().unwrap().contains(hint), "{path}: {:?}", refused.hint);
        }
    }

    #[test]
    fn what_is_written_in_place_and_directories_can_be_kept() {
        for path in ["/etc/machine-id", "/var/lib/systemd/random-seed", "/etc/postfix", "/srv"] {
            assert!(check(path).is_ok(), "{path}");
        }
    }
}
