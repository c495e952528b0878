//! Kernel modules of an initramfs: what init and a board ask for, and what that depends on.
//!
//! What a module depends on and which devices it is for is read from the module itself; only which
//! module has an alias is read from `modules.alias`, which depmod makes. Modules are unpacked here:
//! a kernel without CONFIG_MODULE_DECOMPRESS can load them too, and the whole initramfs is
//! compressed anyway.

mod installed;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use generation::LayerFormat;
use generation::modules::{Around, Modules};

use crate::error::NeededBy;
use crate::tree::Tree;
use crate::{Error, Result};
use installed::{Found, Installed};

/// A module, uncompressed.
#[derive(Clone, PartialEq, Eq)]
pub struct Module {
    /// Its name as `lsmod` has it.
    pub name: String,
    /// The ELF file, with its signature if it has one.
    pub bytes: Vec<u8>,
}

/// What a board wants before the root is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The package that the kernel was asked for as: what messages call it.
    pub package: String,
    /// The layers' format, which init has to mount.
    pub layers: LayerFormat,
    /// Modules that come before all others, where the kernel has them and a device asks for them.
    pub first: Vec<String>,
    /// Modules or aliases that every kernel for the board has, as files or built in. They are
    /// loaded on every machine.
    pub required: Vec<String>,
    /// Modules, aliases, or folders below the kernel's own with a `/` behind them, that are put in
    /// where the kernel has them. They are loaded where a device asks for them.
    pub optional: Vec<String>,
}

/// The modules of an initramfs.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Closure {
    /// What init is told of them.
    pub table: Modules,
    /// The files, by name.
    pub files: Vec<Module>,
}

/// What init itself cannot do without.
struct Need {
    /// A module, or an alias.
    name: &'static str,
    /// What for.
    purpose: &'static str,
    /// Where it has to be.
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the initramfs, and loaded on every machine.
    Loaded,
    /// In the initramfs, and loaded where the command line asks for it.
    Initramfs,
    /// Among the kernel's modules: the server needs it later.
    Kernel,
}

/// What is needed on any machine, beside the layers' own filesystem.
const NEEDS: [Need; 7] = [
    Need { name: "overlay", purpose: "the root", place: Place::Loaded },
    Need { name: "loop", purpose: "the layers", place: Place::Loaded },
    Need { name: "dm-verity", purpose: "the layers' hash trees", place: Place::Loaded },
    Need { name: "crypto-sha256", purpose: "the layers' hash trees", place: Place::Loaded },
    Need { name: "ext4", purpose: "the data partition", place: Place::Initramfs },
    Need { name: "isofs", purpose: "a live ISO", place: Place::Initramfs },
    Need { name: "vfat", purpose: "the boot partition", place: Place::Kernel },
];

/// What init and the board ask for of the kernel `release`, with what that depends on.
///
/// # Errors
/// [`Error::NoModule`] for what init cannot do without or the board requires, where it is neither a
/// file nor a part of the kernel. So too for what such a module depends on, be it softly: that is
/// how a filesystem says which hash it computes.
pub fn closure(tree: &Tree, release: &str, wanted: &Wanted) -> Result<Closure> {
    let installed = Installed::open(tree, release)?;
    let seen = BTreeMap::new();
    let mut choice = Choice { installed, release, wanted, seen, closure: Closure::default() };
    let layers = Need { name: wanted.layers.name(), purpose: "the layers", place: Place::Loaded };
    for need in NEEDS.iter().chain([&layers]) {
        let found = choice.require(need.name, &NeededBy::Init(need.purpose))?;
        if need.place != Place::Kernel {
            choice.add_required(&found)?;
        }
        if need.place == Place::Loaded {
            let names = choice.for_any_processor(&found);
            choice.closure.table.always.extend(names);
        }
    }
    for name in &wanted.required {
        let found = choice.require(name, &NeededBy::Board)?;
        choice.add_required(&found)?;
        let names = choice.for_any_processor(&found);
        choice.closure.table.always.extend(names);
    }
    for name in &wanted.first {
        for name in choice.installed.find(name).files {
            choice.add(&name, false)?;
            choice.put_first(name);
        }
    }
    for name in &wanted.optional {
        let names = match name.ends_with('/') {
            true => choice.installed.in_folder(name),
            false => choice.installed.find(name).files,
        };
        for name in names {
            choice.add(&name, false)?;
        }
    }
    Ok(choice.done())
}

struct Choice<'a> {
    installed: Installed<'a>,
    release: &'a str,
    wanted: &'a Wanted,
    /// Each module that was looked at, and whether no server boots without it.
    seen: BTreeMap<String, bool>,
    closure: Closure,
}

