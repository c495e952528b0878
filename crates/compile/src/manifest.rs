//! Manifests, cut to what a compiler needs.
//!
//! Tests, benchmarks, examples and their dependencies go: they are neither copied nor vendored.
//! From the manifests of vendored crates goes, besides, what other platforms and features that
//! nobody asked for depend on: cargo would want to see those crates to resolve at all.

use std::collections::BTreeSet;

use toml::{Table, Value};

const DEPENDENCY_TABLES: [&str; 2] = ["dependencies", "build-dependencies"];

/// A member's manifest without what belongs to its tests.
pub(crate) fn without_tests(mut manifest: Table) -> Table {
    for gone in ["dev-dependencies", "dev_dependencies", "test", "bench", "example"] {
        manifest.remove(gone);
    }
    for target in targets(&mut manifest) {
        target.remove("dev-dependencies");
    }
    manifest
}

/// The names by which a manifest knows what only its tests need.
fn test_dependencies(manifest: &Table) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flatten().filter_map(|(_, target)| target.as_table());
    let tables = std::iter::once(manifest).chain(targets);
    let names = ["dev-dependencies", "dev_dependencies"];
    let tables = tables.flat_map(|table| names.map(|name| table.get(name)));
    let tables = tables.flatten().filter_map(Value::as_table);
    tables.flat_map(|table| table.keys().cloned()).collect()
}

/// The tables of dependencies that only some platforms have.
fn targets(manifest: &mut Table) -> impl Iterator<Item = &mut Table> {
    let targets = manifest.get_mut("target").and_then(Value::as_table_mut);
    targets.into_iter().flat_map(Table::iter_mut).filter_map(|(_, target)| target.as_table_mut())
}

/// The tables of what a program is made from, of all platforms.
pub(crate) fn dependency_tables(manifest: &mut Table) -> Vec<&mut Table> {
    let is_one = |name: &str| DEPENDENCY_TABLES.contains(&name);
    let mut found = Vec::new();
    for (name, value) in manifest.iter_mut() {
        let Some(table) = value.as_table_mut() else { continue };
        if is_one(name) {
            found.push(table);
        } else if name == "target" {
            let targets = table.iter_mut().filter_map(|(_, target)| target.as_table_mut());
            let tables = targets.flat_map(|target| target.iter_mut());
            let tables = tables.filter(|(name, _)| is_one(name));
            found.extend(tables.filter_map(|(_, value)| value.as_table_mut()));
        }
    }
    found
}

/// One dependency as a manifest declares it.
pub(crate) struct Declared<'a> {
    /// The name it goes by in the manifest.
    pub(crate) alias: &'a str,
    /// A version, or a table of keys.
    pub(crate) value: &'a Value,
}

impl Declared<'_> {
    /// Whether the workspace's root manifest says the rest.
    pub(crate) fn is_inherited(&self) -> bool {
        self.value.get("workspace").and_then(Value::as_bool).unwrap_or(false)
    }

    /// The package's name, which may differ from the alias.
    pub(crate) fn package(&self) -> &str {
        self.value.get("package").and_then(Value::as_str).unwrap_or(self.alias)
    }
}

/// The dependencies of a program made from this manifest: ordinary and for building, of all
/// platforms.
pub(crate) fn declared(manifest: &Table) -> Vec<Declared<'_>> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flatten().filter_map(|(_, target)| target.as_table());
    let tables = std::iter::once(manifest).chain(targets);
    tables
        .flat_map(|table| DEPENDENCY_TABLES.map(|name| table.get(name).and_then(Value::as_table)))
        .flatten()
        .flatten()
        .map(|(alias, value)| Declared { alias, value })
        .collect()
}

/// A crate's manifest with dependencies on nothing but the packages `kept`.
pub(crate) fn with_dependencies(manifest: Table, kept: &BTreeSet<String>) -> Table {
    // Features may be about what only tests need: `test = ["suite/all-features"]`.
    let mut gone = test_dependencies(&manifest);
    let mut manifest = without_tests(manifest);
    let mut stay = BTreeSet::new();
    for declared in declared(&manifest) {
        let set = if kept.contains(declared.package()) { &mut stay } else { &mut gone };
        set.insert(declared.alias.to_owned());
    }
    // An alias may stand for a needed package on one platform and for another one elsewhere.
    let gone: BTreeSet<String> = gone.difference(&stay).cloned().collect();
    remove_dependencies(&mut manifest, kept);
    for target in targets(&mut manifest) {
        remove_dependencies(target, kept);
    }
    let features = manifest.get_mut("features").and_then(Value::as_table_mut);
    for (_, enabled) in features.into_iter().flatten() {
        if let Some(enabled) = enabled.as_array_mut() {
            enabled.retain(|item| !item.as_str().is_some_and(|item| names(item, &gone)));
        }
    }
    manifest
}

