//! A mistake in a definition, shown with its line, a caret and a hint.

use std::fmt;

use crate::Origin;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, in lower case.
    pub message: String,
    /// Where; the first is where the mistake is, others are what it clashes with.
    pub places: Vec<Origin>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// A mistake at `place`.
    pub fn new(place: &Origin, message: impl Into<String>) -> Self {
        Self { message: message.into(), places: vec![place.clone()], hint: None }
    }

    /// Something else that has to do with it.
    pub fn and(mut self, place: &Origin) -> Self {
        self.places.push(place.clone());
        self
    }

    /// What to do about it.
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// The message, and below it each place with its line and a caret under what is meant.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let lines = self.places.iter().map(|place| place.line.to_string().len()).max();
        let margin = " ".repeat(lines.unwrap_or(1));
        for place in &self.places {
            write!(f, "\n{margin}--> {place}")?;
            if place.line == 0 {
                continue;
            }
            // A tab has to stand above the caret's blanks as well, or the caret moves.
            let before: String = place
                .text
                .chars()
                .take(place.column - 1)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            let number = place.line;
            let width = margin.len();
            write!(f, "\n{margin} |\n{number:>width$} | {}", place.text)?;
            write!(f, "\n{margin} | {before}{}", "^".repeat(place.width))?;
        }
        Ok(())
    }
}

/// All mistakes that one reading found: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `Ok(value)` when nothing was found.
    pub(crate) fn none_or<T>(problems: Vec<Problem>, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            _ => Err(Self::from_found(problems)),
        }
    }

    /// These mistakes.
    pub(crate) fn from_found(mut problems: Vec<Problem>) -> Self {
        // Files are read in no meaningful order, and one mistake can be met twice.
        problems.sort_by(|a, b| a.places.cmp(&b.places).then_with(|| a.message.cmp(&b.message)));
        problems.dedup();
        Self(problems)
    }

    /// The mistakes themselves.
    pub(crate) fn into_found(self) -> Vec<Problem> {
        self.0
    }

    /// The mistakes, sorted by place.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// The text that says what the mistakes are of.
    pub(crate) fn of(&self, what: &'static str) -> impl fmt::Display {
        ProblemsOf(self, what)
    }

    /// The hint, when there is one mistake; those of several are part of the text.
    pub fn hint(&self) -> Option<String> {
        match self.0.as_slice() {
            [only] => only.hint.clone(),
            _ => None,
        }
    }
}

/// Mistakes, and what they are of.
struct ProblemsOf<'a>(&'a Problems, &'static str);

impl fmt::Display for ProblemsOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Problems(problems), of) = self;
        if let [only] = problems.as_slice() {
            return only.fmt(f);
        }
        write!(f, "{} mistakes in {of}", problems.len())?;
        for (number, problem) in (1..).zip(problems) {
            write!(f, "\n\n{number}. {problem}")?;
            if let Some(hint) = &problem.hint {
                write!(f, "\n   help: {hint}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of("the definition").fmt(f)
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}
