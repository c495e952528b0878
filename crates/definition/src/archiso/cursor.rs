//! Words of a shell script: quoting and expansions, as bash(1) has them.

use std::collections::BTreeMap;
use std::ops::Range;

use super::shell::Word;
use super::text::Text;
use crate::Problem;

/// How deep commands may lie in one another.
const DEEPEST: usize = 16;

/// What ends a word.
const ENDS: &str = " \t\r\n;&|<>()";

/// A place in a script, and the variables that are known there.
pub(super) struct Cursor<'a> {
    file: &'a Text,
    text: &'a str,
    at: usize,
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

    fn next(&mut self) -> Option<char> {
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

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
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

    fn parts(&mut self, ends: &str) -> Result<Word, Problem> {
        let start = self.at;
        let mut text = Some(String::new());
        while let Some(c) = self.peek().filter(|&c| !ends.contains(c)) {
            let here = self.at;
            match c {
                '\'' => {
                    self.at += 1;
                    push(&mut text, self.single_quoted(here)?);
                }
                '"' => {
                    self.at += 1;
                    let quoted = self.double_quoted(here, 0)?;
                    append(&mut text, quoted);
                }
                '\\' => {
                    self.at += 1;
                    match self.next() {
                        Some('\n') | None => {}
                        Some(c) => push(&mut text, c.encode_utf8(&mut [0; 4])),
                    }
                }
                '$' | '`' => {
                    let expanded = self.expansion(0)?;
                    append(&mut text, expanded);
                }
                c => {
                    self.at += c.len_utf8();
                    push(&mut text, c.encode_utf8(&mut [0; 4]));
                }
            }
        }
        Ok(Word { text, span: start..self.at })
    }

    /// What stands between `'`s, the first of which is behind us.
    fn single_quoted(&mut self, start: usize) -> Result<&'a str, Problem> {
        let inside = self.take_while(|c| c != '\'');
        match self.eat("'") {
            true => Ok(inside),
            false => Err(self.endless(start, "this text", "'")),
        }
    }

    /// What stands between `"`s, the first of which is behind us.
    fn double_quoted(&mut self, start: usize, depth: usize) -> Result<Option<String>, Problem> {
        let mut text = Some(String::new());
        loop {
            push(&mut text, self.take_while(|c| !"\"\\$`".contains(c)));
            match self.peek() {
                Some('"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some('\\') => {
                    self.at += 1;
                    match self.next() {
                        Some('\n') => {}
                        Some(c) if "\"\\$`".contains(c) => {
                            push(&mut text, c.encode_utf8(&mut [0; 4]));
                        }
                        Some(c) => push(&mut text, &format!("\\{c}")),
                        None => {}
                    }
                }
                Some(_) => {
                    let expanded = self.expansion(depth)?;
                    append(&mut text, expanded);
                }
                None => return Err(self.endless(start, "this text", "\"")),
            }
        }
    }

    /// What begins with `$` or a backtick; none: what comes of it is not known.
    fn expansion(&mut self, depth: usize) -> Result<Option<String>, Problem> {
        let start = self.at;
        if depth > DEEPEST {
            return Err(self.problem(start..start + 1, "this is nested too deeply"));
        }
        if self.eat("`") {
            return self.skip_to('`', start, depth + 1).map(|()| None);
        }
        self.at += 1;
        if self.eat("(") {
            return self.skip_to(')', start, depth + 1).map(|()| None);
        }
        if self.eat("'") {
            while let Some(c) = self.next() {
                match c {
                    '\\' => _ = self.next(),
                    '\'' => return Ok(None),
                    _ => {}
                }
            }
            return Err(self.endless(start, "this text", "'"));
        }
        if self.eat("{") {
            let name = self.name();
            if !name.is_empty() && self.eat("}") {
                return Ok(self.known.get(name).cloned());
            }
            return self.skip_to('}', start, depth + 1).map(|()| None);
        }
        match self.name() {
            // A dollar that nothing follows is a dollar; `$@`, `$1` and the like are not known.
            "" if self.peek().is_none_or(|c| !c.is_ascii_graphic() || "\"';|&)".contains(c)) => {
                Ok(Some("$".to_owned()))
            }
            "" => Ok(None),
            name => Ok(self.known.get(name).cloned()),
        }
    }

    /// Goes past the `end` of what began at `start`, over all that is quoted or nested in it.
    fn skip_to(&mut self, end: char, start: usize, depth: usize) -> Result<(), Problem> {
        let mut open = 0_usize;
        while let Some(c) = self.peek() {
            let here = self.at;
            match c {
                c if c == end && open == 0 => {
                    self.at += 1;
                    return Ok(());
                }
                '\\' => {
                    self.at += 1;
                    self.next();
                }
                '$' | '`' => _ = self.expansion(depth)?,
                '"' => {
                    self.at += 1;
                    self.double_quoted(here, depth)?;
                }
                '\'' if end != '}' => {
                    self.at += 1;
                    self.single_quoted(here)?;
                }
                '(' if end == ')' => {
                    open += 1;
                    self.at += 1;
                }
                ')' if end == ')' => {
                    open = open.saturating_sub(1);
                    self.at += 1;
                }
                c => self.at += c.len_utf8(),
            }
        }
        Err(self.endless(start, "this expansion", &end.to_string()))
    }

    fn endless(&self, start: usize, what: &str, end: &str) -> Problem {
        let hint = format!("it ends with `{end}`");
        self.problem(start..start + 1, format!("{what} has no end")).hint(hint)
    }
}

fn push(text: &mut Option<String>, more: &str) {
    if let Some(text) = text {
        text.push_str(more);
    }
}

fn append(text: &mut Option<String>, more: Option<String>) {
    match more {
        Some(more) => push(text, &more),
        None => *text = None,
    }
}
