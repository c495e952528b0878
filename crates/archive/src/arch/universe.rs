//! Every package of the repositories, and which of them satisfy a relation.

use std::collections::{HashMap, HashSet};

use lock::OWN;
use lock::arch::Request;

use super::entry::Entry;
use super::relation::Relation;
use super::repository::{ARCHIVE, Repository};
use crate::solving::{Choice, PackageId, RecordId};

/// One version of a package.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) package: PackageId,
    /// Where the package file lies in the archive.
    pub(crate) path: String,
    /// What a lock calls the archive.
    pub(crate) archive: &'a str,
    /// The repository that has it, by its place in the request's order; none for one that is
    /// [`Held`] at a version that no repository has.
    pub(crate) repository: Option<usize>,
    /// The place among all that provide the same: by repository, then by name.
    rank: (usize, &'a str),
}

/// A version that comes from the archive's package tree.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) entry: Entry,
    /// Where the package file lies in the archive.
    pub(crate) path: String,
    /// Whether it lies beside the definition.
    pub(crate) own: bool,
}

/// A package.
#[derive(Debug)]
pub(crate) struct Package<'a> {
    pub(crate) name: &'a str,
    /// In the order of the repositories, then those that are held.
    pub(crate) versions: Vec<RecordId>,
}

/// All packages of some repositories.
#[derive(Debug)]
pub(crate) struct Universe<'a> {
    pub(crate) repositories: &'a [Repository],
    pub(crate) records: Vec<Record<'a>>,
    pub(crate) packages: Vec<Package<'a>>,
    by_name: HashMap<&'a str, PackageId>,
    provided: HashMap<&'a str, Vec<RecordId>>,
    replaced: HashMap<&'a str, Vec<RecordId>>,
    groups: HashMap<&'a str, Vec<RecordId>>,
}

impl<'a> Universe<'a> {
    pub(crate) fn new(repositories: &'a [Repository], request: &Request, held: &'a [Held]) -> Self {
        let listed = listed(request);
        let own: HashSet<&str> = held
            .iter()
            .filter(|held| held.own)
            .map(|held| held.entry.about.name.as_str())
            .collect();
        let mut universe = Self {
            repositories,
            records: Vec::new(),
            packages: Vec::new(),
            by_name: HashMap::new(),
            provided: HashMap::new(),
            replaced: HashMap::new(),
            groups: HashMap::new(),
        };
        for (at, repository) in repositories.iter().enumerate() {
            for entry in &repository.database.entries {
                let name = entry.about.name.as_str();
                // A file beside the definition wins over all. What Arch has is its own, unless the
                // definition says otherwise; of several other repositories the first has a name.
                let counts = match listed.get(name) {
                    _ if own.contains(name) => false,
                    Some(listed) => *listed == at,
                    None => repository.beside.is_none() || !universe.has(name),
                };
                if counts {
                    let path = repository.path(&request.architecture, &entry.file);
                    universe.add(entry, path, repository.archive(), Some(at));
                }
            }
        }
        for held in held {
            let archive = if held.own { OWN } else { ARCHIVE };
            universe.add(&held.entry, held.path.clone(), archive, None);
        }
        let ranks: Vec<_> = universe.records.iter().map(|record| record.rank).collect();
        for named in [&mut universe.provided, &mut universe.replaced, &mut universe.groups] {
            for records in named.values_mut() {
                records.sort_by_key(|record| ranks[*record]);
                records.dedup();
            }
        }
        universe
    }

    fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    fn add(&mut self, entry: &'a Entry, path: String, archive: &'a str, repository: Option<usize>) {
        let about = &entry.about;
        let name = about.name.as_str();
        let record = self.records.len();
        let package = *self.by_name.entry(name).or_insert_with(|| {
            self.packages.push(Package { name, versions: Vec::new() });
            self.packages.len() - 1
        });
        let of_name = &mut self.packages[package].versions;
        // What is held stands where the repositories have its name.
        let place = repository
            .or_else(|| of_name.first().map(|first| self.records[*first].rank.0))
            .unwrap_or(self.repositories.len());
        of_name.push(record);
        let rank = (place, name);
        self.records.push(Record { entry, package, path, archive, repository, rank });
        for relation in &about.provides {
            self.provided.entry(&relation.name).or_default().push(record);
        }
        for relation in &about.replaces {
            self.replaced.entry(&relation.name).or_default().push(record);
        }
        for group in &about.groups {
            self.groups.entry(group).or_default().push(record);
        }
    }

