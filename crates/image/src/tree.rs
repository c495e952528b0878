//! Reading a package tree or config layer from its tar archive, without unpacking it.
//!
//! Such an archive is canonical: sorted, every directory before what is in it, a hard link after
//! the file that it names, extended attributes as PAX records. Opening one reads the headers only
//! and seeks over the contents: some ten milliseconds for a whole system.
//!
//! Names are bytes, as for dpkg, pacman and the kernel. What is asked for is always UTF-8.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tar::EntryType;

use crate::{Error, Result};

/// How many symbolic links a path may go through, as in the kernel.
const MAX_LINKS: usize = 40;

/// The members of a tar archive, by path.
pub struct Tree {
    file: File,
    path: PathBuf,
    members: BTreeMap<Vec<u8>, Member>,
}

/// A member of a tree.
struct Member {
    kind: EntryType,
    /// Where its content is.
    content: u64,
    /// Bytes of content.
    size: u64,
    /// Target of a symbolic link, or the other name of a hard link.
    link: Vec<u8>,
}

impl Tree {
    /// Reads the headers of the archive in `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let mut tree = Self { file, path: path.to_owned(), members: BTreeMap::new() };
        tree.scan()?;
        Ok(tree)
    }

    /// The content of a regular file or hard link. `path` is relative to the root; symbolic links
    /// in it are followed inside the tree.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let name = self.resolve(path).ok_or_else(|| Error::Missing(path.to_owned()))?;
        let member = self.content(&name).ok_or_else(|| Error::Missing(path.to_owned()))?;
        let mut bytes = vec![0; member.size as usize];
        let read = self.file.read_exact_at(&mut bytes, member.content);
        read.map_err(Error::io("read", &self.path))?;
        Ok(bytes)
    }

    /// The paths under the folder `folder`, sorted; symbolic links in it are followed. Those that
    /// are not UTF-8 are left out.
    pub fn under(&self, folder: &str) -> Vec<&str> {
        let Some(folder) = self.resolve(folder) else { return Vec::new() };
        let from = [&folder[..], b"/"].concat();
        let paths = self.members.range(from.clone()..).map(|(path, _)| path);
        let paths = paths.take_while(|path| path.starts_with(&from));
        paths.filter_map(|path| std::str::from_utf8(path).ok()).collect()
    }

    /// The member that holds the content of a regular file.
    fn content(&self, name: &[u8]) -> Option<&Member> {
        let member = self.members.get(name)?;
        match member.kind {
            EntryType::Regular => Some(member),
            EntryType::Link => {
                self.members.get(&member.link).filter(|it| it.kind == EntryType::Regular)
            }
            _ => None,
        }
    }

    /// The path without symbolic links, if it is in the tree.
    fn resolve(&self, path: &str) -> Option<Vec<u8>> {
        let parts = |path: &[u8]| -> Vec<Vec<u8>> {
            path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect()
        };
        let mut rest = parts(path.as_bytes());
        let mut done: Vec<Vec<u8>> = Vec::new();
        let mut links = 0;
        while let Some(component) = rest.pop() {
            match component.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    done.pop();
                    continue;
                }
                _ => done.push(component),
            }
            let member = self.members.get(&done.join(&b'/'))?;
            if member.kind == EntryType::Symlink {
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                done.pop();
                if member.link.starts_with(b"/") {
                    done.clear();
                }
                rest.extend(parts(&member.link));
            }
        }
        Some(done.join(&b'/'))
    }

    fn scan(&mut self) -> Result<()> {
        let io = Error::io("read", &self.path);
        let file = self.file.try_clone().map_err(io)?;
        let mut archive = tar::Archive::new(file);
        let entries = archive.entries_with_seek().map_err(Error::io("read", &self.path))?;
        for entry in entries {
            let mut entry = entry.map_err(Error::io("read", &self.path))?;
            let (name, member) = self.member(&mut entry)?;
            // The root itself is every tree's, and no member that anyone asks for.
            if name.is_empty() {
                continue;
            }
            let slash = name.iter().rposition(|byte| *byte == b'/');
            if slash.is_some_and(|slash| !self.is_directory(&name[..slash])) {
                return Err(self.wrong(&name, "comes before its directory"));
            }
            if self.members.insert(name.clone(), member).is_some() {
                return Err(self.wrong(&name, "is there twice"));
            }
        }
        Ok(())
    }

    fn is_directory(&self, name: &[u8]) -> bool {
        self.members.get(name).is_some_and(|member| member.kind == EntryType::Directory)
    }

    fn member<R: Read>(&self, entry: &mut tar::Entry<'_, R>) -> Result<(Vec<u8>, Member)> {
        let name = self.name(&entry.path_bytes())?;
        let link = match entry.link_name_bytes() {
            None => Vec::new(),
            Some(link) if entry.header().entry_type() == EntryType::Link => self.name(&link)?,
            Some(link) => link.into_owned(),
        };
        let member = Member {
            kind: match entry.header().entry_type() {
                EntryType::Continuous => EntryType::Regular,
                kind => kind,
            },
            content: entry.raw_file_position(),
            size: entry.size(),
            link,
        };
        if member.kind == EntryType::Link
            && self.members.get(&member.link).is_none_or(|it| it.kind != EntryType::Regular)
        {
            return Err(self.wrong(&name, "is a hard link to a file that is not before it"));
        }
        Ok((name, member))
    }

    /// A member's name relative to the root: without `./` before it and `/` behind it.
    fn name(&self, raw: &[u8]) -> Result<Vec<u8>> {
        let mut name = raw;
        while let Some(rest) = name.strip_prefix(b"./") {
            name = rest;
        }
        while let Some(rest) = name.strip_suffix(b"/") {
            name = rest;
        }
        if name == b"." {
            return Ok(Vec::new());
        }
        if name.starts_with(b"/") || name.split(|byte| *byte == b'/').any(|part| part == b"..") {
            return Err(self.wrong(raw, "lies outside of the tree"));
        }
        Ok(name.to_vec())
    }

    fn wrong(&self, member: &[u8], why: &str) -> Error {
        let member = String::from_utf8_lossy(member).into_owned();
        Error::Tree { tar: self.path.clone(), member, why: why.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Member as Put, tar};

    #[test]
    fn files_are_read_through_links_inside_the_tree() {
        let tar = tar(&[
            Put::dir("usr"),
            Put::dir("usr/lib"),
            Put::file("usr/lib/a", b"content of a"),
            Put::link("usr/lib/b", "usr/lib/a"),
            Put::file(&format!("usr/lib/{}", "long".repeat(60)), b"long"),
            Put::symlink("lib", "usr/lib"),
            Put::symlink("abs", "/lib/a"),
            Put::symlink("out", "../../../lib/a"),
            Put::symlink("loop", "loop"),
        ]);
        let tree = Tree::open(tar.path()).unwrap();
        for path in ["usr/lib/a", "/lib/a", "lib/b", "abs", "out", "lib/../lib/.//a"] {
            assert_eq!(tree.read(path).unwrap(), b"content of a", "{path}");
        }
        assert_eq!(tree.read(&format!("lib/{}", "long".repeat(60))).unwrap(), b"long");
        assert_eq!(tree.under("lib").len(), 3);
        for missing in ["loop", "usr", "nothing", "usr/lib/a/b", ""] {
            assert!(matches!(tree.read(missing), Err(Error::Missing(_))), "{missing}");
        }
    }

    #[test]
    fn names_that_are_not_utf_8_are_in_nobodys_way() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut builder = tar::Builder::new(file.as_file());
        let mut put = |kind: EntryType, path: &[u8], link: &[u8], content: &[u8]| {
            let mut header = tar::Header::new_ustar();
            header.as_old_mut().name[..path.len()].copy_from_slice(path);
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content).unwrap();
        };
        put(EntryType::Directory, b"d\xe9/", b"", b"");
        put(EntryType::Regular, b"d\xe9/caf\xe9", b"", b"coffee");
        put(EntryType::Regular, b"d\xe9/tea", b"", b"tea");
        put(EntryType::Link, b"d\xe9/x", b"d\xe9/caf\xe9", b"");
        put(EntryType::Symlink, b"link", b"d\xe9", b"");
        builder.finish().unwrap();
        drop(builder);
        let tree = Tree::open(file.path()).unwrap();
        assert_eq!(tree.read("link/x").unwrap(), b"coffee");
        assert_eq!(tree.read("link/tea").unwrap(), b"tea");
        assert!(tree.under("link").is_empty());
    }

    #[test]
    fn archives_that_are_not_canonical_are_refused() {
        for (members, named) in [
            (vec![Put::file("a/b", b"")], "before its directory"),
            (vec![Put::file("a", b""), Put::file("a/b", b"")], "before its directory"),
            (vec![Put::symlink("a", "/"), Put::file("a/b", b"")], "before its directory"),
            (vec![Put::file("a", b""), Put::file("a", b"")], "twice"),
            (vec![Put::link("a", "b"), Put::file("b", b"")], "hard link"),
            (vec![Put::file("../a", b"")], "outside"),
            (vec![Put::file("/a", b"")], "outside"),
        ] {
            let tar = tar(&members);
            let error = Tree::open(tar.path()).err().unwrap().to_string();
            assert!(error.contains(named), "{named}: {error}");
        }
    }
}
