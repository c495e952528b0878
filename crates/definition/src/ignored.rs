//! What git ignores: it is in nobody else's clone, so it enters no image.
//!
//! git itself is asked, with all that it goes by: the `.gitignore` files, `.git/info/exclude` and
//! the excludes of whoever builds. The last two are in no commit, and still count: git never
//! ignores a file that it tracks, so they only ever keep out what the commit does not have either.
//! A work tree whose `git status` is clean makes the image of its commit, on every host.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::graph::Node;
use crate::{Error, Workspace, git};

/// What of a workspace, and of the roles that lie outside of it, git ignores.
#[derive(Clone, Debug, Default)]
pub struct Ignored {
    /// Files, and directories of which nothing counts.
    paths: BTreeSet<PathBuf>,
    /// Parts of servers.
    parts: BTreeSet<PathBuf>,
}

impl Ignored {
    /// Whether git ignores `path`, or a directory that it lies in.
    ///
    /// Where a part lies in an ignored directory itself, git has no say in what it is made of.
    pub fn has(&self, path: &Path) -> bool {
        let Some(ignored) = path.ancestors().find(|path| self.paths.contains(*path)) else {
            return false;
        };
        let has_part = self.parts.range(path.to_owned()..).next();
        let in_part = || {
            let mut above = path.ancestors().take_while(|above| above.starts_with(ignored));
            above.any(|above| self.parts.contains(above))
        };
        !has_part.is_some_and(|part| part.starts_with(path)) && !in_part()
    }

    /// What it has below `dir` and at it.
    pub(crate) fn below<'a>(&'a self, dir: &Path) -> impl Iterator<Item = &'a PathBuf> {
        let dir = dir.to_owned();
        let from = self.paths.range(dir.clone()..);
        from.take_while(move |path| path.starts_with(&dir)).filter(|path| self.has(path))
    }
}

impl Workspace {
    /// What git ignores; nothing where there is no repository. git is asked once.
    ///
    /// # Errors
    /// When there is a repository, and git cannot be started or fails.
    pub fn ignored(&self) -> Result<&Ignored, Error> {
        if let Some(ignored) = self.ignored.get() {
            return Ok(ignored);
        }
        let ignored = self.ask()?;
        Ok(self.ignored.get_or_init(|| ignored))
    }

    fn ask(&self) -> Result<Ignored, Error> {
        let root = self.root();
        let mut paths = git::ignored(root)?;
        let repository = git::repository(root);
        for node in self.part_nodes().filter(|node| !is_published(node)) {
            let inside = node.dir.canonicalize().is_ok_and(|dir| {
                let root = root.canonicalize();
                root.is_ok_and(|root| dir.starts_with(root))
            });
            if !inside || git::repository(&node.dir) != repository {
                // The repository around it has no say.
                paths.retain(|path| !path.starts_with(&node.dir));
                paths.extend(git::ignored(&node.dir)?);
            }
        }
        let mut parts: BTreeSet<_> = self.graph.nodes().map(|node| node.dir.clone()).collect();
        parts.extend(self.boards()?);
        Ok(Ignored { paths, parts })
    }

    /// What git ignores of the files that `server` and the programs of `packages` are made of: what
    /// is left out of its image. Sorted; a directory stands for all that is in it.
    ///
    /// # Errors
    /// Those of [`ignored`](Self::ignored).
    pub fn left_out(&self, server: &str, packages: &[&str]) -> Result<BTreeSet<PathBuf>, Error> {
        let ignored = self.ignored()?;
        let named = |node: &&Node| node.name == server || packages.contains(&node.name.as_str());
        let made_of: BTreeMap<_, _> = self
            .graph
            .nodes()
            .filter(named)
            .flat_map(|node| self.graph.reached(node).into_iter().chain([node]))
            .map(|node| (&node.dir, node))
            .collect();
        let of_image = |dir: &Path, path: &Path| {
            let first = path.strip_prefix(dir).ok().and_then(|below| below.components().next());
            let first = first.map(|first| first.as_os_str().to_string_lossy());
            first.is_some_and(|first| {
                matches!(&*first, "src" | "build.rs" | "rootfs" | "rootfs.debian" | "rootfs.arch")
            })
        };
        let found = made_of.into_keys().flat_map(|dir| {
            ignored.below(dir).filter(|path| of_image(dir, path)).cloned().collect::<Vec<_>>()
        });
        let found: BTreeSet<_> = found.collect();
        // A directory comes before what is in it.
        let inner = |path: &PathBuf| path.ancestors().skip(1).any(|above| found.contains(above));
        Ok(found.iter().filter(|path| !inner(path)).cloned().collect())
    }
}

/// Whether Cargo has unpacked it from a registry: all that is there was published.
fn is_published(node: &Node) -> bool {
    node.dir.join(".cargo-ok").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(paths: &[&str], parts: &[&str]) -> Ignored {
        let set = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        Ignored { paths: set(paths), parts: set(parts) }
    }

    #[test]
    fn what_is_ignored_takes_all_below_it() {
        let ignored = ignored(&["/w/a~", "/w/roles/x/rootfs/cache"], &["/w/roles/x"]);
        for path in ["/w/a~", "/w/roles/x/rootfs/cache", "/w/roles/x/rootfs/cache/b/c"] {
            assert!(ignored.has(Path::new(path)), "{path}");
        }
        for path in ["/w", "/w/a", "/w/a~b", "/w/roles/x", "/w/roles/x/rootfs/cache2"] {
            assert!(!ignored.has(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_part_in_an_ignored_directory_is_whole() {
        let ignored = ignored(&["/w/mine"], &["/w/mine/servers/a", "/w/roles/x"]);
        for path in ["/w/mine", "/w/mine/servers", "/w/mine/servers/a/rootfs/etc/b~"] {
            assert!(!ignored.has(Path::new(path)), "{path}");
        }
        assert!(ignored.has(Path::new("/w/mine/notes")));
        assert!(ignored.has(Path::new("/w/mine/servers/notes")));
    }
}
