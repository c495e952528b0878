//! Where the suites of a release lie.

use lock::debian::{Pocket, Request};

/// A suite in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    /// `bookworm-security`: what `Codename:` says, and the directory below `dists`.
    pub(crate) name: String,
    /// `debian`, `debian-security`.
    pub(crate) archive: &'static str,
}

impl Suite {
    /// The suites of a request, the main one first, the others in the order of [`Pocket`]
    /// whatever the order in the definition.
    pub(crate) fn of(request: &Request) -> Vec<Self> {
        let mut pockets = request.pockets.clone();
        pockets.sort();
        pockets.dedup();
        let main = Self { name: request.suite.clone(), archive: "debian" };
        let others = pockets.into_iter().map(|pocket| Self {
            name: format!("{}-{}", request.suite, pocket.as_str()),
            archive: match pocket {
                Pocket::Security => "debian-security",
                Pocket::Updates | Pocket::Backports => "debian",
            },
        });
        std::iter::once(main).chain(others).collect()
    }

    /// The path of a file of the suite in its archive.
    pub(crate) fn path(&self, file: &str) -> String {
        format!("dists/{}/{file}", self.name)
    }
}
