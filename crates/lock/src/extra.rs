//! Archives beside the distribution's, and package files beside the definition.

use digest::Digest;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What a lock calls the place of package files that lie beside the definition.
pub const OWN: &str = "own";

/// A further repository, whose packages its own key vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extra {
    /// What the definition calls it; a package of it is asked for as `package/NAME`.
    pub name: String,
    /// Where it lies. `{year}`, `{month}` and `{day}` stand for the day of the lock.
    pub url: String,
    /// The suite of a Debian repository; the repository's name in one of Arch.
    pub suite: String,
    /// The components of a Debian repository.
    pub components: Vec<String>,
    /// The key file.
    pub key: Vec<u8>,
    /// The fingerprint of the key in it that counts.
    pub fingerprint: String,
    /// Names that are taken from here though the distribution has them.
    pub packages: Vec<String>,
    /// Where it is written, for people.
    pub place: String,
}

/// A package file beside the definition. It is in the store, by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnFile {
    /// The name of its part, and the path below that one's directory.
    pub path: String,
    /// Its bytes.
    pub sha256: Digest,
    /// How many those are.
    pub size: u64,
    /// Where it is asked for, for people.
    pub place: String,
}

impl Extra {
    /// Whether it keeps what it was on other days.
    pub fn is_dated(&self) -> bool {
        self.url.contains('{')
    }

    /// Where it lies as it was on a day.
    pub fn url_of(&self, day: Date) -> String {
        let of_day = [
            ("{year}", format!("{:04}", day.year())),
            ("{month}", format!("{:02}", day.month())),
            ("{day}", format!("{:02}", day.day())),
        ];
        of_day.into_iter().fold(self.url.clone(), |url, (mark, text)| url.replace(mark, &text))
    }
}

/// What a request's digest covers of these.
pub(crate) fn lists(extras: &[Extra], own: &[OwnFile]) -> Vec<(&'static str, Vec<String>)> {
    let mut lists = Vec::new();
    for extra in extras {
        let Extra { name, url, suite, components, key, fingerprint, packages, place: _ } = extra;
        let plain = [name, url, suite, fingerprint].map(Clone::clone);
        let list = plain.into_iter().chain([Digest::of(key).to_string()]).collect();
        lists.push(("extra", list));
        lists.push(("extra components", components.clone()));
        lists.push(("extra packages", packages.clone()));
    }
    if !own.is_empty() {
        let mut files: Vec<_> =
            own.iter().map(|file| format!("{} {}", file.path, file.sha256)).collect();
        files.sort();
        lists.push(("own files", files));
    }
    lists
}
