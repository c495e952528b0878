//! Relations between packages as Arch writes them: `name`, `name>=1.2`, `libfoo.so=1-64`
//! (PKGBUILD(5) `depends`; libalpm's `alpm_dep_from_string`).

use std::cmp::Ordering;
use std::fmt;

use lock::arch::compare;

/// What a package needs, excludes, provides or replaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) version: Option<(Operator, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// Longer ones first: the first that fits is meant.
const OPERATORS: [(&str, Operator); 5] = [
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("=", Operator::Equal),
];

impl Relation {
    /// None when it is not of the form. What stands behind `: ` is for people.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.split_once(": ").map_or(text, |(relation, _)| relation);
        let (name, version) = match text.find(['<', '>', '=']) {
            None => (text, None),
            Some(at) => {
                let (name, rest) = text.split_at(at);
                let (sign, operator) = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign))?;
                let version = &rest[sign.len()..];
                let plain = |b: u8| b.is_ascii_graphic() && !b"<>=/".contains(&b);
                if version.is_empty() || !version.bytes().all(plain) {
                    return None;
                }
                (name, Some((*operator, version.to_owned())))
            }
        };
        is_provided_name(name).then(|| Self { name: name.to_owned(), version })
    }

    /// Whether a package of this name and version is meant.
    pub(crate) fn admits(&self, name: &str, version: &str) -> bool {
        self.name == name && self.admits_version(version)
    }

    /// Whether something that is provided is meant: any version will do for a relation without
    /// one, and one with a version is met by a version alone.
    pub(crate) fn admits_provided(&self, provided: &Self) -> bool {
        self.name == provided.name
            && match (&self.version, &provided.version) {
                (None, _) => true,
                (Some(_), Some((Operator::Equal, version))) => self.admits_version(version),
                (Some(_), _) => false,
            }
    }

    fn admits_version(&self, version: &str) -> bool {
        let Some((operator, wanted)) = &self.version else { return true };
        let order = compare(version, wanted);
        match operator {
            Operator::Less => order == Ordering::Less,
            Operator::LessOrEqual => order != Ordering::Greater,
            Operator::Equal => order == Ordering::Equal,
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::Greater => order == Ordering::Greater,
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some((operator, version)) = &self.version {
            let sign = OPERATORS.iter().find(|(_, known)| known == operator);
            write!(f, "{}{version}", sign.map_or("", |(sign, _)| sign))?;
        }
        Ok(())
    }
}

/// What is provided may be called anything: `perl(Foo::Bar)`, `libfoo.so`, `/usr/bin/vi`.
fn is_provided_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(text: &str) -> Relation {
        Relation::parse(text).unwrap()
    }

    #[test]
    fn relations_admit_versions_as_their_operator_says() {
        for (text, version, admitted) in [
            ("a", "1-1", true),
            ("a=1", "1-7", true),
            ("a=1-2", "1-7", false),
            ("a>1", "1-7", false),
            ("a>=1", "1-7", true),
            ("a<1:1", "99-1", true),
            ("a<=2", "2-1", true),
            ("a<2", "2-1", false),
        ] {
            assert_eq!(relation(text).admits("a", version), admitted, "{text} {version}");
            assert_eq!(relation(text).to_string(), text);
        }
        assert!(!relation("a").admits("b", "1-1"));
    }

    #[test]
    fn what_is_provided_without_a_version_meets_no_relation_with_one() {
        assert!(relation("a").admits_provided(&relation("a")));
        assert!(relation("a").admits_provided(&relation("a=3")));
        assert!(relation("a>2").admits_provided(&relation("a=3")));
        assert!(!relation("a>2").admits_provided(&relation("a")));
        assert!(relation("l.so=8-64").admits_provided(&relation("l.so=8-64")));
        assert!(!relation("l.so=8-64").admits_provided(&relation("l.so=7-64")));
        // Only an exact version says which one is provided.
        assert!(!relation("a>2").admits_provided(&relation("a>=3")));
    }

    #[test]
    fn what_is_no_relation_is_refused_and_a_remark_is_not_read() {
        for text in ["", "=1", "a=", "a b", "a>=", "a>=1>2", "a=1/2", "a\n"] {
            assert!(Relation::parse(text).is_none(), "{text:?}");
        }
        assert_eq!(relation("bash-completion: for tab completion").name, "bash-completion");
    }
}
