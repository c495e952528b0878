//! The generations of a server, as the annotations of its index have them. No disk, no clock.

use std::collections::{BTreeMap, BTreeSet};

use digest::Digest;
use generation::layout::{
    ANNOTATION_CONFIRMED, ANNOTATION_LAST_NUMBER, ANNOTATION_NUMBER, ANNOTATION_PINNED, Entry,
};
use generation::{Index, Manifest};

/// One generation of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its number, in order of arrival.
    pub number: u64,
    /// The digest of its manifest.
    pub generation: Digest,
    /// Its place in the order of confirmations; the highest is the default.
    pub confirmed: Option<u64>,
    /// Whether the owner keeps it.
    pub pinned: bool,
    /// All annotations.
    pub annotations: BTreeMap<String, String>,
}

/// The index, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    index: Index,
}

impl Catalog {
    /// The generations of an index. An entry without a number gets one: it was put there by
    /// another program.
    pub fn new(mut index: Index) -> Self {
        let mut last = number(&index.annotations, ANNOTATION_LAST_NUMBER).unwrap_or(0);
        let numbers = index.manifests.iter().map(|it| number(&it.annotations, ANNOTATION_NUMBER));
        last = numbers.flatten().fold(last, u64::max);
        let mut seen = BTreeSet::new();
        for entry in &mut index.manifests {
            let known = number(&entry.annotations, ANNOTATION_NUMBER);
            if !known.is_some_and(|known| seen.insert(known)) {
                last += 1;
                set(&mut entry.annotations, ANNOTATION_NUMBER, last);
            }
        }
        set(&mut index.annotations, ANNOTATION_LAST_NUMBER, last);
        Self { index }
    }

    /// The index, to be written.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// All generations, by number.
    pub fn all(&self) -> Vec<Held> {
        let held = self.index.manifests.iter().map(|entry| Held {
            // Every entry has one since `new`.
            number: number(&entry.annotations, ANNOTATION_NUMBER).unwrap_or(0),
            generation: entry.digest,
            confirmed: number(&entry.annotations, ANNOTATION_CONFIRMED),
            pinned: entry.annotations.get(ANNOTATION_PINNED).is_some_and(|it| it == "true"),
            annotations: entry.annotations.clone(),
        });
        let mut all: Vec<_> = held.collect();
        all.sort_by_key(|held| held.number);
        all
    }

    /// The generation of this number.
    pub fn get(&self, number: u64) -> Option<Held> {
        self.all().into_iter().find(|held| held.number == number)
    }

    /// The generation of this digest.
    pub fn find(&self, generation: Digest) -> Option<Held> {
        self.all().into_iter().find(|held| held.generation == generation)
    }

    /// The generations that were confirmed, the latest first.
    pub fn confirmed(&self) -> Vec<Held> {
        let mut all: Vec<_> = self.all().into_iter().filter(|it| it.confirmed.is_some()).collect();
        all.sort_by_key(|held| std::cmp::Reverse(held.confirmed));
        all
    }

    /// The generation that was the default before the present one.
    pub fn previous(&self) -> Option<Held> {
        self.confirmed().into_iter().nth(1)
    }

    /// Adds a generation that is not there; its number.
    pub fn add(&mut self, manifest: &Manifest, annotations: BTreeMap<String, String>) -> u64 {
        let next = number(&self.index.annotations, ANNOTATION_LAST_NUMBER).unwrap_or(0) + 1;
        let mut entry = Entry::new(manifest, annotations);
        // These are the server's to give.
        entry.annotations.remove(ANNOTATION_CONFIRMED);
        entry.annotations.remove(ANNOTATION_PINNED);
        set(&mut entry.annotations, ANNOTATION_NUMBER, next);
        self.index.manifests.push(entry);
        set(&mut self.index.annotations, ANNOTATION_LAST_NUMBER, next);
        next
    }

    /// Puts the generation first in the order of confirmations. Whether that changes anything.
    pub fn confirm(&mut self, number: u64) -> bool {
        let confirmed = self.confirmed();
        if confirmed.first().is_some_and(|first| first.number == number) {
            return false;
        }
        let serial = confirmed.first().and_then(|first| first.confirmed).unwrap_or(0) + 1;
        self.entry(number, |annotations| set(annotations, ANNOTATION_CONFIRMED, serial))
    }

    /// Says whether the owner keeps the generation. Whether it is there.
    pub fn pin(&mut self, number: u64, pinned: bool) -> bool {
        self.entry(number, |annotations| {
            if pinned {
                annotations.insert(ANNOTATION_PINNED.to_owned(), "true".to_owned());
            } else {
                annotations.remove(ANNOTATION_PINNED);
            }
        })
    }

    /// Forgets a generation.
    pub fn remove(&mut self, gone: u64) {
        let stays = |entry: &Entry| number(&entry.annotations, ANNOTATION_NUMBER) != Some(gone);
        self.index.manifests.retain(stays);
    }

    fn entry(&mut self, wanted: u64, change: impl FnOnce(&mut BTreeMap<String, String>)) -> bool {
        let entry = self
            .index
            .manifests
            .iter_mut()
            .find(|entry| number(&entry.annotations, ANNOTATION_NUMBER) == Some(wanted));
        match entry {
            Some(entry) => {
                change(&mut entry.annotations);
                true
            }
            None => false,
        }
    }
}

fn number(annotations: &BTreeMap<String, String>, name: &str) -> Option<u64> {
    annotations.get(name)?.parse().ok()
}

fn set(annotations: &mut BTreeMap<String, String>, name: &str, value: u64) {
    annotations.insert(name.to_owned(), value.to_string());
}
