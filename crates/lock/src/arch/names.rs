//! The grammar of names in Arch's archive.

/// Whether that is the name of a package, a group or a repository (PKGBUILD(5) `pkgname`).
pub fn is_name(text: &str) -> bool {
    text.len() <= 255
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "@._+-".contains(c))
}