fn remove_dependencies(table: &mut Table, kept: &BTreeSet<String>) {
    for name in DEPENDENCY_TABLES {
        if let Some(dependencies) = table.get_mut(name).and_then(Value::as_table_mut) {
            dependencies.retain(|alias, value| kept.contains(Declared { alias, value }.package()));
        }
    }
}

/// Whether a feature's item is about one of the dependencies `gone`: `dep:x`, `x/f`, `x?/f`, or
/// `x` itself, the feature that an optional dependency is unless something says `dep:x`.
fn names(item: &str, gone: &BTreeSet<String>) -> bool {
    let dependency = match item.strip_prefix("dep:") {
        Some(dependency) => dependency,
        None => item.split('/').next().unwrap_or(item).trim_end_matches('?'),
    };
    gone.contains(dependency)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    fn kept(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn tests_go_with_all_that_they_need() {
        let manifest = table(
            "[package]\nname = \"a\"\n[dependencies]\nb = \"1\"\n[dev-dependencies]\nc = \"1\"\n\
             [[test]]\nname = \"t\"\n[target.'cfg(unix)'.dev-dependencies]\nd = \"1\"\n",
        );
        let cut = "[package]\nname = \"a\"\n[dependencies]\nb = \"1\"\n[target.'cfg(unix)']\n";
        assert_eq!(without_tests(manifest), table(cut));
    }

    #[test]
    fn other_platforms_go_with_the_features_that_name_them() {
        let manifest = table(
            "[features]\ndefault = [\"std\"]\nstd = [\"windows-sys/Win32\", \"log?/std\", \"bits\"]\n\
             logging = [\"dep:log\"]\n[dependencies]\nbits = { version = \"1\", optional = true }\n\
             log = { version = \"1\", optional = true }\n\
             [target.'cfg(windows)'.dependencies]\nwindows-sys = \"1\"\n",
        );
        let cut = "[features]\ndefault = [\"std\"]\nstd = [\"bits\"]\nlogging = []\n\
                   [dependencies]\nbits = { version = \"1\", optional = true }\n\
                   [target.'cfg(windows)'.dependencies]\n";
        assert_eq!(with_dependencies(manifest, &kept(&["bits"])), table(cut));
    }

    #[test]
    fn features_of_tests_go_with_what_only_tests_need() {
        let manifest = table(
            "[features]\ntest = [\"suite/all\"]\n[dependencies]\nbits = \"1\"\n\
             [dev-dependencies]\nsuite = \"0\"\nbits = \"1\"\n",
        );
        let cut = "[features]\ntest = []\n[dependencies]\nbits = \"1\"\n";
        assert_eq!(with_dependencies(manifest, &kept(&["bits"])), table(cut));
    }

    #[test]
    fn a_renamed_dependency_is_kept_by_its_package() {
        let text = "[dependencies]\nlibc_errno = { package = \"errno\", version = \"0.3\" }\n";
        assert_eq!(with_dependencies(table(text), &kept(&["errno"])), table(text));
        assert_eq!(with_dependencies(table(text), &kept(&["libc_errno"])), table("[dependencies]"));
    }

    #[test]
    fn an_alias_that_one_platform_needs_keeps_its_features() {
        let manifest = table(
            "[features]\nstd = [\"sys/std\"]\n[target.'cfg(unix)'.dependencies]\n\
             sys = { package = \"unix-sys\", version = \"1\" }\n\
             [target.'cfg(windows)'.dependencies]\nsys = { package = \"win-sys\", version = \"1\" }\n",
        );
        let cut = with_dependencies(manifest, &kept(&["unix-sys"]));
        assert_eq!(cut["features"], Value::from(table("std = [\"sys/std\"]")));
    }
}
