//! What a definition asks of the package archive.

use archive::debian;
use definition::{Constraint, Debian, Distribution, PackageRequest, Pocket, Server};
use jiff::civil::Date;

use crate::Error;

/// The request that a server's lock answers, at the date of its definition.
///
/// # Errors
/// [`Error::Distribution`] when the archive of the server's distribution is not supported.
pub(crate) fn of(server: &Server) -> Result<debian::Request, Error> {
    match &server.archive.distribution {
        Distribution::Debian(debian) => Ok(of_debian(server, debian, server.archive.date)),
        Distribution::Arch(_) => Err(Error::Distribution { server: server.name.to_string() }),
    }
}

fn of_debian(server: &Server, archive: &Debian, date: Date) -> debian::Request {
    let architecture = server.board.architecture.debian();
    debian::Request {
        pockets: archive.pockets.iter().map(pocket).collect(),
        components: archive.components.iter().map(ToString::to_string).collect(),
        install: server.install.iter().map(wanted).collect(),
        pins: server
            .pins
            .iter()
            .map(|pin| debian::Pin {
                name: pin.name.to_string(),
                version: pin.version.to_string(),
                reason: pin.reason.clone(),
            })
            .collect(),
        recommends: server.recommends,
        ..debian::Request::new(archive.suite.to_string(), architecture, date)
    }
}

fn pocket(pocket: &Pocket) -> debian::Pocket {
    match pocket {
        Pocket::Updates => debian::Pocket::Updates,
        Pocket::Security => debian::Pocket::Security,
        Pocket::Backports => debian::Pocket::Backports,
    }
}

fn wanted(package: &PackageRequest) -> debian::Wanted {
    let (suite, version) = match &package.constraint {
        Constraint::Any => (None, None),
        Constraint::Suite(suite) => (Some(suite.to_string()), None),
        Constraint::Version(version) => (None, Some(version.to_string())),
    };
    debian::Wanted { name: package.name.to_string(), architecture: None, suite, version }
}
