//! The same image, built by somebody who is not root.
//!
//! Only root can become somebody else, and only where there is a user with a range of ids to give
//! away: elsewhere the test is listed as ignored. Tests make no users.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use pipeline::Report;
use tempfile::TempDir;

use crate::workspace::{EPOCH, Ran, XTASK};
use crate::{SERVER, results, trial, undisturbed};

pub(crate) fn all() -> Vec<Trial> {
    let user = User::find();
    if user.is_none() {
        // To the stream itself: what a test prints is shown only when it fails.
        let why = "not tried here: an image built by another user than root (it takes root, a \
                   user with ranges in /etc/subuid and /etc/subgid, and newuidmap)";
        let _ = writeln!(std::io::stderr(), "{why}");
    }
    let name = "an_ordinary_user_builds_the_same_to_the_last_byte";
    vec![trial(name, build).with_ignored_flag(user.is_none())]
}

/// Somebody to build as.
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// A user who has ids to give away, if this process can become that user.
    fn find() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let path = std::env::var_os("PATH")?;
        for program in ["newuidmap", "newgidmap"] {
            std::env::split_paths(&path).find(|folder| folder.join(program).is_file())?;
        }
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let (uids, gids) = (text("/etc/subuid"), text("/etc/subgid"));
        text("/etc/passwd").lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = format!("{}:", fields.next()?);
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            let has_range = |text: &str| text.lines().any(|line| line.starts_with(&name));
            (uid != 0 && has_range(&uids) && has_range(&gids)).then_some(Self { uid, gid })
        })
    }
}

/// All that the user needs and may reach: cargo and its crates, the store, the workspace, xtask.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new(user: &User, from: &crate::undisturbed::Undisturbed) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("commands-user-").tempdir_in(reachable())?;
        let home = Self { folder };
        let sysroot = output("rustc", &["--print", "sysroot"])?;
        for program in ["bin/cargo", "bin/rustc"] {
            provide(&Path::new(&sysroot).join(program), &home.at(&format!("toolchain/{program}")))?;
        }
        for library in fs::read_dir(Path::new(&sysroot).join("lib"))? {
            let library = library?;
            if library.file_type()?.is_file() {
                let name = library.file_name();
                provide(&library.path(), &home.at("toolchain/lib").join(name))?;
            }
        }
        provide(Path::new(XTASK), &home.at("xtask"))?;
        let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let cargo_home = cargo_home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
        let registry = cargo_home.context("no home directory")?.join("registry");
        for part in ["index", "cache"] {
            provide_tree(&registry.join(part), &home.at("cargo/registry").join(part))?;
        }
        let store = store::Store::open(store::Options::from_environment()?)?;
        provide_tree(&store.cache_dir().join("store/sha256"), &home.at("cache/store/sha256"))?;

        let before = from.before("program")?;
        let workspace = definition::Workspace::load(&before.root())?;
        pipeline::copy_workspace(&workspace, &home.at("workspace"))?;
        results::take(&before.stages(), &home.at("target/heirloom/stages"), "program")?;
        home.give_to(user, &home.path())?;
        Ok(home)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Folders become the user's; files that are links to others' stay whose they are.
    fn give_to(&self, user: &User, folder: &Path) -> Result<()> {
        chown(folder, Some(user.uid), Some(user.gid))?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                self.give_to(user, &entry.path())?;
            } else if metadata.is_file() && metadata.nlink() == 1 {
                chown(entry.path(), Some(user.uid), Some(user.gid))?;
            }
        }
        Ok(())
    }
}

fn build() -> Result<()> {
    let user = User::find().context("there is no such user any more")?;
    let undisturbed = undisturbed::get()?;
    let home = Home::new(&user, &undisturbed)?;
    let mut path = OsString::from(home.at("toolchain/bin"));
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let output = Command::new(home.at("xtask"))
        .args(["image", SERVER, "--json", "--quiet", "--offline"])
        .current_dir(home.at("workspace"))
        .uid(user.uid)
        .gid(user.gid)
        .env_clear()
        .env("PATH", path)
        .env("HOME", home.path())
        .env("CARGO_HOME", home.at("cargo"))
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", home.at("target"))
        .env("HEIRLOOM_CACHE", home.at("cache"))
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .output()?;
    let report: Report = Ran::from(output).json()?;
    let stages = report.stages.iter().filter(|it| !it.hit).count();
    ensure!(stages == undisturbed::STAGES.len(), "{:?}", report.stages);
    let made = fs::metadata(&report.image)?;
    ensure!((made.uid(), made.gid()) == (user.uid, user.gid), "the image is somebody else's");
    ensure!(results::digests(&report)? == undisturbed.digests, "other bytes");
    ensure!(report.generation == undisturbed.report.generation);
    Ok(())
}

/// A folder that everybody can reach: below the target folder, if that is one.
fn reachable() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let open = |path: &Path| fs::metadata(path).is_ok_and(|it| it.mode() & 0o001 != 0);
    if target.ancestors().all(open) { target } else { std::env::temp_dir() }
}

fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().context("starting rustc")?;
    Ok(Ran::from(output).succeeded()?.trim().to_owned())
}

/// A file by a hard link, or copied where that is another file system's.
fn provide(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to).with_context(|| format!("copying {}", from.display()))?;
    }
    Ok(())
}

fn provide_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            provide_tree(&entry.path(), &target)?;
        } else if kind.is_file() {
            provide(&entry.path(), &target)?;
        }
    }
    Ok(())
}
