//! Names that are nearly what was asked for.

/// How many similar names are shown.
pub(crate) const SHOWN: usize = 5;

/// The names that a slip of the hand makes of `name`, the nearest first.
pub(crate) fn similar_names<'n>(
    name: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Vec<String> {
    let mut near: Vec<_> = names
        .into_iter()
        .map(|other| (distance(name, other), other))
        .filter(|(distance, other)| *distance <= 2.min(other.len().div_ceil(3)))
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().map(|(_, other)| other.to_owned()).collect()
}

/// How many letters have to be put in, left out or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    if one.len().abs_diff(other.len()) > 2 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, b) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
