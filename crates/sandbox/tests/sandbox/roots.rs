//! A small root of real packages: a shell and coreutils.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sandbox::{Group, Tools};
use store::{Options, Store};
use unpack::{Owners, Tree};

/// Says where the root lies, to the tests' second run.
pub(crate) const VARIABLE: &str = "HEIRLOOM_TEST_ROOT";

const PACKAGES: [&str; 8] = [
    "coreutils",
    "dash",
    "libacl1",
    "libattr1",
    "libc6",
    "libgmp10",
    "libpcre2-8-0",
    "libselinux1",
];

static TREE: OnceLock<PathBuf> = OnceLock::new();

/// The root.
pub(crate) fn tree() -> &'static Path {
    TREE.get().map_or(Path::new("/nowhere"), PathBuf::as_path)
}

pub(crate) fn workspace() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", ".."].iter().collect()
}

pub(crate) fn store() -> store::Result<Store> {
    Store::open(Options::from_environment()?)
}

/// Unpacks the root; it is removed with what comes back.
pub(crate) fn prepare() -> Result<Option<tempfile::TempDir>, Box<dyn Error>> {
    if let Some(path) = std::env::var_os(VARIABLE) {
        TREE.get_or_init(|| path.into());
        return Ok(None);
    }
    let store = store()?;
    let tools = Tools::open(&workspace(), &store)?;
    let lock = tools.locked(Group::Image)?;
    let packages: Vec<_> = PACKAGES.iter().filter_map(|name| lock.package(name)).collect();
    let items: Vec<_> = packages.iter().map(|package| package.item(lock.date)).collect();
    store.fetch(&items)?;

    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    let directory = tempfile::Builder::new().permissions(readable).tempdir()?;
    let path = directory.path().join("tree");
    std::fs::create_dir(&path)?;
    let options = unpack::Options { owners: Owners::Ignore, usr_merge: true };
    let tree = Tree::open(&path, &options)?;
    let files: Vec<_> = packages.iter().map(|package| store.path(package.sha256)).collect();
    unpack::packages(&files, &tree, &options, 2, &unpack::Relations::NONE)?;
    TREE.get_or_init(|| path);
    Ok(Some(directory))
}
