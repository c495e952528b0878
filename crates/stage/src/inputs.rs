//! What a stage reads, by name, and the key that follows from it.

use digest::Digest;
use serde::{Deserialize, Serialize};

/// Everything that a stage's result depends on. The order in which inputs are named is part of the
/// key, so a stage names them in one place, in one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    pub(crate) stage: String,
    version: u32,
    values: Vec<(String, String)>,
}

impl Inputs {
    /// The inputs of `stage`, none named yet. `version` is the stage's own constant: it is raised
    /// when the same inputs come to mean other bytes, so that old results are not reused.
    pub fn new(stage: &'static str, version: u32) -> Self {
        Self { stage: stage.to_owned(), version, values: Vec::new() }
    }

    /// Adds text, kept in full so that a change can be shown.
    #[must_use]
    pub fn text(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.push((name.to_owned(), value.into()));
        self
    }

    /// Adds bytes by their digest.
    #[must_use]
    pub fn digest(self, name: &str, value: Digest) -> Self {
        self.text(name, value.to_string())
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, name: &str, value: u64) -> Self {
        self.text(name, value.to_string())
    }

    /// The key: sha256 of the version and of every text behind its length.
    pub fn key(&self) -> Digest {
        let mut hasher = digest::Hasher::new();
        hasher.update(&self.version.to_le_bytes());
        let pairs = self.values.iter().flat_map(|(name, value)| [name, value]);
        for text in std::iter::once(&self.stage).chain(pairs) {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.finish()
    }

    /// Why a result made from `before` does not serve for `self`: one line a difference.
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.version != before.version {
            lines.push(format!("stage version {} became {}", before.version, self.version));
        }
        for (name, value) in &self.values {
            match before.values.iter().find(|(old, _)| old == name) {
                None => lines.push(format!("{name} is new")),
                Some((_, old)) if old != value => {
                    lines.push(format!("{name}: {} became {}", brief(old), brief(value)));
                }
                Some(_) => {}
            }
        }
        for (name, _) in &before.values {
            if !self.values.iter().any(|(new, _)| new == name) {
                lines.push(format!("{name} is gone"));
            }
        }
        lines
    }
}

/// At most 40 characters of one line.
fn brief(value: &str) -> String {
    let line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.is_empty() => "nothing".to_owned(),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_covers_names_values_version_and_stage() {
        let base = Inputs::new("a", 1).text("x", "1").number("y", 2);
        let others = [
            Inputs::new("b", 1).text("x", "1").number("y", 2),
            Inputs::new("a", 2).text("x", "1").number("y", 2),
            Inputs::new("a", 1).text("x", "2").number("y", 2),
            Inputs::new("a", 1).text("xy", "1").number("", 2),
        ];
        assert_eq!(base.key(), base.clone().key());
        for other in others {
            assert_ne!(base.key(), other.key(), "{other:?}");
        }
    }

    #[test]
    fn differences_are_told_by_name() {
        let before = Inputs::new("a", 1).text("lock", "old").text("gone", "");
        let after = Inputs::new("a", 2).text("lock", "new").text("fresh", "");
        assert_eq!(
            after.differences(&before),
            ["stage version 1 became 2", "lock: old became new", "fresh is new", "gone is gone"]
        );
    }
}
