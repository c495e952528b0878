//! How packages stand to one another: `Replaces:`, as far as files go (Debian policy 7.6.1), and
//! which comes first.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::str::FromStr;

use lock::debian::Version;
use unpack::Control;

/// The places of packages in an order, as far as the packages of one tree go.
pub(super) struct Places(HashMap<(String, String), usize>);

impl Places {
    /// `order` are numbers of `controls`.
    pub(super) fn new(controls: &[Control], order: &[usize]) -> Self {
        let places =
            order.iter().enumerate().map(|(place, it)| (Self::name(&controls[*it]), place));
        Self(places.collect())
    }

    /// Whether a first package comes before a second one.
    pub(super) fn precedes(&self, one: &Control, other: &Control) -> bool {
        let place = |control| self.0.get(&Self::name(control));
        place(one).zip(place(other)).is_some_and(|(one, other)| one < other)
    }

    fn name(control: &Control) -> (String, String) {
        (control.package().to_owned(), control.architecture().to_owned())
    }
}

/// Whether a first package may take files that a second one has too.
pub(super) fn replaces(one: &Control, other: &Control) -> bool {
    one.field("Replaces").is_some_and(|field| {
        field.split(',').any(|relation| names(relation, other.package(), other.version()))
    })
}

/// Whether a relation `name[:arch] [(operator version)]` is true of a package. One that cannot be
/// read is of none.
fn names(relation: &str, package: &str, version: &str) -> bool {
    let (name, bound) = match relation.split_once('(') {
        Some((name, bound)) => (name, bound.trim().strip_suffix(')')),
        None => (relation, Some("")),
    };
    let name = name.trim().split(':').next().unwrap_or_default();
    if name != package {
        return false;
    }
    let Some(bound) = bound else { return false };
    if bound.is_empty() {
        return true;
    }
    let operator = bound.trim_end_matches(|c| !matches!(c, '<' | '=' | '>'));
    let Some(operator) = operator.split(|c| !matches!(c, '<' | '=' | '>')).next() else {
        return false;
    };
    let (Ok(bound), Ok(version)) =
        (Version::from_str(bound[operator.len()..].trim()), Version::from_str(version))
    else {
        return false;
    };
    let order = version.cmp(&bound);
    match operator {
        "<<" => order == Ordering::Less,
        "<=" | "<" => order != Ordering::Greater,
        "=" => order == Ordering::Equal,
        ">=" | ">" => order != Ordering::Less,
        ">>" => order == Ordering::Greater,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_read_as_policy_has_them() {
        assert!(names(" nginx (<< 1.22.1-8) ", "nginx", "1.22.1-7"));
        assert!(!names("nginx (<< 1.22.1-8)", "nginx", "1.22.1-8"));
        assert!(names("nginx (<=1.22.1-8)", "nginx", "1.22.1-8"));
        assert!(names("base", "base", "7"));
        assert!(names("a:any (>> 1:1.0~rc1)", "a", "1:1.0"));
        assert!(!names("a (>= 2", "a", "3"), "no bracket at the end");
        assert!(!names("ab", "a", "1"));
        assert!(!names("a (== 1)", "a", "1"));
    }
}
