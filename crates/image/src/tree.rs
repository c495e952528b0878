//! Reading a package tree or config layer from its tar archive, without unpacking it.
//!
//! Such an archive is canonical: sorted, every directory before what is in it, a hard link after
//! the file that it names, extended attributes as PAX records. Opening one reads the headers only
//! and seeks over the contents: some ten milliseconds for a whole system.

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
    members: BTreeMap<String, Member>,
}

/// A member of a tree.
struct Member {
    kind: EntryType,
    /// Where its content is.
    content: u64,
    /// Bytes of content.
    size: u64,
    /// Target of a symbolic link, or the other name of a hard link.
    link: String,
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

    /// The paths under the folder `folder`, sorted; symbolic links in it are followed.
    pub fn under(&self, folder: &str) -> Vec<&str> {
        let Some(folder) = self.resolve(folder) else { return Vec::new() };
        let from = format!("{folder}/");
        let members = self.members.range(from.clone()..);
        members.map(|(path, _)| path.as_str()).take_while(|path| path.starts_with(&from)).collect()
    }

    /// The member that holds the content of a regular file.
    fn content(&self, name: &str) -> Option<&Member> {
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
    fn resolve(&self, path: &str) -> Option<String> {
        let mut rest: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(component) = rest.pop() {
            match component.as_str() {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    continue;
                }
                _ => done.push(component),
            }
            let member = self.members.get(&done.join("/"))?;
            if member.kind == EntryType::Symlink {
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                done.pop();
                if member.link.starts_with('/') {
                    done.clear();
                }
                rest.extend(member.link.split('/').rev().map(str::to_owned));
            }
        }
        Some(done.join("/"))
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
            let parent = name.rsplit_once('/').map(|(parent, _)| parent);
            if parent.is_some_and(|parent| !self.is_directory(parent)) {
                return Err(self.wrong(&name, "comes before its directory"));
            }
            if self.members.insert(name.clone(), member).is_some() {
                return Err(self.wrong(&name, "is there twice"));
            }
        }
        Ok(())
    }

    fn is_directory(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|member| member.kind == EntryType::Directory)
    }

    fn member<R: Read>(&self, entry: &mut tar::Entry<'_, R>) -> Result<(String, Member)> {
        let raw = entry.path_bytes().into_owned();
        let name = self.name(&raw)?;
        let link = match entry.link_name_bytes() {
            None => String::new(),
            Some(link) if entry.header().entry_type() == EntryType::Link => self.name(&link)?,
            Some(link) => String::from_utf8(link.into_owned())
                .map_err(|_| self.wrong(&name, "is a link to a name that is not UTF-8"))?,
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
    fn name(&self, raw: &[u8]) -> Result<String> {
        let text = String::from_utf8(raw.to_owned()).map_err(|_| {
            self.wrong(&String::from_utf8_lossy(raw), "has a name that is not UTF-8")
        })?;
        let name = text.trim_start_matches("./").trim_end_matches('/');
        if name == "." {
            return Ok(String::new());
        }
        if name.starts_with('/') || name.split('/').any(|part| part == "..") {
            return Err(self.wrong(&text, "lies outside of the tree"));
        }
        Ok(name.to_owned())
    }

    fn wrong(&self, member: &str, why: &str) -> Error {
        Error::Tree { tar: self.path.clone(), member: member.to_owned(), why: why.to_owned() }
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
