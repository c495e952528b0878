//! Tables of a TOML file, read key by key; every mistake is collected with its place.
//!
//! `serde` would stop at the first mistake and forget where a value stood once it is in a struct.
//! Here a reader takes the keys that it knows and [`Table::finish`] reports the rest. A value that
//! could not be read is `None`, and the mistake is in the [`Reader`].

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::names::Refused;
use crate::span::Located;
use crate::{Origin, Problem, Problems, suggest};

/// Reads `text`, the content of `file`, with `parse`.
pub(crate) fn document<T>(
    file: &Path,
    text: &str,
    parse: impl FnOnce(Table<'_, '_>) -> Option<T>,
) -> Result<T, Problems> {
    let reader = Reader { file, text, problems: RefCell::default() };
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let span = |error: &toml::de::Error| error.span().unwrap_or(0..0);
        for error in &errors {
            let message = error.message().trim();
            let problem = Problem::new(&reader.origin(span(error)), message);
            reader.report(problem.hint(toml_hint(message)));
        }
        // What is left of a file with errors in it would only give further, misleading ones.
        return Problems::none_or(reader.problems.into_inner(), None);
    }
    let value = parse(Table::new(&reader, "", 0..0, root.get_ref()));
    Problems::none_or(reader.problems.into_inner(), value)
}

/// What to do about text that is no TOML, where its parser's words do not say so.
fn toml_hint(message: &str) -> Option<String> {
    let hint = match message {
        _ if message.contains("leading zero") => "modes are texts: \"0640\"",
        _ if message.contains("duplicate key") => "a key or a table is written once",
        _ => "TOML is described at https://toml.io",
    };
    Some(hint.to_owned())
}

/// The file being read and the mistakes found so far.
struct Reader<'f> {
    file: &'f Path,
    text: &'f str,
    problems: RefCell<Vec<Problem>>,
}

impl Reader<'_> {
    fn origin(&self, span: Range<usize>) -> Origin {
        Origin::new(self.file, self.text, span)
    }

    fn report(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }
}

/// A table, and which of its keys have been asked for.
pub(crate) struct Table<'r, 'i> {
    reader: &'r Reader<'r>,
    name: String,
    span: Range<usize>,
    entries: &'r DeTable<'i>,
    known: Vec<&'static str>,
}

impl<'r, 'i> Table<'r, 'i> {
    fn new(
        reader: &'r Reader<'r>,
        name: &str,
        span: Range<usize>,
        entries: &'r DeTable<'i>,
    ) -> Self {
        Self { reader, name: name.to_owned(), span, entries, known: Vec::new() }
    }

    /// Where the table begins.
    pub(crate) fn origin(&self) -> Origin {
        self.reader.origin(self.span.clone())
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a mistake that only the caller can see.
    pub(crate) fn report(&self, problem: Problem) {
        self.reader.report(problem);
    }

    /// The value of `key`, if it is there.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<Value<'r, 'i>> {
        self.known.push(key);
        let value = self.entries.get(key)?;
        Some(Value { reader: self.reader, name: key.to_owned(), value })
    }

    /// The value of a key that must be there.
    pub(crate) fn required(&mut self, key: &'static str, hint: &str) -> Option<Value<'r, 'i>> {
        let value = self.value(key);
        if value.is_none() {
            let table = if self.name.is_empty() { "" } else { &format!(" in `[{}]`", self.name) };
            let message = format!("`{key}` is missing{table}");
            self.report(Problem::new(&self.origin(), message).hint(Some(hint.to_owned())));
        }
        value
    }

    /// The table under `key`, if it is there.
    pub(crate) fn table(&mut self, key: &'static str) -> Option<Table<'r, 'i>> {
        let name = self.path(key);
        self.value(key)?.named(name).table()
    }

    /// All entries: of a table whose keys are names that the user gives.
    pub(crate) fn entries<K>(&self) -> Vec<(Located<K>, Value<'r, 'i>)>
    where
        K: FromStr<Err = Refused>,
    {
        let mut entries = Vec::new();
        for (key, value) in self.entries {
            let origin = self.reader.origin(key.span());
            let value = Value { reader: self.reader, name: self.path(key.get_ref()), value };
            match parse::<K>(key.get_ref(), &origin) {
                Ok(key) => entries.push((Located { value: key, origin }, value)),
                Err(problem) => self.report(problem),
            }
        }
        entries
    }

