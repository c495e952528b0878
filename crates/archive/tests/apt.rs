//! The resolver's choice is apt's: the same indexes are given to both, and both name the same
//! packages in the same versions.
// Tells clippy that unwrapping is fine in all of this.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use archive::debian::{self, Request};
use archive::lock::Lock;
use digest::Digest;
use store::{Options, Store};

/// What the example servers have in common. The kernel comes from backports.
const BASE: &[&str] = &[
    "systemd",
    "systemd-sysv",
    "dbus",
    "udev",
    "iproute2",
    "systemd-resolved",
    "systemd-timesyncd",
    "openssh-server",
    "linux-image-cloud-amd64/bookworm-backports",
];

/// The example servers.
const SERVERS: &[(&str, &[&str])] = &[
    ("mailserver", &["postfix", "dovecot-imapd", "dovecot-lmtpd"]),
    ("gitserver", &["git", "nginx-light", "fcgiwrap", "cgit"]),
    ("webserver", &["nginx"]),
];

/// Sets that are harder: many alternatives, virtual packages, several providers, packages that
/// exclude each other, and some that cannot be had.
const SETS: &[(&str, &[&str])] = &[
    ("nothing but the essential", &[]),
    ("mail client, no server named", &["mutt", "bsd-mailx", "logwatch"]),
    ("mail client beside exim", &["mailutils", "exim4-daemon-heavy", "apticron"]),
    ("mail client beside postfix", &["bsd-mailx", "postfix", "mdadm", "unattended-upgrades"]),
    ("two mail servers", &["exim4-daemon-light", "postfix"]),
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
    ("a package that is not there", &["prometheus", "grafana"]),
    ("monitoring", &["prometheus", "munin", "nagios4", "zabbix-agent"]),
    ("directory", &["slapd", "sssd", "krb5-kdc"]),
    ("kernel of the release", &["linux-image-amd64", "grub-efi-amd64", "initramfs-tools"]),
    ("kernel by another initramfs", &["linux-image-amd64", "dracut"]),
    ("languages", &["ghc", "rails", "jekyll"]),
    ("perl", &["libcatalyst-perl", "libdbd-mysql-perl", "spamassassin", "amavisd-new"]),
    ("another init", &["sysvinit-core", "elogind", "dbus-x11"]),
    ("two inits", &["sysvinit-core", "systemd-sysv"]),
    ("science", &["python3-scipy", "octave", "r-base-core", "gnuplot"]),
    ("browser", &["xterm", "firefox-esr", "x11-apps"]),
    ("games", &["wesnoth", "freeciv-client-gtk"]),
    ("logs by another", &["syslog-ng-core", "logcheck"]),
];

/// The list of packages below a suite.
const LIST: &str = "main/binary-amd64/Packages.xz";

/// One set of versions, by package.
type Versions = BTreeMap<String, String>;

#[test]
fn the_choice_is_the_one_that_apt_makes() {
    let store = Store::open(Options::from_environment().unwrap()).unwrap();
    let repository = tempfile::tempdir().unwrap();
    let base = debian::resolve(&store, &request(&[]), None).unwrap();
    lay_out(&store, &base, repository.path());
    apt::update(repository.path());
    let essential = essential(repository.path(), &base);

    let mut differences = String::new();
    for (name, packages) in SETS {
        let roots: BTreeSet<_> = essential.iter().map(String::as_str).collect();
        // The resolver looks at essential packages first, each part in the order of its names.
        let asked: BTreeSet<_> = packages.iter().copied().filter(|p| !roots.contains(p)).collect();
        let asked: Vec<_> = roots.into_iter().chain(asked).collect();
        let expected = apt::install(repository.path(), &asked);
        compare(&store, name, packages, expected, &mut differences);
    }
    let installed = take_for_installed(repository.path(), &base, &essential);
    for (name, packages) in SERVERS {
        let asked: BTreeSet<_> = BASE.iter().chain(*packages).copied().collect();
        let chosen = apt::install(repository.path(), &asked.iter().copied().collect::<Vec<_>>());
        let expected = chosen.map(|chosen| installed.clone().into_iter().chain(chosen).collect());
        compare(&store, name, &asked.into_iter().collect::<Vec<_>>(), expected, &mut differences);
    }
    assert!(differences.is_empty(), "{differences}");
}

fn compare(
    store: &Store,
    name: &str,
    packages: &[&str],
    expected: Result<Versions, String>,
    differences: &mut String,
) {
    let difference = match (debian::resolve(store, &request(packages), None), expected) {
        (Ok(lock), Ok(expected)) => difference(&expected, &versions(&lock)),
        (Err(_), Err(_)) => return,
        (Ok(_), Err(apt)) => format!("  apt refuses: {apt}\n"),
        (Err(ours), Ok(_)) => format!("  apt has a choice, but {ours}\n"),
    };
    if !difference.is_empty() {
        writeln!(differences, "{name}:\n{difference}").unwrap();
    }
}

fn request(packages: &[&str]) -> Request {
    // A day after any mirror's: the newest indexes may stand for it.
    let mut request = Request::new("bookworm", "amd64", jiff::civil::date(2100, 1, 1));
    request.pockets =
        ["updates", "security", "backports"].map(|pocket| pocket.parse().unwrap()).to_vec();
    request.install = packages.iter().map(|name| name.parse().unwrap()).collect();
    request
}

fn versions(lock: &Lock) -> Versions {
    lock.packages.iter().map(|p| (p.name.clone(), p.version.clone())).collect()
}

