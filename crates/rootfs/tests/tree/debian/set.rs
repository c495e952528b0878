//! The packages that the tests build a tree of.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::Path;

use archive::debian;
use lock::debian::Request;
use rootfs::debian::{PackageFile, Packages};

use super::deb::Deb;

/// 22 November 2026.
pub(crate) const EPOCH: u64 = 1_795_305_600;
const DATE: &str = "2026-11-22";

/// The essential packages, a user, a trigger, questions, certificates; and what differs from build
/// to build: an alias database with a random id, a machine's own certificate, compiled modules, the
/// cache of fonts.
pub(crate) const WANTED: [&str; 7] =
    ["dbus", "ca-certificates", "ucf", "postfix", "ssl-cert", "python3-minimal", "fontconfig"];

/// The essential packages, for tests that only want a tree in which scripts run.
pub(crate) const FEW: [&str; 1] = ["ucf"];

/// What ssl-cert makes for one machine.
const OWN: [&str; 2] =
    ["/etc/ssl/certs/ssl-cert-snakeoil.pem", "/etc/ssl/private/ssl-cert-snakeoil.key"];

/// A locked set of packages, all in the store.
pub(crate) struct Set {
    pub(crate) files: Vec<PackageFile>,
}

impl Set {
    pub(crate) fn fetch(wanted: &[&str]) -> Result<Self, Box<dyn Error>> {
        let store = store::Store::open(store::Options::from_environment()?)?;
        let mut request = Request::new("bookworm", "amd64", DATE.parse()?);
        request.pockets.clear();
        request.install = wanted.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
        let lock = debian::resolve(&store, &request, None)?;
        store.fetch(&lock.items())?;
        let Packages { files, .. } = Packages::of(&lock, &store, EPOCH, 1, Path::new(""));
        Ok(Self { files })
    }

    pub(crate) fn job(&self, out: &Path, threads: usize) -> Packages {
        let answers = [
            ("ca-certificates/trust_new_crts", "yes"),
            ("postfix/main_mailer_type", "Local only"),
            ("zz-other/install", "false"),
        ];
        let answers = answers.map(|(question, answer)| (question.to_owned(), answer.to_owned()));
        Packages {
            own: OWN.map(str::to_owned).to_vec(),
            files: self.files.clone(),
            architecture: "amd64".to_owned(),
            debconf: BTreeMap::from(answers),
            epoch: EPOCH,
            threads,
            out: out.to_owned(),
        }
    }
}

/// A package whose script gives up.
pub(crate) fn failing_package(directory: &Path) -> io::Result<PackageFile> {
    let postinst = "#!/bin/sh\necho these are my last words >&2\n\
                    sh -c 'echo and these are hidden; exit 3' >/dev/null 2>&1\nexit 3\n";
    Deb::new("zzz-bad")?.control("postinst", postinst)?.write(directory)
}
