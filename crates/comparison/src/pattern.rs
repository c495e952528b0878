//! Patterns of paths: `*` stands for anything within a name, `**` for any number of names.

/// Whether `path` is one that `pattern` describes.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let names: Vec<&str> = path.split('/').collect();
    names_match(&pattern, &names)
}

fn names_match(pattern: &[&str], names: &[&str]) -> bool {
    match (pattern.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => (0..=names.len()).any(|skip| names_match(rest, &names[skip..])),
        (Some((first, pattern)), Some((name, names))) => {
            name_matches(first.as_bytes(), name.as_bytes()) && names_match(pattern, names)
        }
        _ => false,
    }
}

fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|skip| name_matches(rest, &name[skip..])),
        (Some((one, pattern)), Some((other, name))) => one == other && name_matches(pattern, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stays_within_a_name_and_two_stars_do_not() {
        assert!(matches("etc/*-", "etc/passwd-"));
        assert!(!matches("etc/*-", "etc/x/passwd-"));
        assert!(matches("**/__pycache__/**", "usr/lib/x/__pycache__/y.pyc"));
        assert!(matches("var/**", "var"));
        assert!(!matches("etc/a", "etc/ab"));
    }
}
