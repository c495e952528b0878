//! What a definition asks of the package archive.

use std::collections::BTreeMap;

use definition::{
    Arch, AskedFor, Constraint, Debian, Distribution, PackageRequest, Pocket, Server,
};
use lock::{Extra, OwnFile, Pin, Request, arch, debian};

/// The request that a server's lock answers, at the date of its definition.
pub(crate) fn of(server: &Server) -> Request {
    match &server.archive.distribution {
        Distribution::Debian(debian) => Request::Debian(of_debian(server, debian)),
        Distribution::Arch(arch) => Request::Arch(of_arch(server, arch)),
    }
}

fn of_debian(server: &Server, archive: &Debian) -> debian::Request {
    let architecture = server.board.architecture.debian();
    debian::Request {
        pockets: archive.pockets.iter().map(pocket).collect(),
        components: archive.components.iter().map(ToString::to_string).collect(),
        install: server.install.iter().map(of_debian_package).collect(),
        pins: server.pins.iter().map(pin).collect(),
        recommends: server.recommends,
        extras: extras(server),
        own: own(server),
        asked_by: asked_by(server),
        ..debian::Request::new(archive.suite.to_string(), architecture, server.archive.date)
    }
}

fn of_arch(server: &Server, archive: &Arch) -> arch::Request {
    arch::Request {
        repositories: archive.repositories.iter().map(ToString::to_string).collect(),
        install: server.install.iter().map(of_arch_package).collect(),
        pins: server.pins.iter().map(pin).collect(),
        main_keys: archive.main_keys.iter().map(ToString::to_string).collect(),
        extras: extras(server),
        own: own(server),
        asked_by: asked_by(server),
        ..arch::Request::new(server.board.architecture.as_str(), server.archive.date)
    }
}

/// Repositories beside the distribution's.
pub(crate) fn extras(server: &Server) -> Vec<Extra> {
    let extra = |extra: &definition::Extra| Extra {
        name: extra.name.to_string(),
        url: extra.url.to_string(),
        suite: extra.suite.to_string(),
        components: extra.components.iter().map(ToString::to_string).collect(),
        key: extra.key.clone(),
        fingerprint: extra.fingerprint.to_string(),
        packages: extra.packages.iter().map(ToString::to_string).collect(),
        place: extra.origin.to_string(),
    };
    server.archive.extras.iter().map(extra).collect()
}

/// Package files beside the definition.
fn own(server: &Server) -> Vec<OwnFile> {
    let own = |file: &definition::OwnFile| OwnFile {
        path: own_path(file),
        sha256: file.sha256,
        size: file.size,
        place: file.origin.to_string(),
    };
    server.own.iter().map(own).collect()
}

/// What a lock calls a package file: the same wherever the workspace and its roles lie.
pub(crate) fn own_path(file: &definition::OwnFile) -> String {
    format!("{}/{}", file.part, file.name)
}

/// Who asks for each package: what people read when it cannot be had.
fn asked_by(server: &Server) -> BTreeMap<String, String> {
    let by = |asked: &AskedFor| {
        let kind = if asked.part == server.name { "the server" } else { "the role" };
        format!("{kind} `{}` ({})", asked.part, asked.origin)
    };
    server.asked.iter().map(|(name, asked)| (name.to_string(), by(asked))).collect()
}

fn pin(pin: &definition::Pin) -> Pin {
    Pin { name: pin.name.to_string(), version: pin.version.to_string(), reason: pin.reason.clone() }
}

fn pocket(pocket: &Pocket) -> debian::Pocket {
    match pocket {
        Pocket::Updates => debian::Pocket::Updates,
        Pocket::Security => debian::Pocket::Security,
        Pocket::Backports => debian::Pocket::Backports,
    }
}

fn of_debian_package(package: &PackageRequest) -> debian::Wanted {
    let (suite, version) = constraint(package);
    debian::Wanted { name: package.name.to_string(), architecture: None, suite, version }
}

