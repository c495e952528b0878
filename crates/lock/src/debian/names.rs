//! The grammar of names in Debian's archive.

/// Whether that is a package's name: Debian Policy 5.6.1, and the capitals of some old virtual
/// packages.
pub fn is_package_name(text: &str) -> bool {
    text.len() >= 2
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
}

/// Whether that is the name of an architecture, or `any`.
pub fn is_qualifier(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
