//! What a definition asks of the package archive.

use archive::{Pin, Request, arch, debian};
use definition::{Arch, Constraint, Debian, Distribution, PackageRequest, Pocket, Server};

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
        ..debian::Request::new(archive.suite.to_string(), architecture, server.archive.date)
    }
}

fn of_arch(server: &Server, archive: &Arch) -> arch::Request {
    arch::Request {
        repositories: archive.repositories.iter().map(ToString::to_string).collect(),
        install: server.install.iter().map(of_arch_package).collect(),
        pins: server.pins.iter().map(pin).collect(),
        main_keys: archive.main_keys.iter().map(ToString::to_string).collect(),
        ..arch::Request::new(server.board.architecture.as_str(), server.archive.date)
    }
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
