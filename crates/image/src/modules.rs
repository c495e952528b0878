//! Kernel modules of an initramfs: what a board asks for, what that depends on, in load order.
//!
//! Dependencies are read from the modules themselves, so it does not matter whether depmod ran.
//! Modules are unpacked here: a kernel without CONFIG_MODULE_DECOMPRESS can load them too, and the
//! whole initramfs is compressed anyway.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use crate::modinfo::{self, Needs};
use crate::tree::Tree;
use crate::{Error, Result};

/// A module, uncompressed.
#[derive(Clone, PartialEq, Eq)]
pub struct Module {
    /// Its name as `lsmod` has it.
    pub name: String,
    /// The ELF file, with its signature if it has one.
    pub bytes: Vec<u8>,
}

/// What a board wants before the root is there, each list in the order of loading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Modules that come before all others, where the kernel has them.
    pub first: Vec<String>,
    /// Modules that every kernel for the board has, as files or built in.
    pub required: Vec<String>,
    /// Modules that are put in where the kernel has them.
    pub optional: Vec<String>,
}

/// The modules `wanted` of the kernel `release`, each after what it depends on.
///
/// # Errors
/// [`Error::NoModule`] for a required module that is neither a file nor built into the kernel.
pub fn closure(tree: &Tree, release: &str, wanted: &Wanted) -> Result<Vec<Module>> {
    let mut closure = Closure {
        tree,
        release,
        files: files(tree, release),
        builtin: builtin(tree, release)?,
        seen: BTreeSet::new(),
        modules: Vec::new(),
    };
    closure.add_where_there(&wanted.first)?;
    for name in &wanted.required {
        closure.add(&modinfo::name(name), None)?;
    }
    closure.add_where_there(&wanted.optional)?;
    Ok(closure.modules)
}

struct Closure<'a> {
    tree: &'a Tree,
    release: &'a str,
    files: BTreeMap<String, &'a str>,
    builtin: BTreeSet<String>,
    seen: BTreeSet<String>,
    modules: Vec<Module>,
}

impl Closure<'_> {
    fn add(&mut self, name: &str, needed_by: Option<&str>) -> Result<()> {
        if self.builtin.contains(name) || !self.seen.insert(name.to_owned()) {
            return Ok(());
        }
        let Some(path) = self.files.get(name).copied() else {
            return Err(Error::NoModule {
                module: name.to_owned(),
                needed_by: needed_by.map(str::to_owned),
                release: self.release.to_owned(),
            });
        };
        let bytes = decompress(path, self.tree.read(path)?)?;
        let Needs { depends, before, after } =
            modinfo::needs(&bytes).map_err(|why| bad(path, why.to_owned()))?;
        self.add_if_there(&before, name)?;
        for dependency in &depends {
            self.add(dependency, Some(name))?;
        }
        self.modules.push(Module { name: name.to_owned(), bytes });
        self.add_if_there(&after, name)
    }

    fn add_where_there(&mut self, wanted: &[String]) -> Result<()> {
        for name in wanted.iter().map(|name| modinfo::name(name)) {
            if self.files.contains_key(&name) {
                self.add(&name, None)?;
            }
        }
        Ok(())
    }

    /// Soft dependencies may name what this kernel does not have, and aliases.
    fn add_if_there(&mut self, names: &[String], needed_by: &str) -> Result<()> {
        for name in names {
            if self.files.contains_key(name) {
                self.add(name, Some(needed_by))?;
            }
        }
        Ok(())
    }
}

fn folder(release: &str) -> String {
    format!("lib/modules/{release}")
}

