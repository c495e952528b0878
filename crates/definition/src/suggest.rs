//! "did you mean": the known name that is nearest to a mistyped one.

/// The one of `known` that `typed` was probably meant to be.
pub(crate) fn nearest<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(typed, name), name))
        .filter(|(distance, name)| *distance <= name.chars().count().div_ceil(3))
        .min()
        .map(|(_, name)| name)
}

/// A hint that names the nearest of `known`, or all of them when none is near.
pub(crate) fn hint<'a>(
    typed: &str,
    what: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(name) = nearest(typed, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let all: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
    if all.is_empty() { None } else { Some(format!("{what}: {}", all.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_another_word_is_not() {
        let known = ["install", "pin", "recommends"];
        assert_eq!(nearest("instal", known), Some("install"));
        assert_eq!(nearest("intsall", known), Some("install"));
        assert_eq!(nearest("pni", known), Some("pin"));
        assert_eq!(nearest("frobnicate", known), None);
        assert_eq!(
            hint("frobnicate", "keys", known).unwrap(),
            "keys: `install`, `pin`, `recommends`"
        );
    }
}
