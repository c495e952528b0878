//! Sets of packages to choose for.

/// A name and what is asked for.
pub(crate) type Set = (&'static str, &'static [&'static str]);

/// Sets that are harder: many alternatives, virtual packages, several providers, packages that
/// exclude each other.
pub(crate) const SETS: &[Set] = &[
    ("nothing but the essential", &[]),
    ("mail client, no server named", &["mutt", "bsd-mailx", "logwatch"]),
    ("mail client beside exim", &["mailutils", "exim4-daemon-heavy", "apticron"]),
    ("mail client beside postfix", &["bsd-mailx", "postfix", "mdadm", "unattended-upgrades"]),
    ("default mail server", &["default-mta", "at", "cron"]),
    ("awk by another", &["gawk", "bc", "systemd"]),
    ("databases", &["postgresql", "mariadb-server", "redis-server"]),
    ("virtual mysql", &["default-mysql-server", "php-mysql"]),
    ("php", &["apache2", "libapache2-mod-php", "php-xml", "php-curl"]),
    ("php by fpm", &["nginx", "php", "php-fpm", "composer"]),
    ("python", &["python3-django", "gunicorn", "python3-psycopg2", "uwsgi-plugin-python3"]),
    ("java", &["default-jre-headless", "tomcat10", "maven"]),
    ("tex", &["texlive-latex-base", "texlive-xetex", "latexmk"]),
    ("editors", &["emacs-nox", "vim", "nano"]),
    ("build", &["build-essential", "cmake", "debhelper", "pkg-config", "clang"]),
    ("containers", &["podman", "docker.io", "buildah", "systemd-sysv"]),
    ("virtual machines", &["qemu-system-x86", "libvirt-daemon-system", "virtinst"]),
    ("desktop", &["gnome-core", "network-manager-gnome"]),
    ("another desktop", &["xfce4", "lightdm", "xorg"]),
    ("a third desktop", &["kde-plasma-desktop", "sddm", "systemd-sysv"]),
    ("tasks", &["task-desktop", "task-ssh-server"]),
    ("office", &["libreoffice-writer", "hunspell-de-de"]),
    ("dns and dhcp", &["bind9", "isc-dhcp-server", "dnsmasq"]),
    ("files", &["samba", "nfs-kernel-server", "vsftpd"]),
    ("monitoring", &["prometheus", "munin", "nagios4", "zabbix-agent"]),
    ("directory", &["slapd", "sssd", "krb5-kdc"]),
    ("kernel of the release", &["linux-image-amd64", "grub-efi-amd64", "initramfs-tools"]),
    ("kernel by another initramfs", &["linux-image-amd64", "dracut"]),
    ("languages", &["ghc", "rails", "jekyll"]),
    ("perl", &["libcatalyst-perl", "libdbd-mysql-perl", "spamassassin", "amavisd-new"]),
    ("another init", &["sysvinit-core", "elogind", "dbus-x11"]),
    ("science", &["python3-scipy", "octave", "r-base-core", "gnuplot"]),
    ("browser", &["xterm", "firefox-esr", "x11-apps"]),
    ("games", &["wesnoth", "freeciv-client-gtk"]),
    ("logs by another", &["syslog-ng-core", "logcheck"]),
];

/// Packages of trixie that are asked for from backports: kernels, whose images need a linux-base that
/// only backports have, and others that bring newer versions of what they need.
pub(crate) const BACKPORTS: &[Set] = &[
    ("kernel for the cloud, of backports", &["linux-image-cloud-amd64"]),
    ("kernel for real machines, of backports", &["linux-image-amd64"]),
];

/// Packages of which several suites have a version each, none of them in the base system: every one
/// is asked for by its version.
pub(crate) const VERSIONS: &[&str] = &["linux-image-cloud-amd64", "tzdata"];

/// The same, where the first depends on its own version of the second.
pub(crate) const TIED: (&str, &str) = ("curl", "libcurl4");

/// What cannot be had, for either.
pub(crate) const IMPOSSIBLE: &[Set] = &[
    ("two mail servers", &["exim4-daemon-light", "postfix"]),
    ("two inits", &["sysvinit-core", "systemd-sysv"]),
];

/// What nobody has: the last is not there.
pub(crate) const UNKNOWN: Set = ("a package that is not there", &["prometheus", "grafana"]);
