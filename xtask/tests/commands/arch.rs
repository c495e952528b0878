//! gitserver on Arch: every command as for Debian. The archive is generated; see `testarchive`. A
//! repository that repo-add made and a package file beside the definition are in it, too.

use std::path::Path;
use std::process::Command;
use std::{fs, io, os::unix};

use anyhow::{Context, Result, ensure};
use jiff::civil::Date;
use libtest_mimic::Trial;
use lock::Lock;
use rootfs::{debian, packages, tarball};
use serde_json::Value;
use store::{Options, Store};
use tempfile::TempDir;
use testarchive::{DAYS, Keys, Served};

use crate::trial;
use crate::workspace::{Ran, Workspace, has, repository};

const SERVER: &str = "gitserver";
const SERVER_TOML: &str = "servers/gitserver/server.toml";
const SERVER_LOCK: &str = "servers/gitserver/server.lock";

pub(crate) fn all() -> Vec<Trial> {
    vec![trial("a_server_of_arch_is_locked_moved_pinned_and_built_like_any_other", all_commands)]
}

/// A workspace whose gitserver is of a generated archive.
struct OnArch {
    workspace: Workspace,
    folder: TempDir,
    /// The versions of git, one for each of [`DAYS`].
    git: [String; 3],
    served: Served,
}

