//! The lock: every package file that a server is made of, by hash.
//!
//! A lock is TOML with one `[[package]]` block a file, sorted by name, so that `git diff` shows
//! what an update changes. It holds what is needed to check every file with no network, and the
//! numeric ids of the system users that the packages made. `docs/reference/lock.md` describes the
//! form key by key.
//!
//! A lock is read as hostile: what [`Lock::read`] gives out has names and versions of the
//! distribution's grammar, paths that stay below the archive's root, and no package twice.

use std::collections::BTreeMap;

use digest::Digest;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::check;

/// The form of lock that this program writes and reads.
pub const FORMAT: u32 = 1;

/// `server.lock`, or one group of `tools.lock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// [`FORMAT`].
    pub version: u32,
    /// `debian` or `arch`.
    pub distribution: String,
    /// The distribution's name of the architecture: `amd64`, `arm64`; `x86_64`.
    pub architecture: String,
    /// The day of the archive that was resolved against.
    pub date: Date,
    /// The digest of the request that was resolved: packages, pins, suites. A definition that asks
    /// for something else makes the lock stale.
    pub request: Digest,
    /// The signed indexes that the packages were found in, in the order of the definition.
    #[serde(default, rename = "index", skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Index>,
    /// Archives beside the distribution's, in the order of the definition.
    #[serde(default, rename = "source", skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// The packages, sorted by name and architecture.
    #[serde(default, rename = "package", skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<Package>,
    /// Numeric ids of users.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, u32>,
    /// Numeric ids of groups.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, u32>,
}

/// A signed index: a `Release` file of Debian, a repository database of Arch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// `bookworm`, `bookworm-backports`; `core`.
    pub suite: String,
    /// Its `Date:`; of a database the newest time in it. A later lock of the same or a later day
    /// does not accept an older one.
    pub signed: jiff::Timestamp,
    /// The sha256 of the file.
    #[serde(with = "hex")]
    pub sha256: Digest,
    /// The archive, where it is one beside the distribution's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
}

/// An archive beside the distribution's: where the packages lie whose `archive` it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The name in `archive` of a package.
    pub name: String,
    /// Where it lies, on the lock's day where it has days.
    pub url: String,
}

/// One package file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The package's name.
    pub name: String,
    /// Its version, as the archive writes it.
    pub version: String,
    /// `amd64`, `all`; `x86_64`, `any`.
    pub architecture: String,
    /// Bytes of the package file.
    pub size: u64,
    /// Its sha256.
    #[serde(with = "hex")]
    pub sha256: Digest,
    /// Where it lies in the archive, relative to the archive's root.
    pub path: String,
    /// Which archive: `debian`, `debian-security`; `archlinux`.
    pub archive: String,
    /// Arch's detached signature of the file, at `path` with `.sig` behind it. Debian signs its
    /// indexes instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

/// A detached signature, a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Its bytes.
    pub size: u64,
    /// Its sha256.
    #[serde(with = "hex")]
    pub sha256: Digest,
}

impl Lock {
    /// The digest of what the package tree is made from: the package files. How they were found
    /// (request, indexes) makes no difference to it, and ids are given to the finished tree.
    pub fn packages_digest(&self) -> Digest {
        let mut hasher = digest::Hasher::new();
        hasher.update(format!("{} {}\n", self.distribution, self.architecture).as_bytes());
        for package in &self.packages {
            hasher.update(format!("{} {}\n", package.name, package.sha256).as_bytes());
        }
        hasher.finish()
    }

    /// What keeps it from being read again, if there is anything.
    pub fn fault(&self) -> Option<String> {
        check::check(self).err().map(|fault| fault.what)
    }

    /// The files of the lock, as the store fetches them: packages, each with its signature behind
    /// it if it has one.
    pub fn items(&self) -> Vec<store::Item> {
        let packages = self.packages.iter();
        packages
            .flat_map(|package| {
                let signature = package.signature_item(self.date);
                std::iter::once(package.item(self.date)).chain(signature)
            })
            .map(|item| match self.sources.iter().find(|source| source.name == item.archive) {
                Some(source) => store::Item { archive: source.url.clone(), ..item },
                None => item,
            })
            .collect()
    }

    /// Bytes of all package files.
    pub fn size(&self) -> u64 {
        self.packages.iter().map(|package| package.size).sum()
    }

    /// The locked file of a package, in the lock's own architecture or `all`.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| {
            package.name == name
                && [&self.architecture, "all", "any"].contains(&&*package.architecture)
        })
    }
}

impl Package {
    /// The file, as the store fetches it; `date` is a day on which the archive had it.
    pub fn item(&self, date: Date) -> store::Item {
        store::Item {
            digest: self.sha256,
            size: self.size,
            name: self.path.rsplit('/').next().unwrap_or(&self.path).to_owned(),
            archive: self.archive.clone(),
            path: self.path.clone(),
            date,
        }
    }

    /// Its detached signature, as the store fetches it.
    pub fn signature_item(&self, date: Date) -> Option<store::Item> {
        let Signature { size, sha256: digest } = self.signature?;
        let package = self.item(date);
        let (name, path) = (format!("{}.sig", package.name), format!("{}.sig", package.path));
        Some(store::Item { digest, size, name, path, ..package })
    }

    /// What a package is known by: name and architecture.
    pub fn key(&self) -> (&str, &str) {
        (&self.name, &self.architecture)
    }
}

mod hex {
    use digest::Digest;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&digest.hex())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
        Digest::from_hex(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}
