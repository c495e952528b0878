//! Words of a shell script: quoting and expansions, as bash(1) has them.

use super::cursor::Cursor;
use super::shell::Word;
use crate::Problem;

/// How deep commands may lie in one another.
const DEEPEST: usize = 16;

impl<'a> Cursor<'a> {
    /// A word up to one of `ends`.
    pub(super) fn parts(&mut self, ends: &str) -> Result<Word, Problem> {
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
                return Ok(self.variable(name));
            }
            return self.skip_to('}', start, depth + 1).map(|()| None);
        }
        match self.name() {
            // A dollar that nothing follows is a dollar; `$@`, `$1` and the like are not known.
            "" if self.peek().is_none_or(|c| !c.is_ascii_graphic() || "\"';|&)".contains(c)) => {
                Ok(Some("$".to_owned()))
            }
            "" => Ok(None),
            name => Ok(self.variable(name)),
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
