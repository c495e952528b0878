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
    /// The place of some bytes. Its line is shown to people: it says nothing to their terminals.
    pub(super) fn origin(&self, span: Range<usize>) -> Origin {
        let origin = Origin::new(&self.file, &self.text, span);
        Origin { text: shown(&origin.text), ..origin }
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

/// A text in which control characters but tabs are replaced, each by one character.
pub(super) fn shown(text: &str) -> String {
    let is_control = |c: char| c.is_control() && c != '\t';
    text.chars().map(|c| if is_control(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
impl Text {
    /// A text of tests.
    pub(super) fn of(text: &str) -> Self {
        Self { file: PathBuf::from("file"), text: text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_shown_moves_no_cursor() {
        let text = Text::of("a\n\tb\u{1b}[2Jé\n");
        let origin = text.origin(4..6);
        assert_eq!((origin.line, origin.column), (2, 3));
        assert_eq!(origin.text, "\tb\u{fffd}[2Jé");
    }
}
