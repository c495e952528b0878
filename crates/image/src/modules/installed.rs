//! The modules of a kernel in a package tree, found as modprobe finds them: by name, then by alias.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use generation::modules::{matches, normalised};

use crate::modinfo::{self, Info};
use crate::tree::Tree;
use crate::{Error, Result};

/// The modules of one kernel.
pub(super) struct Installed<'a> {
    tree: &'a Tree,
    /// Module files by name.
    files: BTreeMap<String, &'a str>,
    /// Patterns of `modules.alias`, each with its module.
    aliases: Vec<(String, String)>,
    /// What is part of the kernel itself, by name.
    builtin: BTreeMap<String, Info>,
    /// Whether the kernel says which aliases that has: those before Linux 5.2 do not.
    builtin_said: bool,
}

/// What a name or alias stands for.
#[derive(Default)]
pub(super) struct Found {
    /// Modules that are files.
    pub(super) files: BTreeSet<String>,
    /// Modules that are part of the kernel itself.
    pub(super) builtin: BTreeSet<String>,
}

impl Found {
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.builtin.is_empty()
    }
}

impl<'a> Installed<'a> {
    /// Those of the kernel `release`.
    pub(super) fn open(tree: &'a Tree, release: &str) -> Result<Self> {
        let folder = format!("lib/modules/{release}");
        let read = |name: &str| match tree.read(&format!("{folder}/{name}")) {
            Err(Error::Missing(_)) => Ok(None),
            read => read.map(Some),
        };
        let modinfo = read("modules.builtin.modinfo")?;
        let mut builtin = modinfo.as_deref().map(modinfo::builtin).unwrap_or_default();
        let names = read("modules.builtin")?.unwrap_or_default();
        for name in String::from_utf8_lossy(&names).lines().filter_map(module_name) {
            builtin.entry(name).or_default();
        }
        let aliases = read("modules.alias")?.unwrap_or_default();
        Ok(Self {
            tree,
            files: files(tree, &folder),
            aliases: String::from_utf8_lossy(&aliases).lines().filter_map(alias).collect(),
            builtin,
            builtin_said: modinfo.is_some(),
        })
    }

    /// What modprobe would take for `name`: the module of this name, or else all that have the
    /// alias.
    pub(super) fn find(&self, name: &str) -> Found {
        let name = normalised(name);
        let mut found = Found::default();
        if self.files.contains_key(&name) {
            found.files.insert(name);
            return found;
        }
        let aliases = self
            .aliases
            .iter()
            .filter(|(pattern, module)| self.files.contains_key(module) && matches(pattern, &name));
        found.files.extend(aliases.map(|(_, module)| module.clone()));
        let builtin = self.builtin.iter().filter(|(module, info)| {
            let called = |pattern: &String| matches(pattern, &name);
            **module == name || info.aliases.iter().any(called) || self.may_be(module, &name)
        });
        found.builtin.extend(builtin.map(|(module, _)| module.clone()));
        found
    }

    /// Whether a module whose aliases are not known implements an algorithm: by its name.
    fn may_be(&self, module: &str, alias: &str) -> bool {
        let Some(algorithm) = alias.strip_prefix("crypto_") else { return false };
        !self.builtin_said && module.strip_suffix("_generic").unwrap_or(module) == algorithm
    }

    /// The modules that are files in a folder below the kernel's own, as `drivers/ata/`.
    pub(super) fn in_folder(&self, folder: &str) -> BTreeSet<String> {
        let folder = format!("/kernel/{folder}");
        let inside = self.files.iter().filter(|(_, path)| path.contains(&folder));
        inside.map(|(name, _)| name.clone()).collect()
    }

    /// What a module says that is part of the kernel itself.
    pub(super) fn builtin(&self, name: &str) -> Info {
        self.builtin.get(name).cloned().unwrap_or_default()
    }

    /// A module that is a file, uncompressed, and what it says of itself.
    pub(super) fn read(&self, name: &str) -> Result<Option<(Vec<u8>, Info)>> {
        let Some(path) = self.files.get(name).copied() else { return Ok(None) };
        let bytes = decompress(path, self.tree.read(path)?)?;
        let info = modinfo::read(&bytes).map_err(|why| bad(path, why.to_owned()))?;
        Ok(Some((bytes, info)))
    }
}

/// Module files by name. Of two with one name, the one in `updates/` counts, as for modprobe.
fn files<'a>(tree: &'a Tree, folder: &str) -> BTreeMap<String, &'a str> {
    let mut files = BTreeMap::new();
    for path in tree.under(folder) {
        if let Some(name) = module_name(path) {
            let update = path.contains("/updates/");
            let place = files.entry(name).or_insert(path);
            if update {
                *place = path;
            }
        }
    }
    files
}

fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let stem = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].iter().find_map(|end| file.strip_suffix(end));
    // Others could not be written into the table of an initramfs.
    let stem = stem.filter(|stem| stem.bytes().all(|byte| byte.is_ascii_graphic()))?;
    Some(modinfo::name(stem))
}

/// A line of `modules.alias`: `alias PATTERN MODULE`.
fn alias(line: &str) -> Option<(String, String)> {
    let (pattern, module) = line.strip_prefix("alias ")?.rsplit_once(' ')?;
    Some((normalised(pattern), modinfo::name(module)))
}

fn decompress(path: &str, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let mut module = Vec::new();
    let read = match path.rsplit('.').next() {
        Some("xz") => liblzma::read::XzDecoder::new(&bytes[..]).read_to_end(&mut module),
        Some("gz") => flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut module),
        Some("zst") => zstd::stream::copy_decode(&bytes[..], &mut module).map(|()| module.len()),
        _ => return Ok(bytes),
    };
    read.map_err(|error| bad(path, error.to_string()))?;
    Ok(module)
}

fn bad(path: &str, why: String) -> Error {
    Error::BadModule { path: path.to_owned(), why }
}