fn of_arch_package(package: &PackageRequest) -> arch::Wanted {
    let (repository, version) = constraint(package);
    arch::Wanted { name: package.name.to_string(), repository, version }
}

/// The suite or repository that a package is to come from, and the version that it is to have.
fn constraint(package: &PackageRequest) -> (Option<String>, Option<String>) {
    match &package.constraint {
        Constraint::Any => (None, None),
        Constraint::Suite(suite) => (Some(suite.to_string()), None),
        Constraint::Version(version) => (None, Some(version.to_string())),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use definition::{Board, ServerFiles, ServerToml, compose};

    use super::*;

    /// A server on Debian whose `[packages]` is `packages`, with other tables behind.
    pub(crate) fn server(packages: &str) -> Server {
        let board = "architecture = \"x86_64\"\nfirmware = [\"bios\"]\n\
                     [kernel.debian]\npackages = [\"linux-image-amd64\"]\n";
        let (pc, folder) = ("pc".parse().unwrap(), Path::new("boards/pc"));
        let board = Board::parse(pc, folder, &folder.join("board.toml"), board).unwrap();
        let text = format!(
            "hostname = \"s\"\nboard = \"pc\"\n[archive]\ndistribution = \"debian\"\n\
             suite = \"bookworm\"\npockets = [\"backports\"]\ndate = \"2026-11-22\"\n[packages]\n{packages}"
        );
        let server = ServerFiles {
            name: "server".parse().unwrap(),
            dir: "server".into(),
            server: ServerToml::parse(Path::new("server/server.toml"), &text).unwrap(),
            laid: Vec::new(),
            laid_for: BTreeMap::new(),
            depends: BTreeSet::new(),
            bytes: 0,
        };
        compose(&server, &[], &board).unwrap()
    }

    fn debian(packages: &str) -> debian::Request {
        match of(&server(packages)) {
            Request::Debian(request) => request,
            Request::Arch(_) => panic!("asked of Arch"),
        }
    }

    #[test]
    fn what_a_server_says_of_its_packages_is_asked_for() {
        let packages = "install = [\"nginx=1.22.1-9\", \"git/backports\"]\n\
                        pin = [{ name = \"curl\", version = \"7.88\", reason = \"why\" }]\n";
        let request = debian(packages);
        let asked: Vec<_> = request.install.iter().map(ToString::to_string).collect();
        assert_eq!(asked, ["git/bookworm-backports", "linux-image-amd64", "nginx=1.22.1-9"]);
        let [pin] = &*request.pins else { panic!("{:?}", request.pins) };
        assert_eq!((&*pin.name, &*pin.version, &*pin.reason), ("curl", "7.88", "why"));
        assert_eq!(request.architectures, ["amd64"]);
    }

    #[test]
    fn recommended_packages_are_asked_for_where_the_server_wants_them_and_only_there() {
        let (with, without) = (debian("recommends = true"), debian("recommends = false"));
        assert!(with.recommends);
        assert!(!without.recommends);
        assert_eq!(without, debian(""));
        assert_ne!(with.digest(), without.digest(), "a lock would stay as it is");
    }

    #[test]
    fn repositories_and_who_asks_are_told_and_only_the_first_change_the_digest() {
        let extra = "install = [\"nginx/acme\"]\n[[archive.extra]]\nname = \"acme\"\n\
                     url = \"https://deb.example.org/{year}\"\nsuite = \"stable\"\n\
                     key = \"acme.asc\"\nfingerprint = \"0123456789ABCDEF0123456789ABCDEF01234567\"\n";
        let request = debian(extra);
        assert_eq!(request.extras[0].url_of(request.date), "https://deb.example.org/2026");
        assert_eq!(request.extras[0].place, "server/server.toml:11:8");
        assert_eq!(request.asked_by["nginx"], "the server `server` (server/server.toml:9:12)");
        let mut other = debian("install = [\"nginx\"]");
        let plain = other.digest();
        other.asked_by.clear();
        assert_eq!(other.digest(), plain);
        assert_ne!(request.digest(), plain);
    }
}
