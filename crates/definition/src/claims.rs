//! Who has the say where several parts speak about one thing.
//!
//! The rule is the same for files, state, users and all else: what depends on a part may override
//! it; two parts of which neither depends on the other must not speak about the same thing, unless
//! a third that depends on both does so too.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Origin, PartName, Problem};

/// Which part depends on which, through any number of others.
pub(crate) struct Family<'a> {
    direct: BTreeMap<&'a PartName, BTreeSet<&'a PartName>>,
    all: BTreeMap<&'a PartName, BTreeSet<&'a PartName>>,
}

impl<'a> Family<'a> {
    /// The parts with what each of them depends on directly; names that are no part are ignored.
    pub(crate) fn new(
        parts: impl Iterator<Item = (&'a PartName, &'a BTreeSet<PartName>)> + Clone,
    ) -> Self {
        let names: BTreeSet<&PartName> = parts.clone().map(|(name, _)| name).collect();
        let known = |depends: &'a BTreeSet<PartName>| {
            depends.iter().filter(|name| names.contains(name)).collect()
        };
        let direct: BTreeMap<_, BTreeSet<_>> =
            parts.map(|(name, depends)| (name, known(depends))).collect();
        let mut all = BTreeMap::new();
        for name in direct.keys() {
            let mut reached = BTreeSet::new();
            let mut open: Vec<&PartName> = vec![name];
            while let Some(part) = open.pop() {
                let next = direct.get(part).into_iter().flatten();
                open.extend(next.filter(|next| reached.insert(**next)));
            }
            all.insert(*name, reached);
        }
        Self { direct, all }
    }

    fn depends(&self, part: &PartName, on: &PartName) -> bool {
        self.all.get(part).is_some_and(|all| all.contains(on))
    }

    /// The parts in the order in which they are laid: dependencies first, otherwise by name.
    ///
    /// Cargo has no cycles among ordinary dependencies; parts of one would be left out.
    pub(crate) fn laying_order(&self) -> Vec<&'a PartName> {
        let mut order = Vec::new();
        let mut waiting = self.direct.clone();
        while let Some(next) =
            waiting.iter().find(|(_, depends)| depends.is_empty()).map(|(name, _)| *name)
        {
            waiting.remove(next);
            for depends in waiting.values_mut() {
                depends.remove(next);
            }
            order.push(next);
        }
        order
    }
}

/// What a part says about a thing.
pub(crate) struct Claim<'a, T> {
    pub(crate) part: &'a PartName,
    pub(crate) origin: &'a Origin,
    pub(crate) value: &'a T,
}

// Not derived: that would ask for `T: Copy`.
impl<T> Clone for Claim<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Claim<'_, T> {}

/// The claim that overrides all others, or the mistake that there is none.
///
/// `claims` are those about one thing, one a part at most and at least one; `thing` names it and
/// says what is done to it: "`/etc/issue` is laid".
pub(crate) fn winner<'a, T>(
    thing: &str,
    claims: &[Claim<'a, T>],
    family: &Family<'_>,
) -> Result<Claim<'a, T>, Problem> {
    let overridden =
        |claim: &Claim<'a, T>| claims.iter().any(|other| family.depends(other.part, claim.part));
    let mut standing: Vec<Claim<'a, T>> =
        claims.iter().filter(|claim| !overridden(claim)).copied().collect();
    standing.sort_by_key(|claim| claim.part);
    match standing.as_slice() {
        [only] => Ok(*only),
        [first, rest @ ..] => {
            let parts: Vec<String> =
                standing.iter().map(|claim| format!("`{}`", claim.part)).collect();
            let none = if standing.len() == 2 { "neither" } else { "none" };
            let parts = parts.join(" and by ");
            let message = format!("{thing} by {parts}, {none} of which depends on the other");
            let problem = Problem::new(first.origin, message);
            let hint = "what depends on a part may override it: add the dependency to Cargo.toml, \
                        or say it once more in the server";
            let problem = rest.iter().fold(problem, |problem, claim| problem.and(claim.origin));
            Err(problem.hint(hint.to_owned()))
        }
        // A circle of dependencies, which Cargo refuses before we see it.
        [] => Err(Problem { message: thing.to_owned(), places: Vec::new(), hint: None }),
    }
}

/// For each thing the claim that stands, sorted by thing; mistakes go to `problems`.
pub(crate) fn winners<'a, K: Ord, T>(
    claims: impl Iterator<Item = (K, Claim<'a, T>)>,
    thing: impl Fn(&K) -> String,
    family: &Family<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<&'a T> {
    let mut by_thing: BTreeMap<K, Vec<Claim<'a, T>>> = BTreeMap::new();
    for (key, claim) in claims {
        by_thing.entry(key).or_default().push(claim);
    }
    let mut standing = Vec::new();
    for (key, claims) in &by_thing {
        match winner(&thing(key), claims, family) {
            Ok(claim) => standing.push(claim.value),
            Err(problem) => problems.push(problem),
        }
    }
    standing
}
