//! A place in a shell script, and what can stand there.

use std::collections::BTreeMap;
use std::ops::Range;

use super::shell::Word;
use super::text::Text;
use crate::Problem;

/// What ends a word.
const ENDS: &str = " \t\r\n;&|<>()";

/// A place in a script, and the variables that are known there.
pub(super) struct Cursor<'a> {
    file: &'a Text,
    text: &'a str,
    pub(super) at: usize,
    known: BTreeMap<String, String>,
}

/// Whether it can be a variable's name.
pub(super) fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl<'a> Cursor<'a> {
    pub(super) fn new(file: &'a Text) -> Self {
        Self { file, text: &file.text, at: 0, known: BTreeMap::new() }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn back_to(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        self.file.problem(span, message)
    }

    /// What a variable is, if that is known.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.known.get(name).cloned()
    }

    /// From here on a variable has this value; none: one that is not known.
    pub(super) fn assign(&mut self, name: &str, value: Option<String>) {
        match value {
            Some(value) => self.known.insert(name.to_owned(), value),
            None => self.known.remove(name),
        };
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Goes past `text` if it stands here.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let here = self.rest().starts_with(text);
        self.at += if here { text.len() } else { 0 };
        here
    }

    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Spaces, and new lines that a backslash makes spaces.
    pub(super) fn skip_blanks(&mut self) {
        loop {
            self.take_while(|c| c == ' ' || c == '\t' || c == '\r');
            if !self.eat("\\\n") && !self.eat("\\\r\n") {
                return;
            }
        }
    }

    pub(super) fn skip_between_commands(&mut self) {
        self.skip(|c| c == '\n' || c == ';');
    }

    pub(super) fn skip_in_array(&mut self) {
        self.skip(|c| c == '\n');
    }

    /// Blanks, comments and what `also` says.
    fn skip(&mut self, also: impl Fn(char) -> bool) {
        loop {
            self.skip_blanks();
            match self.peek() {
                Some('#') => _ = self.take_while(|c| c != '\n'),
                Some(c) if also(c) => self.at += 1,
                _ => return,
            }
        }
    }

    pub(super) fn is_at_end_of_command(&self) -> bool {
        self.peek().is_none_or(|c| "\n;#".contains(c))
    }

    /// A variable's name, or nothing.
    pub(super) fn name(&mut self) -> &'a str {
        match self.peek() {
            Some(c) if c.is_ascii_digit() => "",
            _ => self.take_while(|c| c.is_ascii_alphanumeric() || c == '_'),
        }
    }

    /// The characters of a word, as they are.
    pub(super) fn plain_word(&mut self) -> &'a str {
        self.take_while(|c| !ENDS.contains(c) && !"\"'`$\\".contains(c))
    }

    /// Goes to the end of a command.
    pub(super) fn skip_command(&mut self) -> Result<(), Problem> {
        loop {
            self.skip_blanks();
            if self.is_at_end_of_command() {
                return Ok(());
            }
            if self.rest().starts_with("<<") && !self.rest().starts_with("<<<") {
                let hint = "leave it out: profiledef.sh is read, not run".to_owned();
                let problem = self.problem(self.at..self.at + 2, "a here-document cannot be read");
                return Err(problem.hint(hint));
            }
            if self.word()?.span.is_empty() {
                self.next();
            }
        }
    }

    /// A word; an empty one where none begins.
    pub(super) fn word(&mut self) -> Result<Word, Problem> {
        self.parts(ENDS)
    }

    /// A key, whose `[` is behind us, up to and past its `]`.
    pub(super) fn key(&mut self) -> Result<Word, Problem> {
        let key = self.parts("]\n")?;
        match self.eat("]") {
            true => Ok(key),
            false => Err(self.endless(key.span.start.saturating_sub(1), "this key", "]")),
        }
    }

    /// Something that has no end.
    pub(super) fn endless(&self, start: usize, what: &str, end: &str) -> Problem {
        let hint = format!("it ends with `{end}`");
        self.problem(start..start + 1, format!("{what} has no end")).hint(hint)
    }
}
