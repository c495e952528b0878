//! The workspace: which servers there are, and each of them put together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cargo_metadata::MetadataCommand;

use crate::graph::{Graph, Node};
use crate::load::{Loader, RoleFiles, ServerFiles};
use crate::{
    DistributionName, Error, Ignored, PackageName, PartName, Problem, Server, compose, suggest,
};

/// A Cargo workspace that holds definitions of servers.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
    pub(crate) graph: Graph,
    pub(crate) ignored: OnceLock<Ignored>,
}

impl Workspace {
    /// Reads the workspace that `dir` lies in.
    ///
    /// Cargo is asked without the dependencies first (an eighth of the time); only when a role may
    /// lie outside the workspace is it asked for everything.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let mut command = MetadataCommand::new();
        command.current_dir(dir).no_deps();
        // Nobody is connected to without dependencies. Cargo reads all certificates first, which
        // takes a third of the time.
        command.env("SSL_CERT_FILE", "/dev/null");
        let failed = |source| Error::Cargo { dir: dir.to_owned(), source };
        let mut metadata = command.exec().map_err(failed)?;
        let mut graph = Graph::new(&metadata);
        if graph.is_open() {
            let mut command = MetadataCommand::new();
            metadata = command.current_dir(dir).exec().map_err(failed)?;
            graph = Graph::new(&metadata);
        }
        let root = metadata.workspace_root.into_std_path_buf();
        let target = metadata.target_directory.into_std_path_buf();
        Ok(Self { root, target, graph, ignored: OnceLock::new() })
    }

    /// The directory of the workspace's Cargo.toml.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where Cargo and we keep what can be made again.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The names of all servers, sorted.
    pub fn servers(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.server_nodes().map(|node| node.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    fn server_nodes(&self) -> impl Iterator<Item = &Node> {
        self.graph.nodes().filter(|node| node.dir.join("server.toml").is_file())
    }

    /// The packages that are servers or roles.
    pub(crate) fn part_nodes(&self) -> impl Iterator<Item = &Node> {
        self.server_nodes().chain(self.graph.nodes().filter(|node| is_role(node)))
    }

    /// The directories of all boards.
    pub(crate) fn boards(&self) -> Result<Vec<PathBuf>, Error> {
        let boards = self.root.join("boards");
        Ok(board_names(&boards)?.into_iter().map(|name| boards.join(name)).collect())
    }

    /// Whether a package of this name is known.
    pub fn has_package(&self, name: &str) -> bool {
        self.package(name).is_some()
    }

    /// The directory of the local package `name`.
    pub(crate) fn package(&self, name: &str) -> Option<&Path> {
        self.graph.nodes().find(|node| node.name == name).map(|node| node.dir.as_path())
    }

    /// Reads and composes the server `name`.
    pub fn server(&self, name: &str) -> Result<Server, Error> {
        self.server_of(name, None)
    }

    /// The server `name` as it would be if its server.toml said `text`.
    pub fn server_with(&self, name: &str, text: &str) -> Result<Server, Error> {
        self.server_of(name, Some(text))
    }

    fn server_of(&self, name: &str, text: Option<&str>) -> Result<Server, Error> {
        let node = self.server_nodes().find(|node| node.name == name);
        let node = node.ok_or_else(|| Error::NoServer {
            name: name.to_owned(),
            hint: suggest::hint(name, "servers", self.servers())
                .or_else(|| Some("`cargo xtask new NAME` writes one".to_owned())),
        })?;
        let mut loader = Loader::new(&self.root, self.ignored()?);
        let server = loader.server(&node.name, &node.dir, self.roles_of(node), text)?;
        let mut roles = Vec::new();
        for node in self.graph.reached(node).into_iter().filter(|node| is_role(node)) {
            roles.extend(loader.role(&node.name, &node.dir, self.roles_of(node))?);
        }
        if let Some(server) = &server {
            loader.own_of_roles(&mut roles, server.server.archive.distribution.name())?;
        }
        self.compose(name, loader, server, &roles)
    }

    /// Composes what was read of the server `name`, with its board.
    fn compose(
        &self,
        name: &str,
        mut loader: Loader<'_>,
        server: Option<ServerFiles>,
        roles: &[RoleFiles],
    ) -> Result<Server, Error> {
        let board = match &server {
            Some(server) => self.board(&server.server.board, &mut loader)?,
            None => None,
        };
        loader.finish()?;
        let (Some(server), Some(board)) = (server, board) else {
            // Whatever is missing was reported, and `finish` has returned it.
            return Err(Error::NoServer { name: name.to_owned(), hint: None });
        };
        Ok(compose(&server, roles, &board)?)
    }

    /// The roles of these names, and those that they build upon.
    pub(crate) fn roles(&self, names: &[&'static str]) -> Result<Vec<RoleFiles>, Error> {
        let mut nodes: BTreeMap<&Path, &Node> = BTreeMap::new();
        for name in names {
            let node = self.graph.nodes().find(|node| node.name == *name && is_role(node));
            let node = node.ok_or(Error::NoRole { name })?;
            let reached = self.graph.reached(node).into_iter().filter(|node| is_role(node));
            nodes.extend(reached.chain([node]).map(|node| (node.dir.as_path(), node)));
        }
        let mut loader = Loader::new(&self.root, self.ignored()?);
        let mut roles = Vec::new();
        for node in nodes.into_values() {
            roles.extend(loader.role(&node.name, &node.dir, self.roles_of(node))?);
        }
        loader.finish()?;
        Ok(roles)
    }

    /// The server in `dir`, which Cargo does not know of yet, as it is with these roles.
    pub(crate) fn composed(
        &self,
        name: &str,
        dir: &Path,
        roles: &[RoleFiles],
    ) -> Result<Server, Error> {
        let mut loader = Loader::new(&self.root, self.ignored()?);
        let depends = roles.iter().map(|role| role.name.clone()).collect();
        let server = loader.server(name, dir, depends, None)?;
        self.compose(name, loader, server, roles)
    }

    /// The kernel packages of the board `name`; none where there is no such board.
    pub(crate) fn kernel(
        &self,
        name: &str,
        distribution: DistributionName,
    ) -> Result<Vec<PackageName>, Error> {
        let dir = self.root.join("boards").join(name);
        let Ok(name) = name.parse() else { return Ok(Vec::new()) };
        if !dir.join("board.toml").is_file() {
            return Ok(Vec::new());
        }
        let mut loader = Loader::new(&self.root, self.ignored()?);
        let board = loader.board(&name, &dir)?;
        loader.finish()?;
        let kernel = board
            .and_then(|board| board.kernel_packages(distribution).map(<[PackageName]>::to_vec));
        Ok(kernel.unwrap_or_default())
    }

    /// The roles below a package: its ancestors in the order of laying.
    fn roles_of(&self, node: &Node) -> BTreeSet<PartName> {
        let roles = self.graph.reached(node).into_iter().filter(|node| is_role(node));
        // A name that is none is reported when the role itself is read.
        roles.filter_map(|node| node.name.parse().ok()).collect()
    }

    fn board(
        &self,
        name: &crate::span::Located<PartName>,
        loader: &mut Loader<'_>,
    ) -> Result<Option<crate::Board>, Error> {
        let boards = self.root.join("boards");
        let dir = boards.join(name.value.as_str());
        if dir.join("board.toml").is_file() {
            return loader.board(&name.value, &dir);
        }
        let known = board_names(&boards)?;
        let message = format!("there is no board `{}`", name.value);
        let hint = suggest::hint(name.value.as_str(), "boards", known.iter().map(String::as_str));
        let hint = hint.or_else(|| Some("a board is a file boards/NAME/board.toml".to_owned()));
        loader.report(Problem::new(&name.origin, message).hint(hint));
        Ok(None)
    }
}

fn is_role(node: &Node) -> bool {
    node.dir.join("role.toml").is_file()
}

fn board_names(boards: &Path) -> Result<BTreeSet<String>, Error> {
    let entries = match fs::read_dir(boards) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(Error::read(boards, error)),
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::read(boards, error))?;
        if entry.path().join("board.toml").is_file() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    Ok(names)
}
