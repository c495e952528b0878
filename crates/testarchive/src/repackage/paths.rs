//! What becomes of paths that are in no list of dpkg's, or should not be where that has them.

/// Paths that no package gets. `**` is any rest, `*` anything within a name.
const DROPPED: [(&str, &str); 35] = [
    ("var/lib/dpkg/**", "dpkg's database"),
    ("etc/dpkg/**", "dpkg's configuration"),
    ("var/cache/debconf/**", "debconf's database"),
    ("var/lib/ucf/**", "ucf's database"),
    ("var/lib/pam/**", "what pam-auth-update remembers"),
    ("var/lib/shells.state", "what update-shells remembers"),
    ("var/lib/systemd/deb-systemd-helper-**", "what deb-systemd-helper remembers"),
    ("etc/systemd/system/timers.target.wants/dpkg-db-backup.timer", "dpkg's backup"),
    ("etc/init.d/**", "Arch has no System V scripts"),
    ("etc/rc*.d/**", "Arch has no System V scripts"),
    ("etc/runit/**", "Arch has no runit services"),
    ("etc/initramfs-tools/**", "the initramfs is another"),
    ("usr/share/initramfs-tools/**", "the initramfs is another"),
    ("vmlinuz*", "link to the kernel that has moved"),
    ("boot/System.map-*", "Arch's kernel has none"),
    ("boot/config-*", "Arch's kernel has it in itself"),
    ("usr/lib/modules/*/modules.alias*", "made by the hook of kmod"),
    ("usr/lib/modules/*/modules.builtin.*bin", "made by the hook of kmod"),
    ("usr/lib/modules/*/modules.dep*", "made by the hook of kmod"),
    ("usr/lib/modules/*/modules.devname", "made by the hook of kmod"),
    ("usr/lib/modules/*/modules.softdep", "made by the hook of kmod"),
    ("usr/lib/modules/*/modules.symbols*", "made by the hook of kmod"),
    ("usr/lib/udev/hwdb.bin", "made by a hook of systemd"),
    ("var/lib/systemd/catalog/database", "made by a hook of systemd"),
    ("usr/lib/sysusers.d/basic.conf", "filesystem has Debian's base users"),
    ("etc/ld.so.cache", "made by pacman"),
    ("etc/machine-id", "made by the scriptlet of systemd"),
    ("etc/.updated", "made when a tree is finished"),
    ("var/.updated", "made when a tree is finished"),
    ("usr/share/info/dir", "made by a hook of texinfo, which is not there"),
    ("var/log/btmp", "made by a hook of systemd"),
    ("var/log/lastlog", "made by a hook of systemd"),
    ("var/log/wtmp", "made by a hook of systemd"),
    ("var/log/faillog", "Arch has none"),
    ("var/log/nginx/*.log", "nginx makes them"),
];

/// Paths that a certain package gets.
const ASSIGNED: [(&str, &str); 27] = [
    ("usr/sbin/start-stop-daemon", "nginx"),
    ("etc/environment", "filesystem"),
    ("etc/group", "filesystem"),
    ("etc/gshadow", "filesystem"),
    ("etc/hosts.allow", "libwrap0"),
    ("etc/hosts.deny", "libwrap0"),
    ("etc/modules", "kmod"),
    ("etc/motd", "filesystem"),
    ("etc/mtab", "filesystem"),
    ("etc/nsswitch.conf", "filesystem"),
    ("etc/opt", "filesystem"),
    ("etc/pam.d/common-*", "pam"),
    ("etc/passwd", "filesystem"),
    ("etc/profile", "filesystem"),
    ("etc/resolv.conf", "systemd"),
    ("etc/security/opasswd", "pam"),
    ("etc/shadow", "filesystem"),
    ("etc/shells", "filesystem"),
    ("etc/ssh/sshd_config", "openssh"),
    ("etc/subgid", "shadow"),
    ("etc/subuid", "shadow"),
    ("etc/systemd/system/*.wants", "systemd"),
    ("root/**", "filesystem"),
    ("var/lib/dbus/machine-id", "dbus"),
    ("var/www/**", "nginx"),
    ("var/www", "nginx"),
    ("var/log/README", "systemd"),
];

/// Directories that are made by scripts, or are links: `filesystem` has them, or systemd.
const DIRECTORIES: [(&str, &str); 14] = [
    ("bin", "filesystem"),
    ("lib", "filesystem"),
    ("lib64", "filesystem"),
    ("sbin", "filesystem"),
    ("media", "filesystem"),
    ("mnt", "filesystem"),
    ("opt", "filesystem"),
    ("srv", "filesystem"),
    ("usr/lib64", "filesystem"),
    ("var/mail", "filesystem"),
    ("var/opt", "filesystem"),
    ("var/spool/mail", "filesystem"),
    ("var/log/journal", "systemd"),
    ("var/log/private", "systemd"),
];

/// The same with everything below.
const TREES: [(&str, &str); 6] = [
    ("usr/local", "filesystem"),
    ("var/lib/private", "systemd"),
    ("var/cache/private", "systemd"),
    ("var/lib/systemd/catalog", "systemd"),
    ("var/lib/systemd/coredump", "systemd"),
    ("var/lib/systemd/pstore", "systemd"),
];

/// Why no package gets a path, if so.
pub(super) fn dropped(path: &str) -> Option<&'static str> {
    DROPPED.iter().find(|(pattern, _)| is_like(pattern, path)).map(|(_, reason)| *reason)
}

/// The package that a path is assigned to.
pub(super) fn assigned(path: &str) -> Option<&'static str> {
    let mut named = ASSIGNED.iter().chain(&DIRECTORIES);
    let named = named.find(|(pattern, _)| is_like(pattern, path));
    let below = || {
        TREES.iter().find(|(top, _)| {
            path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    named.or_else(below).map(|(_, package)| *package)
}

/// Where a link at `path` leads, relative to the root; `/bin` and its like are below `usr`.
pub(super) fn resolved(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = match target.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => path.split('/').take(path.matches('/').count()).collect(),
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    if parts.first().is_some_and(|first| ["bin", "lib", "lib64", "sbin"].contains(first)) {
        parts.insert(0, "usr");
    }
    parts.join("/")
}

fn is_like(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((before, after)) => {
            let Some(rest) = path.strip_prefix(before) else { return false };
            if let Some(after) = after.strip_prefix('*') {
                return after.is_empty();
            }
            let within = rest.split('/').next().unwrap_or(rest).len();
            (0..=within).any(|skip| rest.is_char_boundary(skip) && is_like(after, &rest[skip..]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stay_within_names_unless_they_say_so() {
        assert!(is_like("etc/rc*.d/**", "etc/rc0.d/K01udev"));
        assert!(!is_like("etc/rc*.d/**", "etc/rcx/y.d/z"));
        assert!(is_like("vmlinuz*", "vmlinuz.old"));
        assert!(!is_like("vmlinuz*", "vmlinuz/old"));
        assert_eq!(assigned("usr/local/bin"), Some("filesystem"));
        assert_eq!(assigned("usr/localized"), None);
    }

    #[test]
    fn links_lead_where_the_kernel_says() {
        assert_eq!(resolved("etc/rc0.d/K", "../init.d/x"), "etc/init.d/x");
        assert_eq!(resolved("etc/a", "/lib/systemd/x"), "usr/lib/systemd/x");
        assert_eq!(resolved("a", "b"), "b");
    }
}
