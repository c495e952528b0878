//! Sets of packages to choose for.

/// A name and what is asked for.
pub(crate) type Set = (&'static str, &'static [&'static str]);

/// Much of what these depend on was in `community` then: the sets are of what the two databases
/// have.
pub(crate) const SETS: &[Set] = &[
    ("nothing but the keyring", &[]),
    ("server", &["base", "linux", "openssh", "git", "nginx", "postfix"]),
    ("server with mail", &["base", "postfix", "cyrus-sasl", "cyrus-sasl-ldap"]),
    ("a group to build with", &["base-devel"]),
    ("a group of both databases", &["base-devel", "xorg", "xorg-fonts"]),
    ("two groups and a library", &["xorg-apps", "xorg-fonts", "gtk3"]),
    ("display server", &["xorg", "xorg-drivers"]),
    ("sonames", &["cups", "ghostscript", "gst-plugins-base", "gtk3", "gtk2"]),
    ("more sonames", &["boost", "icu", "poppler-glib", "qt5-base"]),
    ("virtual packages", &["java-runtime", "ttf-font", "cron"]),
    ("a kernel by what it provides", &["WIREGUARD-MODULE"]),
    ("two kernels", &["linux", "linux-lts", "linux-headers"]),
    ("an initramfs after all", &["linux", "mkinitcpio"]),
    ("databases", &["postgresql", "mariadb", "sqlite"]),
    ("python", &["python", "python-setuptools", "python2"]),
    ("compilers", &["gcc", "clang", "llvm", "ocaml", "gcc-fortran"]),
    ("files", &["nfs-utils", "xfsprogs", "btrfs-progs"]),
    ("directory", &["openldap", "krb5"]),
    ("sound", &["pulseaudio", "pulseaudio-alsa", "jack"]),
    ("versions and repositories", &["bash=5.1.004-1", "vim/extra"]),
    ("one that conflicts and provides", &["vim", "gvim"]),
    ("the same the other way", &["gvim", "vim-runtime"]),
    ("two servers of java", &["jre-openjdk", "jre8-openjdk-headless"]),
];

/// What cannot be had, for either.
pub(crate) const IMPOSSIBLE: &[Set] = &[
    ("a package that is not there", &["base", "grafana"]),
    ("a package of another repository", &["base", "linux", "openssh", "git", "nginx", "dovecot"]),
    ("a version that is not there", &["bash=9-1"]),
    ("a dependency that is not there", &["gnome"]),
    ("two dependencies that are not there", &["samba", "iptables-nft"]),
];
