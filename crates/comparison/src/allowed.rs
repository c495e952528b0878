//! The differences between our tree and apt's that are meant.

use crate::difference::{Difference, What};
use crate::pattern;

/// A difference that is meant.
#[derive(Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The paths: `*` within a name, `**` for any names.
    pub path: &'static str,
    /// What may differ there.
    pub what: &'static [What],
    /// Why.
    pub reason: &'static str,
}

const fn allow(path: &'static str, what: &'static [What], reason: &'static str) -> Allowed {
    Allowed { path, what, reason }
}

/// What may be in apt's tree only.
const GONE: &[What] = &[What::OnlyApt];
/// What may be in ours only.
const ADDED: &[What] = &[What::OnlyOurs];

/// All of them; `docs/reference/package-tree.md` has the same table.
pub const ALLOWED: [Allowed; 65] = [
    allow("etc/.updated", ADDED, "tells systemd that /etc is as new as /usr"),
    allow("var/.updated", ADDED, "the same of /var"),
    allow(
        "etc/machine-id",
        &[What::OnlyOurs, What::Content],
        "a machine's own: the first boot fills it in",
    ),
    allow(
        "var/lib/dbus/machine-id",
        &[What::OnlyApt, What::OnlyOurs, What::Kind],
        "the same: a link to it",
    ),
    allow("etc/ssh/ssh_host_*", GONE, "a machine's own keys"),
    allow("etc/ssl/certs/*.0", GONE, "a link to the machine's own certificate"),
    allow("etc/aliases.db", GONE, "has a random id; newaliases makes it"),
    allow("etc/hostname", GONE, "the definition has the host name"),
    allow("etc/resolv.conf", GONE, "mmdebstrap copies the build's"),
    allow("etc/passwd-", GONE, "backup"),
    allow("etc/group-", GONE, "backup"),
    allow("etc/shadow-", GONE, "backup"),
    allow("etc/gshadow-", GONE, "backup"),
    allow("etc/subuid-", GONE, "backup"),
    allow("etc/subgid-", GONE, "backup"),
    allow("etc/.pwd.lock", GONE, "lock file"),
    allow("etc/shells.state-", GONE, "backup"),
    allow("etc/apt/sources.list", GONE, "names the repository of the comparison"),
    allow("etc/apt/sources.list.d/**", GONE, "the same"),
    allow("var/lib/dpkg/*-old", GONE, "backup"),
    allow("var/lib/dpkg/lock", GONE, "lock file"),
    allow("var/lib/dpkg/lock-frontend", GONE, "lock file"),
    allow("var/lib/dpkg/triggers/Lock", GONE, "lock file"),
    allow(
        "var/lib/dpkg/arch",
        &[What::OnlyOurs, What::OnlyApt],
        "the architecture that dpkg has anyway",
    ),
    allow("var/lib/dpkg/parts", &[What::OnlyOurs, What::OnlyApt], "an empty directory of dpkg's"),
    allow("var/lib/dpkg/methods/**", GONE, "of dselect"),
    allow("var/lib/dpkg/available", &[What::OnlyOurs, What::OnlyApt, What::Content], "of dselect"),
    allow("var/lib/dpkg/cmethopt", GONE, "of dselect"),
    allow("var/lib/apt/extended_states", GONE, "apt's notes of what nobody asked for"),
    allow("var/lib/apt/lists/**", GONE, "of the repository of the comparison"),
    allow("var/cache/apt/archives/**", GONE, "apt's lock file"),
    allow("var/cache/debconf/*-old", GONE, "backup"),
    allow("var/lib/ucf/*.*", GONE, "backup"),
    allow("var/cache/ldconfig/aux-cache", GONE, "has inode numbers"),
    allow(
        "var/cache/man/**",
        &[What::OnlyApt, What::Content],
        "an index with times; man-db's timer makes it",
    ),
    allow(
        "var/log/**",
        &[What::OnlyApt, What::OnlyOurs, What::Content],
        "logs of the installation have times: they are emptied",
    ),
    allow(
        "var/cache/fontconfig/**",
        &[What::OnlyApt, What::OnlyOurs, What::Content],
        "made for the times of an image's directories, so that it is fresh there",
    ),
    allow("var/cache/apt/archives/partial", &[What::Mode], "apt makes it its own when it runs"),
    allow("var/lib/apt/lists/partial", &[What::Mode], "the same"),
    allow(
        "etc/ppp",
        &[What::Owner],
        "two packages have it with other owners; the one that is unpacked first decides",
    ),
    allow(
        "etc/aliases",
        &[What::Content],
        "packages add a line when a mail server is configured before them, which none asks for",
    ),
    allow("var/lib/sgml-base/supercatalog.old", &[What::OnlyApt], "backup"),
    allow(
        "etc/ssl/certs/java/cacerts",
        &[What::Content],
        "each certificate has the lock's day, and they are sorted",
    ),
    allow(
        "var/lib/ghc/package.conf.d/package.cache",
        &[What::Content],
        "in the order of names, which `ghc-pkg recache` has in the order of the directory",
    ),
    allow("var/spool/exim4/**", GONE, "mail that scripts sent to root"),
    allow(
        "var/log/journal",
        &[What::Attributes],
        "squashfs cannot hold access control lists; systemd-tmpfiles sets them at boot",
    ),
    allow("etc/sympa/sympa/sympa.conf.*", GONE, "backup, with the time in its name"),
    allow("etc/.git/**", GONE, "etckeeper's commits have times and inode numbers"),
    allow("etc/.git", GONE, "the same"),
    allow("etc/.etckeeper", GONE, "etckeeper's list of modes, in the order of directories"),
    allow("**/__pycache__", GONE, "has times; python makes it again in memory"),
    allow("**/__pycache__/**", GONE, "the same"),
    allow("boot/initrd.img-*", GONE, "a generation has an initramfs of its own"),
    allow("initrd.img*", GONE, "a link to it"),
    allow("var/lib/systemd/random-seed", GONE, "a secret of one machine"),
    allow("var/lib/initramfs-tools/**", GONE, "notes of the initramfs that is not made"),
    allow("dev/**", &[What::OnlyApt, What::OnlyOurs, What::Mode], "mmdebstrap makes devices"),
    allow("etc/apt/preferences.d", GONE, "mmdebstrap makes it, where no package of apt does"),
    allow("etc/fstab", GONE, "mmdebstrap makes it; a server's mounts are its state"),
    allow("var/cache/apt", GONE, "mmdebstrap makes it, where no package of apt does"),
    allow("var/lib/apt", GONE, "the same"),
    allow("var/lib/apt/lists", GONE, "the same"),
    allow("run/**", &[What::OnlyApt, What::OnlyOurs], "empty at each boot"),
    allow("usr/bin/uncompress", &[What::Names], "usrmerge copies a file of two names"),
    allow(
        "var/lib/dpkg/statoverride",
        ADDED,
        "empty, which is what dpkg reads where there is none",
    ),
];