    pub(crate) fn record(&self, id: RecordId) -> &Record<'a> {
        &self.records[id]
    }

    pub(crate) fn find(&self, name: &str) -> Option<PackageId> {
        self.by_name.get(name).copied()
    }

    /// All names of packages.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.by_name.keys().copied()
    }

    /// All names of groups.
    pub(crate) fn group_names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.groups.keys().copied()
    }

    /// `bash 5.1.004-1`
    pub(crate) fn label(&self, id: RecordId) -> String {
        self.record(id).entry.about.label()
    }

    /// The versions of a choice that satisfy a relation, as pacman orders them: those of that name,
    /// then others that provide it, each in the order of the repositories, then by name
    /// (libalpm's `resolvedep`). Last come those of that name in another version that provide it:
    /// what is there already counts by what it provides (`_alpm_depcmp`), though pacman would not
    /// take it for that.
    pub(crate) fn satisfiers(&self, relation: &Relation, choice: &Choice) -> Vec<RecordId> {
        let of_name = self.find(&relation.name).map_or(&[][..], |package| choice.of(package));
        let literal = of_name.iter().copied().filter(|id| {
            let about = &self.record(*id).entry.about;
            relation.admits(&about.name, &about.version)
        });
        let providers = self.chosen(&self.provided, &relation.name, choice).filter(|id| {
            let about = &self.record(*id).entry.about;
            about.provides.iter().any(|p| relation.admits_provided(p))
                && !relation.admits(&about.name, &about.version)
        });
        let (of_own_name, others): (Vec<_>, Vec<_>) =
            providers.partition(|id| self.record(*id).entry.about.name == relation.name);
        literal.chain(others).chain(of_own_name).collect()
    }

    /// The versions of a choice that belong to a group, each name once.
    pub(crate) fn group(&self, group: &str, choice: &Choice) -> Vec<RecordId> {
        let mut members: Vec<RecordId> = Vec::new();
        for id in self.chosen(&self.groups, group, choice) {
            let package = self.record(id).package;
            if !members.iter().any(|member| self.record(*member).package == package) {
                members.push(id);
            }
        }
        members
    }

    /// The versions of a choice that say they have taken the place of a package.
    pub(crate) fn replacers(&self, name: &str, choice: &Choice) -> Vec<RecordId> {
        self.chosen(&self.replaced, name, choice).collect()
    }

    fn chosen<'u>(
        &'u self,
        index: &'u HashMap<&'a str, Vec<RecordId>>,
        name: &str,
        choice: &'u Choice,
    ) -> impl Iterator<Item = RecordId> + 'u {
        let all = index.get(name).into_iter().flatten().copied();
        all.filter(|id| choice.of(self.record(*id).package).contains(id))
    }

    /// Why a repository's entry of that name is not among the packages, if there is one.
    pub(crate) fn left_out(&self, name: &str) -> Option<(&'a str, &'a str)> {
        self.repositories.iter().find_map(|repository| {
            let why = repository.database.left_out.get(name)?;
            Some((repository.name.as_str(), why.as_str()))
        })
    }
}

/// The repositories that the definition names for some packages, by the names of those.
fn listed(request: &Request) -> HashMap<&str, usize> {
    let first = request.repositories.len();
    let extras = request.extras.iter().enumerate();
    let at = |name: &str| Some(first + request.extras.iter().position(|it| it.name == *name)?);
    let of_lists = extras.flat_map(|(at, it)| it.packages.iter().map(move |p| (&**p, first + at)));
    let wanted = request.install.iter();
    let wanted = wanted.filter_map(|it| Some((&*it.name, at(it.repository.as_ref()?)?)));
    of_lists.chain(wanted).collect()
}
