//! Versions of Debian packages, ordered as deb-version(7) has it.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use deb_version::compare_versions;

/// A version: its text as the archive writes it, and its order.
///
/// Two versions may be equal and differ in text (`1.0` and `0:1.0`).
#[derive(Clone, Debug)]
pub struct Version(String);

/// Text that is no Debian version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a Debian version")]
pub struct VersionError(String);

impl Version {
    /// The version as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        if is_version(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(VersionError(text.to_owned()))
        }
    }
}

/// Whether text has the grammar of deb-version(7): `[epoch:]upstream[-revision]`. Versions that do
/// not start with a digit are let through, as dpkg does.
fn is_version(text: &str) -> bool {
    let plain = |part: &str, marks: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
    };
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) => (Some(epoch), rest),
        None => (None, text),
    };
    let (upstream, revision) = match rest.rsplit_once('-') {
        Some((upstream, revision)) => (upstream, Some(revision)),
        None => (rest, None),
    };
    epoch.is_none_or(|epoch| !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()))
        && upstream.starts_with(|c: char| c.is_ascii_alphanumeric())
        && plain(upstream, ".+-~:")
        && revision.is_none_or(|revision| plain(revision, ".+~"))
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_versions(&self.0, &other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    /// deb-version(7): tilde before the end, letters before the rest, digits as numbers.
    #[test]
    fn versions_are_ordered_as_dpkg_orders_them() {
        let ascending = [
            "0.9~~",
            "0.9~",
            "0.9",
            "0.9a",
            "0.9+b1",
            "0.10",
            "1.0~rc1-1",
            "1.0-0.1",
            "1.0-1~bpo12+1",
            "1.0-1",
            "1.0-1+b2",
            "1.0-1+deb12u1",
            "1.0-2",
            "1.0-10",
            "6.12.9-1~bpo12+1",
            "6.12.12-1~bpo12+1",
            "1:0.1",
            "2:0",
        ];
        for pair in ascending.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{} < {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn equal_versions_may_be_written_differently() {
        // Digits that are not there count as zero, wherever they would be.
        for (one, other) in [
            ("1.0", "0:1.0"),
            ("1.0-0", "1.0"),
            ("1.00", "1.0"),
            ("1~", "1~0"),
            ("1.", "1.0"),
            ("0.41+ds-2", "0.41+ds0-2"),
        ] {
            assert_eq!(version(one), version(other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in
            ["", " ", "1 0", "1.0\n", "a:1", "1.0/2", "1:", "../x", "1-", "~1", "1-2:3", "1é"]
        {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
    }
    proptest! {
        #[test]
        fn no_version_makes_a_panic(one in ".*|[01a.~:+-]{1,9}", other in ".*|[01a.~:+-]{1,9}") {
            if let (Ok(one), Ok(other)) = (one.parse::<Version>(), other.parse::<Version>()) {
                prop_assert_eq!(other.cmp(&one), one.cmp(&other).reverse());
            }
        }
    }
}