    /// Reports the keys that nobody asked for.
    pub(crate) fn finish(self) {
        for key in self.entries.keys() {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let table = if self.name.is_empty() { "" } else { &format!(" in `[{}]`", self.name) };
            let problem = Problem::new(
                &self.reader.origin(key.span()),
                format!("unknown key `{name}`{table}"),
            );
            let hint = suggest::hint(name, "the keys here are", self.known.iter().copied());
            let none = || format!("`[{}]` has no keys: remove it", self.name);
            self.report(problem.hint(hint.unwrap_or_else(none)));
        }
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

/// A value and the key that it stands under.
pub(crate) struct Value<'r, 'i> {
    reader: &'r Reader<'r>,
    name: String,
    value: &'r Spanned<DeValue<'i>>,
}

impl<'r, 'i> Value<'r, 'i> {
    fn named(mut self, name: String) -> Self {
        self.name = name;
        self
    }

    /// Where it stands.
    pub(crate) fn origin(&self) -> Origin {
        self.reader.origin(self.value.span())
    }

    /// Adds a mistake in this value.
    pub(crate) fn wrong(&self, message: impl Into<String>, hint: &str) {
        let problem = Problem::new(&self.origin(), message).hint(Some(hint.to_owned()));
        self.reader.report(problem);
    }

    /// Adds a mistake that the caller has described.
    pub(crate) fn report(&self, problem: Problem) {
        self.reader.report(problem);
    }

    /// A text that is a `T`.
    pub(crate) fn text<T: FromStr<Err = Refused>>(&self) -> Option<Located<T>> {
        let origin = self.origin();
        let DeValue::String(text) = self.value.get_ref() else {
            let hint = match self.value.get_ref() {
                DeValue::Table(_) | DeValue::Array(_) => {
                    format!("one text; as in {} = \"...\"", self.name)
                }
                _ => {
                    let span = self.value.span();
                    let written = self.reader.text.get(span).unwrap_or_default().trim();
                    format!("write it in quotes: \"{written}\"")
                }
            };
            self.expected("a text in quotes", hint);
            return None;
        };
        match parse(text, &origin) {
            Ok(value) => Some(Located { value, origin }),
            Err(problem) => {
                self.reader.report(problem);
                None
            }
        }
    }

    /// A list of texts that are `T`s, none twice.
    pub(crate) fn texts<T: FromStr<Err = Refused> + PartialEq>(&self) -> Option<Vec<Located<T>>> {
        let mut found: Vec<Located<T>> = Vec::new();
        for item in self.items()? {
            let Some(text) = item.text::<T>() else { continue };
            if let Some(first) = found.iter().find(|known| known.value == text.value) {
                let problem =
                    Problem::new(&text.origin, format!("listed twice in `{}`", self.name))
                        .and(&first.origin)
                        .hint("remove one of the two".to_owned());
                self.reader.report(problem);
            } else {
                found.push(text);
            }
        }
        Some(found)
    }

    /// The values of a list.
    pub(crate) fn items(&self) -> Option<Vec<Value<'r, 'i>>> {
        let DeValue::Array(items) = self.value.get_ref() else {
            self.expected("a list", "as in [\"one\", \"two\"]".to_owned());
            return None;
        };
        let value = |value| Value { reader: self.reader, name: self.name.clone(), value };
        Some(items.iter().map(value).collect())
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self) -> Option<bool> {
        let value = self.value.get_ref().as_bool();
        if value.is_none() {
            self.expected("`true` or `false`", "one of the two words, without quotes".to_owned());
        }
        value
    }

    /// Whether it is `true` or `false`.
    pub(crate) fn is_boolean(&self) -> bool {
        self.value.get_ref().is_bool()
    }

    /// Whether it is a table.
    pub(crate) fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    /// A table.
    pub(crate) fn table(&self) -> Option<Table<'r, 'i>> {
        let DeValue::Table(entries) = self.value.get_ref() else {
            self.expected("a table", format!("as in `[{}]` or {{ key = value }}", self.name));
            return None;
        };
        Some(Table::new(self.reader, &self.name, self.value.span(), entries))
    }

    fn expected(&self, what: &str, hint: String) {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "`true` or `false`",
            DeValue::Datetime(_) => "a bare date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let message = format!("`{}` is {what}, this is {found}", self.name);
        self.reader.report(Problem::new(&self.origin(), message).hint(hint));
    }
}

fn parse<T: FromStr<Err = Refused>>(text: &str, origin: &Origin) -> Result<T, Problem> {
    text.parse().map_err(|refused: Refused| {
        Problem::new(origin, format!("`{}` {}", text.escape_debug(), refused.message))
            .hint(refused.hint)
    })
}