impl Choice<'_> {
    /// What `name` stands for, which has to be something.
    fn require(&self, name: &str, needed_by: &NeededBy) -> Result<Found> {
        let found = self.installed.find(name);
        if found.is_empty() {
            return Err(Error::NoModule {
                module: name.to_owned(),
                needed_by: needed_by.clone(),
                release: self.release.to_owned(),
                package: self.wanted.package.clone(),
            });
        }
        Ok(found)
    }

    /// Takes all that was found, and what it depends on.
    fn add_required(&mut self, found: &Found) -> Result<()> {
        for name in &found.files {
            self.add(name, true)?;
        }
        for name in &found.builtin {
            self.add_builtin(name)?;
        }
        Ok(())
    }

    fn add(&mut self, name: &str, required: bool) -> Result<()> {
        // Looked at a second time, as it is required after all, it is no new file.
        let before = self.seen.get(name).copied();
        if before.is_some_and(|was_required| was_required || !required) {
            return Ok(());
        }
        self.seen.insert(name.to_owned(), required);
        let Some((bytes, info)) = self.installed.read(name)? else { return Ok(()) };
        let mut around = Around::default();
        for soft in &info.before {
            around.before.extend(self.add_soft(soft, required.then_some(name))?);
        }
        for depends in &info.depends {
            let found = match required {
                true => self.require(depends, &NeededBy::Module(name.to_owned()))?,
                false => self.installed.find(depends),
            };
            for depends in found.files {
                self.add(&depends, required)?;
                around.before.push(depends);
            }
        }
        for soft in &info.after {
            around.after.extend(self.add_soft(soft, None)?);
        }
        if before.is_none() {
            let table = &mut self.closure.table;
            table.aliases.extend(info.aliases.into_iter().map(|alias| (alias, name.to_owned())));
            table.modules.insert(name.to_owned(), around);
            self.closure.files.push(Module { name: name.to_owned(), bytes });
        }
        Ok(())
    }

    /// A part of the kernel may have soft dependencies too, which are files: a hash.
    fn add_builtin(&mut self, name: &str) -> Result<()> {
        if self.seen.insert(name.to_owned(), true).is_some() {
            return Ok(());
        }
        for soft in self.installed.builtin(name).before {
            let names = self.add_soft(&soft, Some(name))?;
            self.closure.table.always.extend(names);
        }
        Ok(())
    }

    /// A soft dependency: the modules that it is, in the order of loading. Of what a server boots
    /// without it may name what this kernel does not have.
    fn add_soft(&mut self, name: &str, required_by: Option<&str>) -> Result<Vec<String>> {
        let found = match required_by {
            Some(module) => self.require(name, &NeededBy::Module(module.to_owned()))?,
            None => self.installed.find(name),
        };
        if required_by.is_some() {
            self.add_required(&found)?;
        }
        for name in &found.files {
            self.add(name, false)?;
        }
        Ok(self.for_any_processor(&found))
    }

    /// Of what has been found, without the modules that the processor asks for like a device, where
    /// there are others: `crc32c` is `crc32c_generic`, and `crc32c_intel` on some.
    fn for_any_processor(&self, found: &Found) -> Vec<String> {
        let aliases = &self.closure.table.aliases;
        let is_for_some = |name: &String| {
            aliases.iter().any(|(pattern, module)| module == name && pattern.starts_with("cpu:"))
        };
        let all = || found.files.iter().cloned();
        let for_any: Vec<_> = all().filter(|name| !is_for_some(name)).collect();
        match for_any.is_empty() && found.builtin.is_empty() {
            true => all().collect(),
            false => for_any,
        }
    }

    /// Has a module loaded before all others: where a device asks for it, or always where none
    /// ever could.
    fn put_first(&mut self, name: String) {
        let table = &mut self.closure.table;
        let is_asked_for =
            |(pattern, module): &(String, String)| *module == name && pattern.contains(':');
        if !table.aliases.iter().any(is_asked_for) {
            table.always.insert(0, name.clone());
        }
        table.first.push(name);
    }

    /// The same bytes whatever order things were found in.
    fn done(self) -> Closure {
        let Closure { mut table, mut files } = self.closure;
        table.aliases.sort();
        table.aliases.dedup();
        let mut named = BTreeSet::new();
        table.always.retain(|name| named.insert(name.clone()));
        files.sort_by(|one, other| one.name.cmp(&other.name));
        Closure { table, files }
    }
}
