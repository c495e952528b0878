//! Fields of a `control` file that become parts of paths and of scripts: Debian policy 5.6.7,
//! 5.6.12 and 5.6.8, as dpkg reads them (`pkg_name_is_illegal`, `dpkg_arch_name_is_illegal`,
//! `parseversion`).

use super::Control;
use crate::error::Cause;

/// No name is longer: with an ending it is a file's, which has 255 bytes at most.
const LONGEST: usize = 200;

/// Refuses a package without a name, version or architecture, or with one that has any character
/// which a path or a shell reads.
pub(super) fn check(control: &Control) -> Result<(), Cause> {
    for (field, is_possible) in [
        ("Package", is_package as fn(&str) -> bool),
        ("Version", is_version),
        ("Architecture", is_architecture),
    ] {
        match control.field(field) {
            None | Some("") => return Err(Cause::ControlField(field)),
            Some(value) if !is_possible(value) => {
                return Err(Cause::ControlValue { field, value: value.to_owned() });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Policy wants lower case; dpkg takes either, and `_`.
fn is_package(name: &str) -> bool {
    is_word(name, "+-._")
}

fn is_version(version: &str) -> bool {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let is_number = !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit());
    is_number && is_word(rest, ".+-~:")
}

fn is_architecture(architecture: &str) -> bool {
    is_word(architecture, "-")
}

fn is_word(word: &str, others: &str) -> bool {
    word.len() <= LONGEST
        && word.starts_with(|first: char| first.is_ascii_alphanumeric())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_of_debian_are_possible() {
        for name in ["a", "libstdc++6", "linux-image-6.12.9+bpo-amd64", "0ad"] {
            assert!(is_package(name), "{name}");
        }
        for version in ["1", "2:1.02.185-2", "5.2.15-2+b7", "1.0~rc1-1~bpo12+1", "1:1:2-3"] {
            assert!(is_version(version), "{version}");
        }
        for architecture in ["amd64", "all", "kfreebsd-amd64"] {
            assert!(is_architecture(architecture), "{architecture}");
        }
    }

    #[test]
    fn what_a_path_or_a_shell_would_read_is_not() {
        let long = "a".repeat(LONGEST + 1);
        for text in
            ["", ".", "..", "../a", "/a", "a/b", "-a", "a b", "a;b", "$(a)", "a'b", "a\nb", &long]
        {
            assert!(!is_package(text), "{text}");
            assert!(!is_version(text), "{text}");
            assert!(!is_architecture(text), "{text}");
        }
        assert!(!is_package("a:amd64") && !is_version(":1") && !is_version("a:1"));
    }
}
