//! Every package of the indexes, and which of them satisfy a relation.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use lock::debian::{Request, Version};

use super::index::SuiteIndex;
use super::mentions::Mentions;
use super::relation::{self, Alternatives, Relation};
use super::stanza::{self, MultiArch, Stanza};
use super::suite::Of;
use crate::Error;
use crate::solving::{Choice, Need, PackageId, RecordId};

/// One version of a package.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) stanza: Stanza<'a>,
    pub(crate) version: Version,
    pub(crate) package: PackageId,
    /// The suites that have it, by their place in the request's order.
    pub(crate) suites: Vec<usize>,
}

/// A package of an architecture; `Architecture: all` counts as the server's.
#[derive(Debug)]
pub(crate) struct Package<'a> {
    pub(crate) name: &'a str,
    /// Its place in the architectures of the request.
    pub(crate) architecture: usize,
    /// Newest first.
    pub(crate) versions: Vec<RecordId>,
}

/// All packages of some suites.
#[derive(Debug)]
pub(crate) struct Universe<'a> {
    pub(crate) indexes: &'a [SuiteIndex],
    pub(crate) architectures: &'a [String],
    pub(crate) records: Vec<Record<'a>>,
    pub(crate) packages: Vec<Package<'a>>,
    by_name: HashMap<&'a str, Vec<PackageId>>,
    provided: HashMap<&'a str, Vec<Provided>>,
    mentions: Mentions<'a>,
    /// The suites that some names are taken from, though others have them.
    listed: HashMap<&'a str, usize>,
    /// Names of the distribution's essential packages, wherever they are taken from.
    essential: HashSet<&'a str>,
}

#[derive(Debug)]
struct Provided {
    by: RecordId,
    version: Option<Version>,
}

impl<'a> Universe<'a> {
    /// Reads the lists of all suites.
    pub(crate) fn read(indexes: &'a [SuiteIndex], request: &'a Request) -> Result<Self, Error> {
        let mut universe = Self {
            indexes,
            architectures: &request.architectures,
            records: Vec::new(),
            packages: Vec::new(),
            by_name: HashMap::new(),
            provided: HashMap::new(),
            mentions: Mentions::default(),
            listed: listed(indexes, request),
            essential: HashSet::new(),
        };
        for (suite, index) in indexes.iter().enumerate() {
            for list in &index.lists {
                let wrong = |what: String| Error::Index {
                    suite: index.suite.shown().to_owned(),
                    file: list.file.clone(),
                    what,
                };
                let stanzas = stanza::parse(&list.text, &mut universe.mentions)
                    .map_err(|error| wrong(error.to_string()))?;
                for stanza in stanzas {
                    universe.add(stanza, &list.architecture, suite).map_err(wrong)?;
                }
            }
        }
        for package in &mut universe.packages {
            let records = &universe.records;
            package.versions.sort_by(|a, b| records[*b].version.cmp(&records[*a].version));
        }
        Ok(universe)
    }

    /// Whether a suite's packages of this name count. A file beside the definition wins over all.
    /// What the distribution has is its own, unless the definition says otherwise; of several other
    /// repositories the first that has a name has it.
    fn counts(&self, name: &str, suite: usize) -> bool {
        let of = |suite: usize| self.indexes[suite].suite.of;
        let known = self.named(name).iter().flat_map(|package| &self.packages[*package].versions);
        let known = known.map(|record| self.record(*record).suites[0]).next();
        match known {
            Some(known) if of(known) == Of::Definition => known == suite,
            _ if of(suite) == Of::Definition => true,
            Some(known) => {
                known == suite || [of(known), of(suite)] == [Of::Distribution, Of::Distribution]
            }
            None => self.listed.get(name).is_none_or(|listed| *listed == suite),
        }
    }

    fn add(&mut self, stanza: Stanza<'a>, list: &str, suite: usize) -> Result<(), String> {
        let own = match stanza.architecture {
            // Every architecture's list has them: one is enough.
            "all" if list != self.architectures[0] => return Ok(()),
            "all" => 0,
            own => match self.architectures.iter().position(|a| a == own) {
                Some(own) => own,
                None => return Ok(()),
            },
        };
        if stanza.essential && self.indexes[suite].suite.of == Of::Distribution {
            self.essential.insert(stanza.name);
        }
        if !self.counts(stanza.name, suite) {
            return Ok(());
        }
        let package = self.package_id(stanza.name, own);
        let same = self.packages[package]
            .versions
            .iter()
            .find(|record| self.records[**record].stanza.version == stanza.version);
        if let Some(record) = same {
            self.records[*record].suites.push(suite);
            return Ok(());
        }
        let version: Version =
            stanza.version.parse().map_err(|error| format!("package {}: {error}", stanza.name))?;
        let record = self.records.len();
        for provided in provided(&stanza)? {
            let version = provided.constraint.map(|(_, version)| version);
            self.provided.entry(provided.name).or_default().push(Provided { by: record, version });
        }
        self.records.push(Record { stanza, version, package, suites: vec![suite] });
        self.packages[package].versions.push(record);
        Ok(())
    }