fn difference(apt: &Versions, ours: &Versions) -> String {
    let mut text = String::new();
    for (name, version) in apt {
        if ours.get(name) != Some(version) {
            let ours = ours.get(name).map_or("nothing", String::as_str);
            writeln!(text, "  {name}: apt takes {version}, we take {ours}").unwrap();
        }
    }
    for (name, version) in ours.iter().filter(|(name, _)| !apt.contains_key(*name)) {
        writeln!(text, "  {name}: apt takes nothing, we take {version}").unwrap();
    }
    text
}

/// Lays the indexes of a lock out as a repository.
fn lay_out(store: &Store, lock: &Lock, repository: &Path) {
    let mut sources = String::new();
    for index in &lock.indexes {
        let release = fs::read_to_string(store.path(index.sha256)).unwrap();
        let digest = release
            .lines()
            .filter(|line| line.ends_with(&format!(" {LIST}")))
            .find_map(|line| Digest::from_hex(line.split_whitespace().next()?).ok())
            .unwrap();
        let folder = repository.join("dists").join(&index.suite);
        fs::create_dir_all(folder.join("main/binary-amd64")).unwrap();
        fs::write(folder.join("InRelease"), release).unwrap();
        fs::copy(store.path(digest), folder.join(LIST)).unwrap();
        let (here, suite) = (repository.display(), &index.suite);
        writeln!(sources, "deb [trusted=yes] file:{here} {suite} main").unwrap();
    }
    fs::write(repository.join("sources.list"), sources).unwrap();
}

/// The essential packages by name.
fn essential(repository: &Path, lock: &Lock) -> BTreeSet<String> {
    let lists = lists(repository, lock);
    let essential = lists.split("\n\n").filter(|stanza| stanza.contains("\nEssential: yes"));
    essential.map(|stanza| field(stanza, "Package: ")).collect()
}

/// Has apt choose for the essential packages, and takes those for installed from then on, as
/// installers do.
///
/// For what comes from another suite (`package/suite`) this is the only fair comparison: on an
/// empty system apt thinks that no candidate can satisfy a dependency whose own dependencies are
/// not installed yet, and takes everything that it can from that suite.
fn take_for_installed(repository: &Path, lock: &Lock, essential: &BTreeSet<String>) -> Versions {
    let names: Vec<_> = essential.iter().map(String::as_str).collect();
    let chosen = apt::install(repository, &names).unwrap();
    let mut status = BTreeMap::new();
    for stanza in lists(repository, lock).split("\n\n") {
        let name = field(stanza, "Package: ");
        if chosen.get(&name) == Some(&field(stanza, "Version: ")) {
            let stanza = format!("{}\nStatus: install ok installed\n\n", stanza.trim());
            status.insert(name, stanza);
        }
    }
    assert_eq!(status.len(), chosen.len());
    fs::write(repository.join("status"), status.into_values().collect::<String>()).unwrap();
    chosen
}

fn lists(repository: &Path, lock: &Lock) -> String {
    let mut lists = String::new();
    for index in &lock.indexes {
        let path = repository.join("dists").join(&index.suite).join(LIST);
        let list = fs::read(path).unwrap();
        let mut reader = liblzma::read::XzDecoder::new_multi_decoder(&list[..]);
        reader.read_to_string(&mut lists).unwrap();
        lists.push('\n');
    }
    lists
}

fn field(stanza: &str, name: &str) -> String {
    let value = stanza.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap_or_default().to_owned()
}

/// apt itself, with a root of its own below the repository.
mod apt {
    use super::*;

    /// Makes a root for apt in the repository, and reads its indexes.
    pub(super) fn update(repository: &Path) {
        for folder in ["state/lists/partial", "cache/archives/partial", "etc/preferences.d"] {
            fs::create_dir_all(repository.join(folder)).unwrap();
        }
        fs::write(repository.join("status"), "").unwrap();
        let here = repository.display();
        let configuration = format!(
            r#"
            Dir "{here}/";
            Dir::State "{here}/state";
            Dir::State::status "{here}/status";
            Dir::Cache "{here}/cache";
            Dir::Etc "{here}/etc";
            Dir::Etc::main "/dev/null";
            Dir::Etc::parts "/dev/null";
            Dir::Etc::sourcelist "{here}/sources.list";
            Dir::Etc::sourceparts "/dev/null";
            APT::Architecture "amd64";
            APT::Architectures {{ "amd64"; }};
            APT::Install-Recommends "false";
            APT::Sandbox::User "root";
            Acquire::Check-Valid-Until "false";
            Acquire::Languages "none";
            "#
        );
        fs::write(repository.join("apt.conf"), configuration).unwrap();
        run(repository, &["update"]).unwrap();
    }

    pub(super) fn install(repository: &Path, packages: &[&str]) -> Result<Versions, String> {
        let mut arguments = vec!["install", "--simulate", "--assume-yes"];
        arguments.extend(packages);
        let output = run(repository, &arguments)?;
        let installed = output.lines().filter_map(|line| {
            let mut words = line.strip_prefix("Inst ")?.split_whitespace();
            let name = words.next()?;
            Some((name.to_owned(), words.next()?.trim_start_matches('(').to_owned()))
        });
        Ok(installed.collect())
    }

    /// Runs apt-get on that repository alone; its output.
    fn run(repository: &Path, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("apt-get")
            .env("APT_CONFIG", repository.join("apt.conf"))
            .env("LC_ALL", "C.UTF-8")
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}
