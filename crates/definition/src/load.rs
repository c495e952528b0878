//! The files of a server, its roles and its board, read from disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::{
    Board, DistributionName, Error, Ignored, Laid, Origin, Part, PartName, Problem, Problems,
    RoleToml, ServerToml, extra, overlay, own,
};

/// What a role consists of.
#[derive(Clone, Debug)]
pub struct RoleFiles {
    /// The name of its Cargo package.
    pub name: PartName,
    /// Its crate's directory.
    pub dir: PathBuf,
    /// What its role.toml says.
    pub role: RoleToml,
    /// What its `rootfs/` holds.
    pub laid: Vec<Laid>,
    /// What its `rootfs.debian/` and `rootfs.arch/` hold, for servers of that distribution.
    pub laid_for: BTreeMap<DistributionName, Vec<Laid>>,
    /// The roles that it depends on, directly or through crates that are no roles.
    pub depends: BTreeSet<PartName>,
    /// Its size: see [`Server::definition_bytes`](crate::Server).
    pub bytes: u64,
}

/// What a server consists of, without its roles and its board.
#[derive(Clone, Debug)]
pub struct ServerFiles {
    /// The name of its Cargo package.
    pub name: PartName,
    /// Its crate's directory.
    pub dir: PathBuf,
    /// What its server.toml says.
    pub server: ServerToml,
    /// What its `rootfs/` holds.
    pub laid: Vec<Laid>,
    /// What its `rootfs.debian/` and `rootfs.arch/` hold, for servers of that distribution.
    pub laid_for: BTreeMap<DistributionName, Vec<Laid>>,
    /// The roles that it depends on, directly or through crates that are no roles.
    pub depends: BTreeSet<PartName>,
    /// Its size: see [`Server::definition_bytes`](crate::Server).
    pub bytes: u64,
}

/// Reads files below a workspace and collects what is wrong with them.
pub(crate) struct Loader<'a> {
    root: &'a Path,
    ignored: &'a Ignored,
    problems: Vec<Problem>,
}

impl<'a> Loader<'a> {
    /// What git ignores counts as if it were not there.
    pub(crate) fn new(root: &'a Path, ignored: &'a Ignored) -> Self {
        Self { root, ignored, problems: Vec::new() }
    }

