//! An archive that is made up: suites, packages, and sources that have them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;

use archive::debian::{Archive, Files, Keyring};
use archive::{Cause, Error};
use digest::Digest;
use jiff::civil::Date;
use lock::Lock;
use lock::debian::Request;
use store::Item;

use crate::certificate::Certificate;

/// The day of all requests.
pub(crate) const TODAY: Date = jiff::civil::date(2020, 6, 15);

/// Sources of one archive.
pub(crate) struct Fake {
    pub(crate) certificate: Certificate,
    /// Each source with the signed file that it has for a path.
    sources: Vec<(String, HashMap<String, String>)>,
    /// Files by digest, whatever source has them.
    files: HashMap<Digest, Vec<u8>>,
    kept: RefCell<HashMap<Digest, Vec<u8>>>,
}

/// A suite to be signed.
#[derive(Clone)]
pub(crate) struct Suite<'s> {
    pub(crate) name: &'s str,
    pub(crate) date: &'s str,
    pub(crate) not_automatic: bool,
    /// Packages by architecture, with only the fields that matter.
    pub(crate) lists: &'s [(&'s str, &'s str)],
}

impl Default for Suite<'_> {
    fn default() -> Self {
        Self {
            name: "x",
            date: "Mon, 01 Jun 2020 12:00:00 UTC",
            not_automatic: false,
            lists: &[("amd64", "")],
        }
    }
}

impl Fake {
    /// No source yet.
    pub(crate) fn empty() -> Self {
        Self {
            certificate: Certificate::good(1),
            sources: Vec::new(),
            files: HashMap::new(),
            kept: RefCell::default(),
        }
    }

    /// One source with one suite `x` of one list.
    pub(crate) fn of(packages: &str) -> Self {
        let mut fake = Self::empty();
        fake.add("mirror", &Suite { lists: &[("amd64", packages)], ..Suite::default() });
        fake
    }

    /// Gives a source a suite.
    pub(crate) fn add(&mut self, source: &str, suite: &Suite<'_>) {
        let release = self.release(suite);
        let signed = self.certificate.sign(&release);
        self.add_signed(source, suite.name, signed);
    }

    /// Gives a source any bytes for the signed file of a suite.
    pub(crate) fn add_signed(&mut self, source: &str, suite: &str, signed: String) {
        let path = format!("dists/{suite}/InRelease");
        match self.sources.iter_mut().find(|(name, _)| name == source) {
            Some((_, files)) => {
                files.insert(path, signed);
            }
            None => self.sources.push((source.to_owned(), HashMap::from([(path, signed)]))),
        }
    }

    /// The Release file of a suite, whose lists are had by digest from now on.
    pub(crate) fn release(&mut self, suite: &Suite<'_>) -> String {
        let mut text = format!("Suite: stable\nCodename: {}\nDate: {}\n", suite.name, suite.date);
        if suite.not_automatic {
            text.push_str("NotAutomatic: yes\nButAutomaticUpgrades: yes\n");
        }
        text.push_str("SHA256:\n");
        for (architecture, packages) in suite.lists {
            let list = full(packages, architecture).into_bytes();
            let digest = Digest::of(&list);
            writeln!(text, " {} {} main/binary-{architecture}/Packages", digest.hex(), list.len())
                .unwrap();
            self.files.insert(digest, list);
        }
        text
    }

    pub(crate) fn archive(&self) -> Archive<'_> {
        Archive::new(self, Keyring::parse(&self.certificate.public()).unwrap())
    }

    /// Resolves a request; packages with their versions, sorted.
    pub(crate) fn resolve(&self, request: &Request) -> Result<Vec<String>, Error> {
        Ok(names(&self.archive().resolve(request, None)?))
    }

    /// What is installed for some packages.
    pub(crate) fn install(&self, packages: &[&str]) -> Vec<String> {
        self.resolve(&request(packages)).unwrap()
    }

    /// The chain that is shown when packages cannot be installed.
    pub(crate) fn conflict(&self, packages: &[&str]) -> String {
        match self.resolve(&request(packages)) {
            Err(Error::Unsatisfiable { explanation }) => explanation,
            other => panic!("{other:?}"),
        }
    }
}

impl Files for Fake {
    fn find(
        &self,
        _: &str,
        path: &str,
        _: Date,
        accept: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), Cause> {
        let mut reasons = Vec::new();
        for (source, files) in &self.sources {
            match files.get(path).map(|signed| accept(signed.as_bytes())) {
                Some(Ok(())) => return Ok(()),
                Some(Err(why)) => reasons.push(format!("{source}: {why}")),
                None => reasons.push(format!("{source}: not found")),
            }
        }
        Err(reasons.join("\n").into())
    }

    fn file(&self, item: &Item) -> Result<Vec<u8>, Cause> {
        self.files.get(&item.digest).cloned().ok_or_else(|| "not found".into())
    }

    fn keep(&self, bytes: &[u8]) -> Result<(), Cause> {
        self.kept.borrow_mut().insert(Digest::of(bytes), bytes.to_vec());
        Ok(())
    }

    fn kept(&self, digest: Digest) -> Option<Vec<u8>> {
        self.kept.borrow().get(&digest).cloned()
    }
}

/// A request for packages of suite `x` alone.
pub(crate) fn request(packages: &[&str]) -> Request {
    let mut request = Request::new("x", "amd64", TODAY);
    request.pockets = Vec::new();
    request.install = packages.iter().map(|package| package.parse().unwrap()).collect();
    request
}

/// `name version` of each package of a lock.
pub(crate) fn names(lock: &Lock) -> Vec<String> {
    lock.packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect()
}

/// Adds the fields that every stanza has and few tests care for.
fn full(packages: &str, architecture: &str) -> String {
    let mut text = String::new();
    for stanza in packages.split("\n\n").map(str::trim).filter(|stanza| !stanza.is_empty()) {
        let stanza: String =
            stanza.lines().map(|line| format!("{}\n", line.trim_start())).collect();
        text.push_str(&stanza);
        let digest = Digest::of(format!("{stanza}{architecture}")).hex();
        for (field, value) in [
            ("Version: ", "1"),
            ("Architecture: ", architecture),
            ("Filename: ", "pool/main/p/p_1_all.deb"),
            ("Size: ", "1"),
            ("SHA256: ", &digest),
        ] {
            if !stanza.lines().any(|line| line.starts_with(field)) {
                writeln!(text, "{field}{value}").unwrap();
            }
        }
        text.push('\n');
    }
    text
}