    fn package_id(&mut self, name: &'a str, architecture: usize) -> PackageId {
        let of_name = self.by_name.entry(name).or_default();
        let found = of_name.iter().find(|id| self.packages[**id].architecture == architecture);
        if let Some(id) = found {
            return *id;
        }
        let id = self.packages.len();
        of_name.push(id);
        self.packages.push(Package { name, architecture, versions: Vec::new() });
        id
    }

    /// A package by name, in an architecture of the request.
    pub(crate) fn find(&self, name: &str, architecture: usize) -> Option<PackageId> {
        let of_name = self.by_name.get(name)?;
        of_name.iter().copied().find(|id| self.packages[*id].architecture == architecture)
    }

    /// A package of a name in every architecture that has it.
    pub(crate) fn named(&self, name: &str) -> &[PackageId] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// All names of packages.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.by_name.keys().copied()
    }

    pub(crate) fn record(&self, id: RecordId) -> &Record<'a> {
        &self.records[id]
    }

    /// `postfix 3.7.11-0+deb12u1`, with the architecture where it is a foreign one.
    pub(crate) fn label(&self, id: RecordId) -> String {
        let record = self.record(id);
        format!("{} {}", self.package_label(record.package), record.stanza.version)
    }

    /// `postfix`, or `postfix:i386` for a foreign architecture.
    pub(crate) fn package_label(&self, id: PackageId) -> String {
        let package = &self.packages[id];
        match package.architecture {
            0 => package.name.to_owned(),
            foreign => format!("{}:{}", package.name, self.architectures[foreign]),
        }
    }

    /// The versions of the choice that satisfy a relation of a package of `architecture`, as apt
    /// orders them: the package of that name before others that provide it, essential packages
    /// first, then those of the server's architecture, then by priority.
    pub(crate) fn satisfiers(
        &self,
        relation: &Relation<'_>,
        architecture: usize,
        choice: &Choice,
    ) -> Vec<RecordId> {
        let mut found = self.matching(relation, choice, |record| {
            self.reaches(record, relation.qualifier, architecture)
        });
        found.sort_by_key(|id| {
            let record = self.record(*id);
            let package = &self.packages[record.package];
            (
                package.name != relation.name,
                // Who has a repository beside the distribution's does not decide by it which
                // packages of the distribution are taken.
                self.is_beside(*id),
                !record.stanza.essential,
                package.architecture,
                record.stanza.priority,
                Reverse(self.mentions.rank(package.name)),
            )
        });
        found
    }

    /// The versions of the choice that a negative relation of a package excludes: those of every
    /// architecture, but for the package itself (Debian Policy 7.4).
    pub(crate) fn excluded(
        &self,
        relation: &Relation<'_>,
        of: RecordId,
        choice: &Choice,
    ) -> Vec<RecordId> {
        let own_name = self.record(of).stanza.name;
        self.matching(relation, choice, |record| {
            let explicit = relation.qualifier.filter(|qualifier| *qualifier != "any");
            self.record(record).stanza.name != own_name
                && explicit.is_none_or(|wanted| self.architecture_name(record) == wanted)
        })
    }

    fn matching(
        &self,
        relation: &Relation<'_>,
        choice: &Choice,
        of_architecture: impl Fn(RecordId) -> bool,
    ) -> Vec<RecordId> {
        let mut found: Vec<_> = self
            .named(relation.name)
            .iter()
            .flat_map(|package| choice.of(*package))
            .copied()
            .filter(|id| relation.admits(&self.record(*id).version) && of_architecture(*id))
            .collect();
        for provided in self.provided.get(relation.name).into_iter().flatten() {
            let id = provided.by;
            if choice.of(self.record(id).package).contains(&id)
                && relation.admits_provided(provided.version.as_ref())
                && of_architecture(id)
                && !found.contains(&id)
            {
                found.push(id);
            }
        }
        found
    }

    /// Whether a system has to have a package, as the distribution says: who has a repository beside
    /// it does not decide what is there without being asked for.
    pub(crate) fn is_essential(&self, id: RecordId) -> bool {
        let stanza = &self.record(id).stanza;
        match self.is_beside(id) {
            true => self.essential.contains(stanza.name),
            false => stanza.essential,
        }
    }

    /// Whether a version is not the distribution's.
    pub(crate) fn is_beside(&self, id: RecordId) -> bool {
        self.indexes[self.record(id).suites[0]].suite.of != Of::Distribution
    }

    /// Whether a package can satisfy a dependency of a package of `architecture` (deb-control(5),
    /// Multi-Arch).
    fn reaches(&self, id: RecordId, qualifier: Option<&str>, architecture: usize) -> bool {
        let record = self.record(id);
        let own = self.packages[record.package].architecture;
        let multi_arch = record.stanza.multi_arch;
        match qualifier {
            None => multi_arch == MultiArch::Foreign || own == architecture,
            Some("any") => matches!(multi_arch, MultiArch::Allowed | MultiArch::Foreign),
            Some("native") => own == 0,
            Some(wanted) => self.architecture_name(id) == wanted,
        }
    }

    fn architecture_name(&self, id: RecordId) -> &str {
        &self.architectures[self.packages[self.record(id).package].architecture]
    }

    /// Packages that provide a name, sorted.
    pub(crate) fn providers(&self, name: &str) -> Vec<&'a str> {
        let provided = self.provided.get(name).into_iter().flatten();
        let mut names: Vec<_> = provided.map(|p| self.record(p.by).stanza.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What a version needs: Pre-Depends and Depends, in their order, and Recommends if asked for.
    pub(crate) fn needs(
        &self,
        id: RecordId,
        recommends: bool,
    ) -> Result<Vec<(Alternatives<'_>, Need)>, Error> {
        let stanza = &self.record(id).stanza;
        let mut needs = Vec::new();
        let mut fields =
            vec![(&stanza.pre_depends, Need::Depends), (&stanza.depends, Need::Depends)];
        if recommends {
            fields.push((&stanza.recommends, Need::Recommends));
        }
        for (field, need) in fields {
            needs.extend(self.relations(id, field)?.into_iter().map(|group| (group, need)));
        }
        Ok(needs)
    }

    /// What a version cannot be together with, and the word for it.
    pub(crate) fn negatives(
        &self,
        id: RecordId,
    ) -> Result<Vec<(Relation<'_>, &'static str)>, Error> {
        let stanza = &self.record(id).stanza;
        let mut negatives = Vec::new();
        for (field, word) in [(&stanza.conflicts, "conflicts with"), (&stanza.breaks, "breaks")] {
            let relations = self.relations(id, field)?.into_iter().flatten();
            negatives.extend(relations.map(|relation| (relation, word)));
        }
        Ok(negatives)
    }

    fn relations<'s>(
        &'s self,
        id: RecordId,
        field: &'s str,
    ) -> Result<Vec<Alternatives<'s>>, Error> {
        relation::parse(field).map_err(|error| {
            let index = &self.indexes[self.record(id).suites[0]];
            let file = index.lists.first().map_or_else(String::new, |list| list.file.clone());
            let what = format!("package {}: {error}", self.label(id));
            Error::Index { suite: index.suite.shown().to_owned(), file, what }
        })
    }
}

