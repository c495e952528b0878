//! The same image, built by somebody who is not root, and what is said to who cannot build it.
//!
//! Only root can become somebody else, and a user with a range of ids to give away has to be there:
//! elsewhere the tests are listed as ignored. Tests make no users.

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
use serde_json::Value;
use tempfile::TempDir;

use crate::workspace::{EPOCH, Ran, Workspace, XTASK, has};
use crate::{SERVER, results, trial, undisturbed};

pub(crate) fn all() -> Vec<Trial> {
    let user = User::find();
    if user.is_none() {
        // To the stream itself: what a test prints is shown only when it fails.
        let why = "not tried here: an image built by another user than root (it takes root, a \
                   user with ranges in /etc/subuid and /etc/subgid, and newuidmap)";
        let _ = writeln!(std::io::stderr(), "{why}");
    }
    vec![
        trial("an_ordinary_user_builds_the_same_to_the_last_byte", build)
            .with_ignored_flag(user.is_none()),
        trial("who_has_no_ids_to_give_away_is_told_by_doctor_and_by_image", no_ids)
            .with_ignored_flag(!User::can_be_nobody()),
    ]
}

/// Somebody to build as.
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// Linux's overflow id, which owns nothing and has no ids to give away.
    const NOBODY: Self = Self { uid: 65_534, gid: 65_534 };

    /// Whether this process can become [`Self::NOBODY`], and that is as poor as it should be.
    fn can_be_nobody() -> bool {
        let text = fs::read_to_string("/etc/subuid").unwrap_or_default();
        let has_range = text.lines().any(|line| {
            line.split(':').next().is_some_and(|who| ["nobody", "65534"].contains(&who))
        });
        rustix::process::geteuid().is_root() && !has_range
    }

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
    /// With the workspace of `from`, and its compiled programs.
    fn new(user: &User, from: &Workspace) -> Result<Self> {
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

        let workspace = definition::Workspace::load(&from.root())?;
        pipeline::copy_workspace(&workspace, &home.at("workspace"))?;
        // A repository of the user's own: git has no answers about one that is somebody else's,
        // and the target folder lies in this one.
        output("git", &["init", "--quiet", &home.at("workspace").to_string_lossy()])?;
        results::take(&from.stages(), &home.at("target/heirloom/stages"), "program")?;
        home.give_to(user, &home.path())?;
        Ok(home)
    }

    /// `xtask` as `user`, not started.
    fn xtask(&self, user: &User, arguments: &[&str]) -> Command {
        let mut path = OsString::from(self.at("toolchain/bin"));
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new(self.at("xtask"));
        command
            .args(arguments)
            .current_dir(self.at("workspace"))
            .uid(user.uid)
            .gid(user.gid)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.path())
            .env("CARGO_HOME", self.at("cargo"))
            .env("CARGO_NET_OFFLINE", "true")
            .env("CARGO_TARGET_DIR", self.at("target"))
            .env("HEIRLOOM_CACHE", self.at("cache"))
            .env("SOURCE_DATE_EPOCH", EPOCH);
        command
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
    let home = Home::new(&user, &undisturbed.before("program")?)?;
    let image = ["image", SERVER, "--json", "--quiet", "--offline"];
    let output = home.xtask(&user, &image).output()?;
    let report: Report = Ran::from(output).json()?;
    let stages = report.stages.iter().filter(|it| !it.hit).count();
    ensure!(stages == undisturbed::OF_AN_IMAGE, "{:?}", report.stages);
    let made = fs::metadata(&report.image)?;
    ensure!((made.uid(), made.gid()) == (user.uid, user.gid), "the image is somebody else's");
    ensure!(results::digests(&report)? == undisturbed.digests, "other bytes");
    ensure!(report.generation == undisturbed.report.generation);
    Ok(())
}

fn no_ids() -> Result<()> {
    let user = User::NOBODY;
    let undisturbed = undisturbed::get()?;
    let rest = ["packages", "layer", "initramfs", "config", "disk"];
    let home = Home::new(&user, &undisturbed.twin(&rest)?)?;
    let output = home.xtask(&user, &["doctor", "--json"]).output()?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    let checks: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    let bad: Vec<_> = checks.iter().filter(|check| check["ok"] == false).collect();
    ensure!(bad.len() == 1 && bad[0]["name"] == "65,536 user and group ids", "{checks:?}");
    let hint = bad[0]["hint"].as_str().unwrap_or_default();
    has(hint, &["/etc/subuid", "usermod --add-subuids "])?;

    let lock = "workspace/servers/webserver/server.lock";
    let before = fs::read(home.at(lock))?;
    let image = ["image", SERVER, "--quiet", "--offline"];
    let text = Ran::from(home.xtask(&user, &image).output()?).failed()?;
    has(
        &text,
        &["error: ", " may not use the 65,536 user and group ids", &format!("help: {hint}")],
    )?;
    ensure!(fs::read(home.at(lock))? == before && !home.at("target/heirloom/images").exists());
    let stages = home.at("target/heirloom/stages");
    for stage in rest {
        let mut left = results::finished(&stages, stage)?;
        left.extend(results::unfinished(&stages, stage)?);
        ensure!(left.is_empty(), "{left:?} is left");
    }
    let scratch = home.at("target/heirloom/scratch");
    ensure!(fs::read_dir(&scratch)?.next().is_none(), "something is left in the scratch");

    // A cache that is somebody else's is a line like any other.
    let doctor = |arguments| -> Result<_> {
        let mut command = home.xtask(&user, arguments);
        Ok(command.env("HEIRLOOM_CACHE", "/root/cache").output()?)
    };
    let checks: Vec<Value> = serde_json::from_slice(&doctor(&["doctor", "--json"])?.stdout)?;
    let cache = checks.iter().find(|it| it["name"] == "disk for packages and tools");
    let cache = cache.context("the cache is not looked at")?;
    let detail = cache["detail"].as_str().unwrap_or_default();
    ensure!(cache["ok"] == false && detail.contains(" cannot be written: "), "{cache}");
    let shown = doctor(&["doctor"])?;
    let shown = String::from_utf8(shown.stdout)?;
    has(
        &shown,
        &["NO  disk for packages and tools", "let HEIRLOOM_CACHE name", "see the lines with NO"],
    )
}

/// A folder that everybody can reach: below the target folder, if that is one.
fn reachable() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let open = |path: &Path| fs::metadata(path).is_ok_and(|it| it.mode() & 0o001 != 0);
    if target.ancestors().all(open) { target } else { std::env::temp_dir() }
}

fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("starting {program}"))?;
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
