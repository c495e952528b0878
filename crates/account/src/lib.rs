//! Names and ids of users and groups, for definitions, locks and account files alike.
//!
//! The grammar of names is that of useradd(8), groupadd(8) and adduser(8) with `--allow-bad-names`
//! on Debian, which is the widest of all distributions: `^[^-~+:,\s][^:,\s]*$` (shadow's
//! debian/patches, "relaxed usernames"). Packages use it: `Debian-exim`, `Debian-snmp`, `_apt`. Left
//! out is what the later versions of shadow refuse whatever their options: `.`, `..`, names of
//! digits only, `/` and control characters; and `#` as the first character, which begins a comment
//! in passwd(5).

use std::ops::RangeInclusive;

/// Ids that a system gives out as it goes (Debian policy 9.2.2; Arch keeps to the same range). Those
/// below are the distribution's, and the same everywhere.
pub const SYSTEM: RangeInclusive<u32> = 100..=999;
/// Ids of people, by the same source. Those above are the distribution's again, systemd's, or the
/// kernel's.
pub const PEOPLE: RangeInclusive<u32> = 1000..=59_999;

/// The most bytes that a name has: `LOGIN_NAME_MAX` of Linux, less the terminating zero.
pub const LONGEST: usize = 255;

/// Why a text is no name of a user or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It has no character.
    Empty,
    /// It has more bytes than [`LONGEST`].
    TooLong,
    /// It has this character, which no name has.
    Has(char),
    /// It begins with this character, which a name may have elsewhere.
    Begins(char),
    /// It is a number, which chown(1) takes for an id.
    Number,
    /// It is `.` or `..`.
    Directory,
}

/// Looks for what is wrong with a name.
///
/// # Errors
/// With the first thing that is.
pub fn check(name: &str) -> Result<(), Fault> {
    let Some(first) = name.chars().next() else { return Err(Fault::Empty) };
    if name.len() > LONGEST {
        return Err(Fault::TooLong);
    }
    let is_wrong = |c: &char| c.is_whitespace() || c.is_control() || ":,/".contains(*c);
    if let Some(wrong) = name.chars().find(is_wrong) {
        return Err(Fault::Has(wrong));
    }
    if "-~+#".contains(first) {
        return Err(Fault::Begins(first));
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Number);
    }
    if name == "." || name == ".." {
        return Err(Fault::Directory);
    }
    Ok(())
}

/// Whether a text is a name.
pub fn is_name(text: &str) -> bool {
    check(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_packages_and_of_people_are_names() {
        for name in [
            "root",
            "_apt",
            "Debian-exim",
            "Debian-snmp",
            "www-data",
            "systemd-network",
            "host$",
            "first.last",
            "a",
            "X",
            "0x",
            "müller",
            "user@example.org",
            "a+b",
            "a~b",
            "a#b",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_breaks_a_line_or_a_command_is_none() {
        for (text, fault) in [
            ("", Fault::Empty),
            ("a:b", Fault::Has(':')),
            ("a,b", Fault::Has(',')),
            ("a/b", Fault::Has('/')),
            ("a b", Fault::Has(' ')),
            ("a\n", Fault::Has('\n')),
            ("a\u{7f}", Fault::Has('\u{7f}')),
            ("-a", Fault::Begins('-')),
            ("+a", Fault::Begins('+')),
            ("~a", Fault::Begins('~')),
            ("#a", Fault::Begins('#')),
            ("1000", Fault::Number),
            ("..", Fault::Directory),
        ] {
            assert_eq!(check(text), Err(fault), "{text:?}");
        }
        assert_eq!(check(&"a".repeat(LONGEST)), Ok(()));
        assert_eq!(check(&"a".repeat(LONGEST + 1)), Err(Fault::TooLong));
    }
}
