//! A file of a profile, and places in it.

use std::ops::Range;
use std::path::PathBuf;

use crate::{Origin, Problem};

/// The content of a file, with the name that messages show.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) file: PathBuf,
    pub(super) text: String,
}

impl Text {
    /// The place of some bytes.
    pub(super) fn origin(&self, span: Range<usize>) -> Origin {
        Origin::new(&self.file, &self.text, span)
    }

    /// A mistake in some bytes.
    pub(super) fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem::new(&self.origin(span), message)
    }

    /// The lines without their ends, each with its place.
    pub(super) fn lines(&self) -> impl Iterator<Item = (Range<usize>, &str)> {
        let mut start = 0;
        self.text.split_inclusive('\n').map(move |line| {
            let begin = start;
            start += line.len();
            let line = line.trim_end_matches(['\n', '\r']);
            (begin..begin + line.len(), line)
        })
    }
}

#[cfg(test)]
impl Text {
    /// A text of tests.
    pub(super) fn of(text: &str) -> Self {
        Self { file: PathBuf::from("file"), text: text.to_owned() }
    }
}
