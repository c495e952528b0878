//! Relations between packages: the fields Depends, Conflicts, Provides and their like
//! (Debian Policy, chapter 7; deb-control(5)).

use std::cmp::Ordering;
use std::fmt;

use lock::debian::{Version, is_package_name, is_qualifier};

/// How a version is compared: `>=` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    StrictlyEarlier,
    EarlierOrEqual,
    Equal,
    LaterOrEqual,
    StrictlyLater,
}

/// `name:qualifier (operator version)`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Relation<'a> {
    pub(crate) name: &'a str,
    /// `any`, or an architecture.
    pub(crate) qualifier: Option<&'a str>,
    pub(crate) constraint: Option<(Operator, Version)>,
}

/// Relations of which one has to hold.
pub(crate) type Alternatives<'a> = Vec<Relation<'a>>;

/// A relation field that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a relation between packages")]
pub(crate) struct RelationError(String);

impl Operator {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "<<" => Self::StrictlyEarlier,
            // The obsolete single characters include equality (Debian Policy 7.1).
            "<=" | "<" => Self::EarlierOrEqual,
            "=" => Self::Equal,
            ">=" | ">" => Self::LaterOrEqual,
            ">>" => Self::StrictlyLater,
            _ => return None,
        })
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::StrictlyEarlier => order.is_lt(),
            Self::EarlierOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::LaterOrEqual => order.is_ge(),
            Self::StrictlyLater => order.is_gt(),
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StrictlyEarlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::StrictlyLater => ">>",
        })
    }
}

impl<'a> Relation<'a> {
    /// Whether a package of that version satisfies the constraint.
    pub(crate) fn admits(&self, version: &Version) -> bool {
        match &self.constraint {
            Some((operator, wanted)) => operator.holds(version.cmp(wanted)),
            None => true,
        }
    }

    /// Whether a `Provides` of that version satisfies the constraint: one without a version
    /// satisfies only a relation without a version (Debian Policy 7.5).
    pub(crate) fn admits_provided(&self, version: Option<&Version>) -> bool {
        match version {
            Some(version) => self.admits(version),
            None => self.constraint.is_none(),
        }
    }

    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let name_end = text.find(|c: char| c == '(' || c.is_whitespace()).unwrap_or(text.len());
        let (full_name, rest) = text.split_at(name_end);
        let (name, qualifier) = match full_name.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (full_name, None),
        };
        if !is_package_name(name) || !qualifier.is_none_or(is_qualifier) {
            return None;
        }
        let constraint = match rest.trim() {
            "" => None,
            rest => {
                let inner = rest.strip_prefix('(')?.strip_suffix(')')?.trim();
                let version_start = inner.find(|c| !matches!(c, '<' | '=' | '>'))?;
                let (operator, version) = inner.split_at(version_start);
                Some((Operator::parse(operator)?, version.trim().parse().ok()?))
            }
        };
        Some(Self { name, qualifier, constraint })
    }
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(qualifier) = self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        match &self.constraint {
            Some((operator, version)) => write!(f, " ({operator} {version})"),
            None => Ok(()),
        }
    }
}

/// Reads a relation field: groups separated by commas, alternatives by bars. An empty field has no
/// groups.
pub(crate) fn parse(field: &str) -> Result<Vec<Alternatives<'_>>, RelationError> {
    field
        .split(',')
        .filter(|group| !group.trim().is_empty())
        .map(|group| {
            group
                .split('|')
                .map(|relation| {
                    Relation::parse(relation)
                        .ok_or_else(|| RelationError(relation.trim().to_owned()))
                })
                .collect()
        })
        .collect()
}

/// Writes alternatives as the archive does.
pub(crate) fn display(alternatives: &[Relation<'_>]) -> String {
    alternatives.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Relation<'_> {
        parse(text).unwrap().remove(0).remove(0)
    }

    #[test]
    fn every_form_of_relation_is_read_and_written_back() {
        for text in [
            "libc6",
            "libc6 (>= 2.36)",
            "python3:any (>= 3.11~)",
            "libfoo-1.0:amd64 (= 1:2-3)",
            "default-mta | mail-transport-agent",
            "a2 (<< 1) | b2 (>> 2) | c2 (<= 3)",
        ] {
            let groups = parse(text).unwrap();
            assert_eq!(groups.len(), 1, "{text}");
            assert_eq!(display(&groups[0]), text);
        }
    }

    #[test]
    fn groups_may_be_folded_and_spaced_at_will() {
        let groups = parse("aa,\n bb(>=1)|cc  ( = 2 ),").unwrap();
        let texts: Vec<_> = groups.iter().map(|group| display(group)).collect();
        assert_eq!(texts, ["aa", "bb (>= 1) | cc (= 2)"]);
        assert_eq!(parse("").unwrap(), Vec::<Alternatives<'_>>::new());
    }

    #[test]
    fn what_is_no_relation_is_refused() {
        for text in [
            "a",
            "-aa",
            "aa (1)",
            "aa (>= )",
            "aa (=> 1)",
            "aa (>= 1",
            "aa bb",
            "aa |",
            "aa | | bb",
            "aa:",
            "aa [amd64]",
            "aa <!nocheck>",
            "../aa",
            "aa (>= 1) bb",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn constraints_hold_as_their_operators_say() {
        let two: Version = "2".parse().unwrap();
        for (text, holds) in [
            ("aa (<< 2)", false),
            ("aa (<= 2)", true),
            ("aa (= 2)", true),
            ("aa (>= 2)", true),
            ("aa (>> 2)", false),
            ("aa (<< 3)", true),
            ("aa (>> 1)", true),
            ("aa (= 2-1)", false),
            ("aa", true),
        ] {
            assert_eq!(one(text).admits(&two), holds, "{text}");
        }
    }

    #[test]
    fn a_provides_without_version_satisfies_no_versioned_relation() {
        let two: Version = "2".parse().unwrap();
        assert!(one("aa").admits_provided(None));
        assert!(!one("aa (>= 1)").admits_provided(None));
        assert!(one("aa (>= 1)").admits_provided(Some(&two)));
        assert!(!one("aa (>= 3)").admits_provided(Some(&two)));
    }
}
