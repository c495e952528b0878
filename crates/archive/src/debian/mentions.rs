//! The order in which packages are first spoken of.
//!
//! Where several packages provide a name and nothing else tells them apart, apt takes the one that
//! its cache has seen last: a package is seen when its stanza is read or when an earlier stanza
//! speaks of it. That is arbitrary, but it is the choice that every Debian system has made for
//! decades, and the locks make the same.

use std::collections::HashMap;

use super::stanza::Stanza;

/// When each name was first spoken of.
#[derive(Debug, Default)]
pub(crate) struct Mentions<'a> {
    ranks: HashMap<&'a str, usize>,
}

impl<'a> Mentions<'a> {
    /// Takes in the next stanza, in the order of the lists.
    pub(crate) fn add(&mut self, stanza: &Stanza<'a>) {
        let next = self.ranks.len();
        self.ranks.entry(stanza.name).or_insert(next);
    }

    /// Earlier names have lower ranks.
    pub(crate) fn rank(&self, name: &str) -> usize {
        self.ranks.get(name).copied().unwrap_or(usize::MAX)
    }
}