/// The suites that the definition names for some packages, by the names of those.
fn listed<'a>(indexes: &[SuiteIndex], request: &'a Request) -> HashMap<&'a str, usize> {
    let extra = |name: &str| {
        let is_extra = |index: &SuiteIndex| matches!(index.suite.of, Of::Extra { .. });
        indexes.iter().position(|index| is_extra(index) && index.suite.archive == name)
    };
    let of_lists = request.extras.iter().flat_map(|it| it.packages.iter().map(|p| (p, &it.name)));
    let wanted = request.install.iter().filter_map(|it| Some((&it.name, it.suite.as_ref()?)));
    let named = of_lists.chain(wanted);
    named.filter_map(|(package, archive)| Some((package.as_str(), extra(archive)?))).collect()
}

/// What a package provides. Fields joined over several lines are not in use for this field.
fn provided<'a>(stanza: &Stanza<'a>) -> Result<Vec<Relation<'a>>, String> {
    let field = match &stanza.provides {
        std::borrow::Cow::Borrowed(field) => *field,
        std::borrow::Cow::Owned(field) => {
            return Err(format!("package {}: `Provides` is folded: `{field}`", stanza.name));
        }
    };
    let groups =
        relation::parse(field).map_err(|error| format!("package {}: {error}", stanza.name))?;
    Ok(groups.into_iter().flatten().collect())
}