/// The entry that allows a difference.
pub fn by(difference: &Difference) -> Option<&'static Allowed> {
    ALLOWED.iter().find(|allowed| {
        allowed.what.contains(&difference.what) && pattern::matches(allowed.path, &difference.path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::FORMS;

    /// The page that tells people what the code compares.
    const PAGE: &str = include_str!("../../../docs/reference/package-tree.md");

    /// A table of the page: everything from its first row to its last, and no row more.
    fn has_table(rows: &[String]) -> bool {
        let table = format!("|---|\n{}\n\n", rows.join("\n"));
        PAGE.contains(&table)
    }

    #[test]
    fn the_page_has_the_differences_that_are_allowed() {
        let row = |allowed: &Allowed| {
            let what: Vec<String> = allowed.what.iter().map(ToString::to_string).collect();
            format!("| `/{}` | {} | {} |", allowed.path, what.join(", "), allowed.reason)
        };
        let rows: Vec<String> = ALLOWED.iter().map(row).collect();
        assert!(has_table(&rows), "the table is:\n{}", rows.join("\n"));
    }

    #[test]
    fn the_page_has_the_texts_that_are_compared_in_a_form() {
        let rows: Vec<String> =
            FORMS.iter().map(|(path, _, why)| format!("| `/{path}` | {why} |")).collect();
        assert!(has_table(&rows), "the table is:\n{}", rows.join("\n"));
    }
}
