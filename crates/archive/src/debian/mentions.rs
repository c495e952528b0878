//! The order in which packages are first spoken of.
//!
//! Where several packages provide a name and nothing else tells them apart, apt takes the one that
//! its cache has seen last: a package is seen when its stanza is read or when an earlier stanza
//! speaks of it. That is arbitrary, but it is the choice that every Debian system has made for
//! decades, and the locks make the same.

use std::collections::HashMap;

use deb822_fast::borrowed::BorrowedParagraph;

/// The fields that speak of packages, in the order in which apt reads them.
const FIELDS: [&str; 9] = [
    "Pre-Depends",
    "Depends",
    "Conflicts",
    "Breaks",
    "Recommends",
    "Suggests",
    "Replaces",
    "Enhances",
    "Provides",
];

/// When each name was first spoken of.
#[derive(Debug, Default)]
pub(crate) struct Mentions<'a> {
    ranks: HashMap<&'a str, usize>,
}

impl<'a> Mentions<'a> {
    /// Takes in the next stanza, in the order of the lists.
    pub(crate) fn add(&mut self, name: &'a str, stanza: &BorrowedParagraph<'a>) {
        self.mention(name);
        let mut values = [""; FIELDS.len()];
        for field in stanza.iter() {
            if let Some(at) = FIELDS.iter().position(|name| *name == field.name()) {
                values[at] = field.as_single_line().unwrap_or_default();
            }
        }
        for relation in values.iter().flat_map(|value| value.split([',', '|'])) {
            let relation = relation.trim_start();
            let end = relation.find([' ', '(']).unwrap_or(relation.len());
            self.mention(&relation[..end]);
        }
    }

    fn mention(&mut self, name: &'a str) {
        let next = self.ranks.len();
        self.ranks.entry(name).or_insert(next);
    }

    /// Earlier names have lower ranks.
    pub(crate) fn rank(&self, name: &str) -> usize {
        self.ranks.get(name).copied().unwrap_or(usize::MAX)
    }
}
