//! `Replaces:`, as far as files go (Debian policy 7.6.1).

use std::cmp::Ordering;
use std::str::FromStr;

use lock::debian::Version;
use unpack::Control;

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