/// Module files by name. Of two with one name, the one in `updates/` counts, as for modprobe.
fn files<'a>(tree: &'a Tree, release: &str) -> BTreeMap<String, &'a str> {
    let mut files = BTreeMap::new();
    for path in tree.under(&folder(release)) {
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

/// Names of the modules that are part of the kernel itself.
fn builtin(tree: &Tree, release: &str) -> Result<BTreeSet<String>> {
    let path = format!("{}/modules.builtin", folder(release));
    let bytes = match tree.read(&path) {
        Ok(bytes) => bytes,
        Err(Error::Missing(_)) => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    Ok(String::from_utf8_lossy(&bytes).lines().filter_map(module_name).collect())
}

fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let stem = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].iter().find_map(|end| file.strip_suffix(end));
    Some(modinfo::name(stem?))
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::fixture::{Member, tar};
    use crate::modinfo::module;

    fn names(wanted: &[&str], extra: Vec<Member>) -> Result<Vec<String>> {
        let xz = |bytes: Vec<u8>| {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(&bytes).unwrap();
            encoder.finish().unwrap()
        };
        let zst = |bytes: Vec<u8>| zstd::encode_all(&bytes[..], 1).unwrap();
        let mut members = vec![
            Member::symlink("lib", "usr/lib"),
            Member::dir("usr"),
            Member::dir("usr/lib"),
            Member::dir("usr/lib/modules"),
            Member::dir("usr/lib/modules/6.12"),
            Member::file("usr/lib/modules/6.12/modules.builtin", b"kernel/fs/ext4/ext4.ko\n"),
            Member::dir("usr/lib/modules/6.12/kernel"),
            Member::file(
                "usr/lib/modules/6.12/kernel/dm-verity.ko.xz",
                &xz(module("depends=dm-bufio,dm-mod,ext4\0softdep=pre: sha256\0")),
            ),
            Member::file(
                "usr/lib/modules/6.12/kernel/dm-bufio.ko.zst",
                &zst(module("depends=dm-mod\0")),
            ),
            Member::file("usr/lib/modules/6.12/kernel/dm-mod.ko", &module("depends=\0")),
            Member::file("usr/lib/modules/6.12/kernel/lonely.ko", &module("depends=gone\0")),
        ];
        members.extend(extra);
        let tar = tar(&members);
        let tree = Tree::open(tar.path()).unwrap();
        let required = wanted.iter().map(|name| (*name).to_owned()).collect();
        let [first, optional] = [["watch-dog"], ["nowhere"]].map(|it| it.map(str::to_owned).into());
        let wanted = Wanted { first, required, optional };
        Ok(closure(&tree, "6.12", &wanted)?.into_iter().map(|module| module.name).collect())
    }

    #[test]
    fn dependencies_come_first_and_once() {
        let order = ["dm_mod", "dm_bufio", "dm_verity"];
        assert_eq!(names(&["dm-verity"], vec![]).unwrap(), order);
        assert_eq!(names(&["dm_verity", "ext4", "dm_mod", "dm-verity"], vec![]).unwrap(), order);
    }

    #[test]
    fn a_soft_dependency_is_taken_where_it_is_there() {
        let sha = Member::file("usr/lib/modules/6.12/kernel/sha256.ko", &module("depends=\0"));
        assert_eq!(names(&["dm-verity"], vec![sha]).unwrap()[0], "sha256");
    }

    #[test]
    fn what_comes_first_does_so_with_its_dependencies_where_it_is_there() {
        let file = |name: &str, info: &str| {
            Member::file(&format!("usr/lib/modules/6.12/kernel/{name}.ko"), &module(info))
        };
        let watchdog = vec![file("watch_dog", "depends=vendor\0"), file("vendor", "depends=\0")];
        assert_eq!(names(&["dm-mod"], watchdog).unwrap(), ["vendor", "watch_dog", "dm_mod"]);
    }

    #[test]
    fn what_is_nowhere_is_named_with_what_needs_it() {
        let error = names(&["dm-verty"], vec![]).unwrap_err();
        assert_eq!(error.to_string(), "kernel 6.12 has no module `dm_verty`");
        assert!(error.hint().unwrap().contains("board.toml"));
        let error = names(&["lonely"], vec![]).unwrap_err();
        assert_eq!(error.to_string(), "kernel 6.12 has no module `gone`, which `lonely` needs");
    }

    #[test]
    fn a_file_that_is_no_module_is_an_error() {
        for (name, bytes) in [("a.ko", &b"text"[..]), ("a.ko.xz", b"text"), ("a.ko.zst", b"text")] {
            let path = format!("usr/lib/modules/6.12/kernel/{name}");
            let error = names(&["a"], vec![Member::file(&path, bytes)]).unwrap_err();
            assert!(matches!(error, Error::BadModule { .. }), "{error}");
        }
    }
}
