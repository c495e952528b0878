//! Versions of Arch's packages and their order, as libalpm's `alpm_pkg_vercmp` has it (vercmp(8),
//! PKGBUILD(5) `pkgver`): `[epoch:]version[-release]`.
//!
//! The order is not total: a release that only one of two versions has is left out of account, so
//! `1-1` and `1-2` are both equal to `1` and not to each other. Hence a function and no `Ord`.

use std::cmp::Ordering;

/// How two versions are ordered: by epoch, version and, where both have one, release.
pub fn compare(one: &str, other: &str) -> Ordering {
    if one == other {
        return Ordering::Equal;
    }
    let (one, other) = (Parts::of(one), Parts::of(other));
    segments(one.epoch, other.epoch).then_with(|| segments(one.version, other.version)).then_with(
        || match (one.release, other.release) {
            (Some(one), Some(other)) => segments(one, other),
            _ => Ordering::Equal,
        },
    )
}

/// Whether text may be the whole version of a package: `1:2.3-4`, `2.3-4.1`.
pub fn is_version(text: &str) -> bool {
    let parts = Parts::of(text);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_release = |text: &str| text.split('.').all(is_number);
    // makepkg forbids `:`, `/`, `-` and blanks in `pkgver`. What else it allows and nobody uses is
    // not worth a path of odd characters.
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+~".contains(c);
    text.len() <= 255
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && is_number(parts.epoch)
        && parts.version.starts_with(|c: char| c.is_ascii_alphanumeric())
        && parts.version.chars().all(plain)
        && parts.release.is_some_and(is_release)
}

struct Parts<'t> {
    epoch: &'t str,
    version: &'t str,
    release: Option<&'t str>,
}

impl<'t> Parts<'t> {
    fn of(text: &'t str) -> Self {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (epoch, rest) = match text[digits..].strip_prefix(':') {
            // An epoch that is left out is 0, also before a colon.
            Some(rest) => (if digits == 0 { "0" } else { &text[..digits] }, rest),
            None => ("0", text),
        };
        // A dash in the digits before a colon cannot be: the last one is in `rest` if anywhere.
        let (version, release) = match rest.rsplit_once('-') {
            Some((version, release)) => (version, Some(release)),
            None => (rest, None),
        };
        Self { epoch, version, release }
    }
}

/// rpm's order: runs of digits as numbers, runs of letters as text, anything else separates.
fn segments(one: &str, other: &str) -> Ordering {
    if one == other {
        return Ordering::Equal;
    }
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while !one.is_empty() && !other.is_empty() {
        let separators = (separator(one), separator(other));
        (one, other) = (&one[separators.0..], &other[separators.1..]);
        if one.is_empty() || other.is_empty() {
            break;
        }
        if separators.0 != separators.1 {
            return separators.0.cmp(&separators.1);
        }
        let is_number = one[0].is_ascii_digit();
        let of_kind = |b: &u8| {
            if is_number { b.is_ascii_digit() } else { b.is_ascii_alphabetic() }
        };
        let (mine, one_rest) = one.split_at(one.iter().take_while(|b| of_kind(b)).count());
        let (theirs, other_rest) = other.split_at(other.iter().take_while(|b| of_kind(b)).count());
        if theirs.is_empty() {
            // A number is newer than letters.
            return if is_number { Ordering::Greater } else { Ordering::Less };
        }
        let order = if is_number { numbers(mine, theirs) } else { mine.cmp(theirs) };
        if order != Ordering::Equal {
            return order;
        }
        (one, other) = (one_rest, other_rest);
    }
    // What is left over decides: letters are a prerelease (`1.0rc` before `1.0`), the rest is newer.
    match (one.first(), other.first()) {
        (None, None) => Ordering::Equal,
        (Some(first), _) if first.is_ascii_alphabetic() => Ordering::Less,
        (None, Some(first)) if !first.is_ascii_alphabetic() => Ordering::Less,
        _ => Ordering::Greater,
    }
}

/// How many bytes stand before the next letter or digit.
fn separator(text: &[u8]) -> usize {
    text.iter().take_while(|b| !b.is_ascii_alphanumeric()).count()
}

/// Numbers of any length.
fn numbers(one: &[u8], other: &[u8]) -> Ordering {
    let significant = |digits: &[u8]| digits.iter().take_while(|b| **b == b'0').count();
    let (one, other) = (&one[significant(one)..], &other[significant(other)..]);
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// vercmp(8), and a few of libalpm's own test cases.
    #[test]
    fn versions_are_ordered_as_vercmp_orders_them() {
        let ascending = ["1.0a", "1.0b", "1.0beta", "1.0p", "1.0pre", "1.0rc", "1.0", "1.0.a"];
        for pair in ascending.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{} < {}", pair[0], pair[1]);
        }
        let ascending = ["1", "1.0", "1.1", "1.1.1", "1.2", "2.0", "3.0.0", "0:4", "1:0", "2:0-1"];
        for pair in ascending.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{} < {}", pair[0], pair[1]);
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{} > {}", pair[1], pair[0]);
        }
    }

    #[test]
    fn a_release_that_one_side_leaves_out_does_not_matter() {
        for (one, other) in [("1.5-1", "1.5"), ("1.5", "1.5-7"), ("1:2-3", "1:2"), ("0:1", "1")] {
            assert_eq!(compare(one, other), Ordering::Equal, "{one} {other}");
        }
        assert_eq!(compare("1.5-1", "1.5-2"), Ordering::Less);
        assert_eq!(compare("8-64", "8-32"), Ordering::Greater);
    }

    #[test]
    fn equal_versions_may_be_written_differently() {
        for (one, other) in [("1.01", "1.1"), ("1_1", "1.1"), (":1", "0:1")] {
            assert_eq!(compare(one, other), Ordering::Equal, "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "1", "1.0-", "1.0-a", "-1", "a:1-1", ":1-1", "1/2-1", "1-1-1", "../1-1"] {
            assert!(!is_version(text), "{text:?}");
        }
        for text in ["1-1", "1:2.3+r4.gabc-1.2", "20210315.3568f96-2", "r5~a-02"] {
            assert!(is_version(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_version_makes_a_panic(one in ".*", other in ".*") {
            prop_assert_eq!(compare(&other, &one), compare(&one, &other).reverse());
        }
    }
}
