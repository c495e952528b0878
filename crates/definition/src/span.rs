//! Where something was written: file, line, column and the line itself.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The place in a file that a value comes from, complete enough to be shown without the file.
///
/// Later stages carry it along, so that a mistake that only they can see (a permission on a path
/// that nobody lays) is still shown where it was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The file, relative to the workspace where it lies in it.
    pub file: PathBuf,
    /// The line, from 1; 0 stands for the file as a whole.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// How many characters of the line are meant.
    pub width: usize,
    /// The text of the line.
    pub text: String,
}

impl Origin {
    /// The bytes `span` of `text`, which is the content of `file`.
    pub fn new(file: &Path, text: &str, span: Range<usize>) -> Self {
        let start = floor_char(text, span.start);
        let end = floor_char(text, span.end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = text[line_start..line_end].trim_end_matches('\r');
        let column = text[line_start..start].chars().count() + 1;
        let meant = text[start..end.min(line_end)].trim_end().chars().count();
        Self {
            file: file.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column,
            width: meant.max(1),
            text: line.to_owned(),
        }
    }

    /// A file as a whole.
    pub fn file(file: &Path) -> Self {
        Self { file: file.to_owned(), line: 0, column: 0, width: 0, text: String::new() }
    }
}

/// `file:line:column`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 { write!(f, ":{}:{}", self.line, self.column) } else { Ok(()) }
    }
}

/// The start of the character that the byte `at` belongs to.
fn floor_char(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_are_counted_as_editors_do() {
        let text = "a = 1\r\nbé = \"ü\" # x\n";
        let at = text.find("\"ü\"").unwrap();
        let origin = Origin::new(Path::new("x.toml"), text, at..at + 4);
        assert_eq!((origin.line, origin.column, origin.width), (2, 6, 3));
        assert_eq!(origin.text, "bé = \"ü\" # x");
        assert_eq!(origin.to_string(), "x.toml:2:6");
    }

    #[test]
    fn a_span_past_the_end_is_the_end() {
        let origin = Origin::new(Path::new("x"), "ab", 7..9);
        assert_eq!((origin.line, origin.column), (1, 3));
    }
}