    /// The mistakes met so far, as an error if there are any.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self.problems.is_empty() {
            true => Ok(()),
            false => Err(Problems::from_found(self.problems).into()),
        }
    }

    /// A path as messages show it.
    fn shown(&self, path: &Path) -> PathBuf {
        path.strip_prefix(self.root).unwrap_or(path).to_owned()
    }

    fn keep<T>(&mut self, result: Result<T, Problems>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(problems) => {
                self.problems.extend(problems.into_found());
                None
            }
        }
    }

    /// The name of a package as that of a part.
    fn name(&mut self, name: &str, dir: &Path) -> Option<PartName> {
        let origin = Origin::file(&self.shown(&dir.join("Cargo.toml")));
        self.keep(name.parse().map_err(|refused: crate::Refused| {
            let message = format!("the package's name `{name}` {refused}");
            Problem::new(&origin, message).hint(refused.hint).into()
        }))
    }

    fn laid(&mut self, rootfs: &Path) -> Result<Vec<Laid>, Error> {
        let root = self.root;
        let shown = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_owned();
        overlay::walk(rootfs, &shown, self.ignored, &mut self.problems)
    }

    fn laid_for(&mut self, dir: &Path) -> Result<BTreeMap<DistributionName, Vec<Laid>>, Error> {
        let of = |name: DistributionName| {
            let laid = self.laid(&dir.join(format!("rootfs.{name}")))?;
            Ok((name, laid))
        };
        DistributionName::ALL.into_iter().map(of).collect()
    }

    /// Reads the server that the package `name` in `dir` is; `text`, if there is one, stands for its
    /// server.toml.
    pub(crate) fn server(
        &mut self,
        name: &str,
        dir: &Path,
        depends: BTreeSet<PartName>,
        text: Option<&str>,
    ) -> Result<Option<ServerFiles>, Error> {
        let file = dir.join("server.toml");
        let text = text.map_or_else(|| read(&file), |text| Ok(text.to_owned()))?;
        let server = ServerToml::parse(&self.shown(&file), &text);
        let server = self.keep(server);
        let name = self.name(name, dir);
        let laid = self.laid(&dir.join("rootfs"))?;
        let laid_for = self.laid_for(dir)?;
        let bytes = written_bytes(dir, self.ignored)?;
        let (Some(mut server), Some(name)) = (server, name) else { return Ok(None) };
        let extras = &mut server.archive.extras;
        extra::read_keys(extras, dir, self.ignored, &mut self.problems)?;
        let distribution = server.archive.distribution.name();
        self.own(&mut server.part, &name, dir, distribution)?;
        Ok(Some(ServerFiles { name, dir: dir.to_owned(), server, laid, laid_for, depends, bytes }))
    }

    /// Reads the package files that `part` names.
    fn own(
        &mut self,
        part: &mut Part,
        name: &PartName,
        dir: &Path,
        distribution: DistributionName,
    ) -> Result<(), Error> {
        let root = self.root;
        let shown = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_owned();
        let files = part.files_on(distribution);
        let (problems, of) = (&mut self.problems, (name, dir));
        part.own = own::read(&files, distribution, of, &shown, self.ignored, problems)?;
        Ok(())
    }

    /// Reads the package files of `roles` for a server of `distribution`.
    pub(crate) fn own_of_roles(
        &mut self,
        roles: &mut [RoleFiles],
        distribution: DistributionName,
    ) -> Result<(), Error> {
        for RoleFiles { role, name, dir, .. } in roles {
            self.own(&mut role.0, name, dir, distribution)?;
        }
        Ok(())
    }

    /// Reads the role that the package `name` in `dir` is.
    pub(crate) fn role(
        &mut self,
        name: &str,
        dir: &Path,
        depends: BTreeSet<PartName>,
    ) -> Result<Option<RoleFiles>, Error> {
        let file = dir.join("role.toml");
        let text = read(&file)?;
        let role = RoleToml::parse(&self.shown(&file), &text);
        let role = self.keep(role);
        let name = self.name(name, dir);
        let laid = self.laid(&dir.join("rootfs"))?;
        let laid_for = self.laid_for(dir)?;
        let bytes = written_bytes(dir, self.ignored)?;
        let (Some(role), Some(name)) = (role, name) else { return Ok(None) };
        Ok(Some(RoleFiles { name, dir: dir.to_owned(), role, laid, laid_for, depends, bytes }))
    }

    /// Reads the board `name` in `dir`.
    pub(crate) fn board(&mut self, name: &PartName, dir: &Path) -> Result<Option<Board>, Error> {
        let file = dir.join("board.toml");
        let text = read(&file)?;
        let board = Board::parse(name.clone(), dir, &self.shown(&file), &text);
        Ok(self.keep(board))
    }

    /// Adds a mistake that was found elsewhere.
    pub(crate) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }
}

fn read(file: &Path) -> Result<String, Error> {
    fs::read_to_string(file).map_err(|error| Error::read(file, error))
}

/// What is in a crate's directory and not written by people, or not part of the image.
const NOT_WRITTEN: [&str; 4] = ["server.lock", "server.digest", "tests", "target"];

/// The sizes of all files below a crate's directory that people wrote; of symlinks their length.
fn written_bytes(dir: &Path, ignored: &Ignored) -> Result<u64, Error> {
    let mut bytes = 0;
    let mut open = vec![dir.to_owned()];
    while let Some(current) = open.pop() {
        let failed = |error| Error::read(&current, error);
        for entry in fs::read_dir(&current).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if current == dir && NOT_WRITTEN.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if ignored.has(&entry.path()) {
                continue;
            }
            let metadata = entry.metadata().map_err(failed)?;
            if metadata.is_dir() {
                open.push(entry.path());
            } else {
                bytes += metadata.size();
            }
        }
    }
    Ok(bytes)
}
