//! Where the suites of a release lie, and those beside it.

use lock::debian::{Pocket, Request};
use lock::{Extra, OWN};

/// A suite in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    /// `bookworm-security`: what `Codename:` says, and the directory below `dists`.
    pub(crate) name: String,
    /// What a lock calls the archive: `debian`, `debian-security`.
    pub(crate) archive: String,
    /// What the store calls it: the same, or a URL.
    pub(crate) source: String,
    /// Whose it is.
    pub(crate) of: Of,
    /// Where it is named, where it is not the distribution's.
    pub(crate) place: Option<String>,
}

/// Whose packages a suite has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// The distribution's.
    Distribution,
    /// Somebody else's.
    Extra {
        /// Whether it is seen as it was on the day.
        dated: bool,
    },
    /// Those beside the definition.
    Definition,
}

impl Suite {
    /// The suites of a request, the main one first, the others in the order of [`Pocket`]
    /// whatever the order in the definition.
    pub(crate) fn of(request: &Request) -> Vec<Self> {
        let mut pockets = request.pockets.clone();
        pockets.sort();
        pockets.dedup();
        let suite = |name, archive: &str| {
            let (archive, source) = (archive.to_owned(), archive.to_owned());
            Self { name, archive, source, of: Of::Distribution, place: None }
        };
        let others = pockets.into_iter().map(|pocket| {
            let archive = match pocket {
                Pocket::Security => "debian-security",
                Pocket::Updates | Pocket::Backports => "debian",
            };
            suite(format!("{}-{}", request.suite, pocket.as_str()), archive)
        });
        std::iter::once(suite(request.suite.clone(), "debian")).chain(others).collect()
    }

    /// The suite of a repository beside the distribution's.
    pub(crate) fn of_extra(extra: &Extra, request: &Request) -> Self {
        Self {
            name: extra.suite.clone(),
            archive: extra.name.clone(),
            source: extra.url_of(request.date),
            of: Of::Extra { dated: extra.is_dated() },
            place: Some(extra.place.clone()),
        }
    }

    /// What stands for the package files beside the definition.
    pub(crate) fn of_definition() -> Self {
        let name = OWN.to_owned();
        Self { archive: name.clone(), source: name.clone(), name, of: Of::Definition, place: None }
    }

    /// The path of a file of the suite in its archive.
    pub(crate) fn path(&self, file: &str) -> String {
        format!("dists/{}/{file}", self.name)
    }

    /// What people call it, and a request: `package/NAME`.
    pub(crate) fn shown(&self) -> &str {
        if self.of == Of::Distribution { &self.name } else { &self.archive }
    }

    /// Whether a lock's index is of this one.
    pub(crate) fn is_of(&self, index: &lock::Index) -> bool {
        index.suite == self.name && index.archive == self.beside()
    }

    /// The archive, where it is not the distribution's.
    pub(crate) fn beside(&self) -> Option<String> {
        (self.of != Of::Distribution).then(|| self.archive.clone())
    }
}
