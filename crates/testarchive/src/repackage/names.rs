//! What Arch calls Debian's packages.

/// Arch's packages that are made of Debian's packages with other names. The first gives version
/// and description.
const NAMES: [(&str, &[&str]); 43] = [
    ("acl", &["libacl1"]),
    ("attr", &["libattr1"]),
    ("audit", &["libaudit1", "libaudit-common"]),
    ("brotli", &["libbrotli1"]),
    ("bzip2", &["libbz2-1.0"]),
    ("cryptsetup", &["libcryptsetup12"]),
    ("curl", &["libcurl3-gnutls"]),
    (
        "dbus",
        &[
            "dbus",
            "dbus-bin",
            "dbus-daemon",
            "dbus-session-bus-common",
            "dbus-system-bus-common",
            "libdbus-1-3",
        ],
    ),
    ("device-mapper", &["dmsetup", "libdevmapper1.02.1"]),
    ("e2fsprogs", &["logsave", "libcom-err2"]),
    ("expat", &["libexpat1"]),
    ("fcgi", &["libfcgi0ldbl"]),
    ("filesystem", &["base-files"]),
    ("gcc-libs", &["libgcc-s1", "libstdc++6", "gcc-12-base"]),
    ("gdbm", &["libgdbm6", "libgdbm-compat4"]),
    ("git", &["git", "git-man"]),
    ("glibc", &["libc6", "libc-bin"]),
    ("gmp", &["libgmp10"]),
    ("gnutls", &["libgnutls30"]),
    ("iptables", &["libxtables12", "libip4tc2"]),
    ("kmod", &["kmod", "libkmod2"]),
    ("krb5", &["libkrb5-3", "libgssapi-krb5-2", "libk5crypto3", "libkrb5support0", "libkeyutils1"]),
    ("libcap", &["libcap2", "libcap2-bin"]),
    ("libseccomp", &["libseccomp2"]),
    ("libtirpc", &["libtirpc3", "libtirpc-common"]),
    ("libxcrypt", &["libcrypt1"]),
    ("lz4", &["liblz4-1"]),
    ("ncurses", &["ncurses-bin", "ncurses-base", "libncursesw6", "libtinfo6"]),
    ("nettle", &["libnettle8", "libhogweed6"]),
    ("nginx", &["nginx", "nginx-common"]),
    ("openssh", &["openssh-server", "openssh-client", "openssh-sftp-server"]),
    ("openssl", &["libssl3"]),
    ("pam", &["libpam0g", "libpam-modules", "libpam-modules-bin", "libpam-runtime"]),
    ("pcre2", &["libpcre2-8-0"]),
    ("perl", &["perl", "perl-base", "perl-modules-5.36", "libperl5.36"]),
    ("procps-ng", &["procps", "libproc2-0"]),
    ("shadow", &["passwd", "login", "libsemanage2", "libsemanage-common"]),
    (
        "systemd",
        &[
            "systemd",
            "udev",
            "systemd-resolved",
            "systemd-timesyncd",
            "libpam-systemd",
            "libsystemd-shared",
        ],
    ),
    ("systemd-libs", &["libsystemd0", "libudev1"]),
    ("systemd-sysvcompat", &["systemd-sysv", "sysvinit-utils"]),
    (
        "util-linux",
        &[
            "util-linux",
            "util-linux-extra",
            "bsdutils",
            "mount",
            "libblkid1",
            "libfdisk1",
            "libmount1",
            "libsmartcols1",
            "libuuid1",
        ],
    ),
    ("xz", &["liblzma5"]),
    ("zlib", &["zlib1g"]),
];

/// Packages that Arch has no use for: Debian's own way to install and configure packages, and its
/// way to make an initramfs, with what only these need. The package of the kernel's newest version is empty.
const NO_USE: [&str; 21] = [
    "adduser",
    "base-passwd",
    "cpio",
    "debconf",
    "dpkg",
    "init-system-helpers",
    "initramfs-tools",
    "initramfs-tools-core",
    "klibc-utils",
    "libdebconfclient0",
    "libklibc",
    "linux-base",
    "linux-image-amd64",
    "linux-image-cloud-amd64",
    "runit-helper",
    "sensible-utils",
    "ucf",
    "usrmerge",
    "libfile-find-rule-perl",
    "libnumber-compare-perl",
    "libtext-glob-perl",
];

/// Arch's name of a package; `None` if there is no use for it.
pub(super) fn of(debian: &str) -> Option<String> {
    if NO_USE.contains(&debian) {
        return None;
    }
    if debian.starts_with("linux-image-") {
        return Some("linux".into());
    }
    let name = NAMES.iter().find(|(_, parts)| parts.contains(&debian)).map(|(name, _)| *name);
    Some(name.unwrap_or(debian).to_owned())
}

/// Whether a package of Debian is the one whose version Arch's package has.
pub(super) fn is_main(debian: &str, name: &str) -> bool {
    let parts = NAMES.iter().find(|(arch, _)| *arch == name);
    parts.is_none_or(|(_, parts)| parts[0] == debian)
}

/// Whether a dependency of Debian's is none of Arch's: `filesystem` comes before all others, and
/// systemd is not always the init of its system.
pub(super) fn is_needless(package: &str, dependency: &str) -> bool {
    package == "filesystem" || (package, dependency) == ("systemd", "systemd-sysvcompat")
}

/// A version as Arch writes it: epoch and upstream's version, the first release of it.
pub(super) fn version(debian: &str) -> String {
    let (epoch, rest) = debian.split_once(':').map_or(("", debian), |(epoch, it)| (epoch, it));
    let upstream = rest.rsplit_once('-').map_or(rest, |(upstream, _)| upstream);
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+".contains(c);
    let upstream: String = upstream.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    let colon = if epoch.is_empty() { "" } else { ":" };
    format!("{epoch}{colon}{upstream}-1")
}

/// An architecture as Arch writes it.
pub(super) fn arch(debian: &str) -> &'static str {
    match debian {
        "all" => "any",
        "amd64" => "x86_64",
        other => panic!("the architecture {other}, which Arch has not"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_are_as_arch_writes_them() {
        assert_eq!(of("libc-bin").as_deref(), Some("glibc"));
        assert_eq!(of("bash").as_deref(), Some("bash"));
        assert_eq!(of("linux-image-6.12.95+deb12-cloud-amd64").as_deref(), Some("linux"));
        assert_eq!(of("dpkg"), None);
        assert!(is_main("libc6", "glibc") && !is_main("libc-bin", "glibc"));
        assert!(is_main("bash", "bash"));
        assert_eq!(version("1:2.39.5-0+deb12u2"), "1:2.39.5-1");
        assert_eq!(version("1.2.13.dfsg-1"), "1.2.13.dfsg-1");
        assert_eq!(version("2.0~rc-1-3"), "2.0_rc_1-1");
    }
}