impl OnArch {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let keys = Keys::generate();
        let tree = debian_tree(folder.path())?;
        let archive = folder.path().join("archive");
        let git = testarchive::bootable(&tree, &archive, &keys).git;
        // What is new is asked of the archive of yesterday.
        let yesterday =
            jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).date().yesterday()?;
        let repos = archive.join("repos");
        let day = |day: Date| repos.join(day.strftime("%Y/%m/%d").to_string());
        fs::create_dir_all(day(yesterday).parent().context("no parent")?)?;
        unix::fs::symlink(day(DAYS[2]), day(yesterday))?;

        let workspace = Workspace::new()?;
        let served = Served::start(&archive);
        fs::write(
            folder.path().join("config.toml"),
            format!("[dated]\narchlinux = [\"{}\"]\n", served.url()),
        )?;
        let definition = format!(
            "hostname = \"git\"\nboard = \"pc\"\n\n[archive]\ndistribution = \"arch\"\n\
             repositories = [\"core\"]\ndate = \"{}\"\nmain-keys = {:?}\n\n{}\n\
             [packages]\ninstall = [\"nginx\", \"fcgiwrap\", \"own-tool\"]\n\
             files = [\"pkgs/{OWN_FILE}\"]\n",
            DAYS[1],
            keys.main_fingerprints(),
            beside(&workspace)?,
        );
        workspace.write(SERVER_TOML, &definition)?;
        for record in [SERVER_LOCK, "servers/gitserver/server.digest"] {
            fs::remove_file(workspace.root().join(record))?;
        }
        Ok(Self { workspace, folder, git, served })
    }

    fn xtask(&self, arguments: &[&str]) -> Command {
        let mut command = self.workspace.xtask(arguments);
        command.env("HEIRLOOM_CONFIG", self.folder.path().join("config.toml"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<Ran> {
        Ok(self.xtask(arguments).output().context("starting xtask")?.into())
    }

    fn lock(&self) -> Result<Lock> {
        Ok(Lock::read(&self.workspace.root().join(SERVER_LOCK))?)
    }

    fn locked_git(&self) -> Result<String> {
        Ok(self.lock()?.package("git").context("git is not locked")?.version.clone())
    }
}

/// A package file that no repository of the server has.
const OWN_FILE: &str = "own-library-1.2-1-x86_64.pkg.tar.zst";

/// Puts a package file and the key of a repository, which repo-add made, beside the definition; the
/// table of that repository. It has a bash of its own, and the package that lies here.
fn beside(workspace: &Workspace) -> Result<String> {
    let made = repository().join("crates/archive/tests/archive/repositories");
    let server = workspace.root().join("servers").join(SERVER);
    for (from, to) in [(format!("arch/{OWN_FILE}"), "pkgs"), ("key.asc".to_owned(), "keys")] {
        fs::create_dir_all(server.join(to))?;
        let name = from.rsplit('/').next().unwrap_or(&from);
        fs::copy(made.join(&from), server.join(to).join(name))?;
    }
    let fingerprint = fs::read_to_string(made.join("fingerprint"))?;
    Ok(format!(
        "[[archive.extra]]\nname = \"acme\"\nurl = \"file://{}\"\nrepository = \"own\"\n\
         key = \"keys/key.asc\"\nfingerprint = \"{}\"\n",
        made.join("arch").display(),
        fingerprint.trim()
    ))
}

/// The package tree of gitserver as it is.
fn debian_tree(folder: &Path) -> Result<std::path::PathBuf> {
    let store = Store::open(Options::from_environment()?)?;
    let lock = Lock::read(&repository().join(SERVER_LOCK))?;
    store.fetch(&lock.items())?;
    sandbox::in_namespace(&debian::Packages::of(&lock, &store, 1_795_305_600, 2, folder))?;
    Ok(folder.join(packages::TREE))
}

fn all_commands() -> Result<()> {
    let arch = OnArch::new()?;
    let [first, second, third] = &arch.git;

    // Unlocked at first, then locked as of its day.
    let refused = arch.run(&["image", SERVER, "--locked"])?.failed()?;
    has(&refused, &["gitserver", "lock"])?;
    arch.run(&["lock", SERVER])?.succeeded()?;
    ensure!(arch.locked_git()? == *second);
    let lock = arch.lock()?;
    ensure!(lock.distribution == "arch" && lock.package("archlinux-keyring").is_some());
    let is_archs = |package: &&lock::Package| package.archive == "archlinux";
    ensure!(lock.packages.iter().filter(is_archs).all(|package| package.signature.is_some()));
    let others = lock.packages.iter().filter(|package| !is_archs(package));
    let others: Vec<_> = others.map(|it| format!("{} {}", it.name, it.archive)).collect();
    ensure!(others == ["own-library own", "own-tool acme"], "{others:?}");

    // The day moves forward and back.
    let before = arch.workspace.read(SERVER_LOCK)?;
    let moved = arch.run(&["lock", SERVER, "--date", &DAYS[2].to_string()])?.succeeded()?;
    has(&moved, &[&format!("~ git {second} -> {third}")])?;
    arch.run(&["lock", SERVER, "--date", &DAYS[0].to_string()])?.succeeded()?;
    ensure!(arch.locked_git()? == *first);
    arch.run(&["lock", SERVER, "--date", &DAYS[1].to_string()])?.succeeded()?;
    ensure!(arch.workspace.read(SERVER_LOCK)? == before, "the way back leads elsewhere");

    // Versions of other days are held, and let go.
    for version in [first, third] {
        arch.run(&["pin", SERVER, "git", version, "--reason", "a test"])?.succeeded()?;
        ensure!(arch.locked_git()? == *version);
    }
    arch.run(&["unpin", SERVER, "git"])?.succeeded()?;
    ensure!(arch.workspace.read(SERVER_LOCK)? == before, "unpin leads elsewhere");
    let nowhere = arch.run(&["pin", SERVER, "git", "0.1-1", "--reason", "x"])?.failed()?;
    has(&nowhere, &["git 0.1-1 is neither in a repository", &format!("there is {second}")])?;
    ensure!(arch.workspace.read(SERVER_LOCK)? == before);

    let outdated: Value = arch.run(&["outdated", SERVER, "--json"])?.json()?;
    let packages = outdated["packages"].as_array().context("no packages")?;
    ensure!(packages.len() == 1 && packages[0]["name"] == "git", "{outdated}");
    ensure!(packages[0]["available"] == **third, "{outdated}");

    // Built twice in different surroundings, with the ids recorded.
    let verified = arch.run(&["verify", SERVER])?.succeeded()?;
    has(&verified, &["same        lock, init, health check, agent, package tree, package layer"])?;

    let made: Value = arch.run(&["image", SERVER, "--format", "tar", "--json"])?.json()?;
    ensure!(arch.lock()?.users.contains_key("git"), "no ids are recorded");
    let image = arch.workspace.target().join(format!("heirloom/images/{SERVER}.tar"));
    for (name, version) in [("own-tool", "1.0-1"), ("own-library", "1.2-1")] {
        let path = format!("usr/share/{name}/version");
        let found: io::Result<_> = tarball::find(&image, path.as_bytes());
        let (_, text) = found?.with_context(|| format!("{path} is not in the image"))?;
        ensure!(text == format!("{name} {version}\n").into_bytes(), "{path}");
    }

    // A vault is all that is needed, and nothing less.
    let vault = arch.folder.path().join("vault");
    arch.run(&["vault", SERVER, &vault.to_string_lossy()])?.succeeded()?;
    drop(arch.served);
    let rebuilt = arch
        .workspace
        .xtask(["image", SERVER, "--format", "tar", "--json", "--offline", "--locked", "--vault"])
        .arg(&vault)
        .env("HEIRLOOM_CACHE", arch.folder.path().join("cache"))
        .env("CARGO_TARGET_DIR", arch.folder.path().join("target"))
        .output()?;
    let rebuilt: Value = Ran::from(rebuilt).json()?;
    ensure!(rebuilt["generation"] == made["generation"], "{rebuilt}\n{made}");
    Ok(())
}
