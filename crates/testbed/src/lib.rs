//! A server of this workspace in QEMU, used by ordinary clients.
//!
//! The images that are tested are real ones: they are built as `cargo xtask image` builds them, of
//! a copy of the workspace to which the test adds what every owner adds, keys and users. Clients
//! (ssh, git, curl) come from the tool root, so that tests need nothing of the host.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! let testbed = testbed::Testbed::new("webserver")?;
//! let machine = testbed.machine()?.forward(22).forward(80);
//! let mut server = testbed::Online::start(&machine, testbed.clients())?;
//! server.reboot()?;
//! testbed.clients().curl(&[&format!("http://127.0.0.1:{}/", server.port(80)?)])?;
//! # Ok(())
//! # }
//! ```

mod arch;
mod clients;
mod key;
mod online;
mod remote;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use deploy::Kept;
use pipeline::{Built, Format, Options, Session};
use tempfile::TempDir;

pub use clients::Clients;
pub use machine::{DiskKind, Firmware, Machine};
pub use online::{Identity, Online};
pub use remote::Remote;
pub use sandbox::{Group, Program, ToolRoot};
pub use testarchive::DAYS;

/// Held by the test whose turn it is.
static TURN: Mutex<()> = Mutex::new(());

/// A copy of the workspace, a key that the server knows, and clients that have it.
///
/// There is one at a time in a process: a machine has the host's processors for itself.
pub struct Testbed {
    server: String,
    copy: TempDir,
    /// Results of stages, those of the workspace itself: most of a server's are the same.
    cache: PathBuf,
    images: TempDir,
    clients: Clients,
    /// Where files come from, if not from where the owner's do.
    sources: Option<store::Options>,
    arch: Option<arch::Archive>,
    _turn: MutexGuard<'static, ()>,
}

/// Cargo.lock gets the package that is new; everything else in it stays.
fn record_in_cargo_lock(workspace: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = pipeline::cargo::command(cargo)
        .args(["metadata", "--offline", "--format-version", "1"])
        .current_dir(workspace)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

impl Testbed {
    /// Prepares `server` of the workspace that the test belongs to; `root` may log in.
    ///
    /// # Errors
    /// When xtask cannot be compiled, or the tools not be fetched.
    pub fn new(server: &str) -> Result<Self> {
        Self::prepare(server, |_| Ok(()))
    }

    /// Prepares a server that is not of the workspace: the package in `folder`, as `servers/NAME`
    /// with the name of that folder. `root` may log in.
    ///
    /// # Errors
    /// Those of [`Testbed::new`]; a folder that cannot be read.
    pub fn of(folder: &Path) -> Result<Self> {
        let name = folder.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} has no name", folder.display()))?;
        Self::prepare(name, |copy| {
            let place = copy.join("servers").join(name);
            ensure!(!place.exists(), "the workspace has a server `{name}`");
            pipeline::copy_folder(folder, &place)?;
            record_in_cargo_lock(copy)
        })
    }

    /// Prepares `server` of the copy to which `complete` adds what the workspace lacks.
    fn prepare(server: &str, complete: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let session = Session::open(here, &Options::default())?;
        // The sandbox starts it to enter namespaces.
        sandbox::set_worker(pipeline::cargo::program("xtask", false)?);
        let cache = session.cache.root().to_owned();
        let folder = cache.join("testbed");
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let copy = tempfile::tempdir()?;
        pipeline::copy_workspace(&session.workspace, copy.path())?;
        complete(copy.path())?;
        let tools = session.tools()?.root(Group::Check)?;
        let keys = key::lasting(&tools, &folder)?;
        let testbed = Self {
            server: server.to_owned(),
            copy,
            cache,
            images: tempfile::tempdir_in(&folder)?,
            clients: Clients::new(tools, &keys)?,
            sources: None,
            arch: None,
            _turn: turn,
        };
        testbed.authorize("root")?;
        Ok(testbed)
    }

    /// Lets the clients' key in as `user`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn authorize(&self, user: &str) -> Result<()> {
        self.write(&format!("etc/ssh/authorized_keys/{user}"), self.clients.public_key())
    }

    /// Writes a file of the server's own `rootfs/`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.rootfs(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?)
    }

    /// Makes a symlink of the server's own `rootfs/`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn link(&self, path: &str, target: &str) -> Result<()> {
        let path = self.rootfs(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let made = std::os::unix::fs::symlink(target, &path);
        made.with_context(|| format!("making {}", path.display()))
    }

    /// Removes a file or symlink of the server's own `rootfs/`, and the directories that it leaves
    /// empty.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, path: &str) -> Result<()> {
        let path = self.rootfs(path);
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        for parent in path.ancestors().skip(1) {
            // One that is not empty stays, and so do those above it.
            if fs::remove_dir(parent).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Changes the server's server.toml: `from`, which is there, becomes `to`.
    ///
    /// # Errors
    /// When it is not there, or the file cannot be written.
    pub fn edit(&self, from: &str, to: &str) -> Result<()> {
        let path = self.copy.path().join("servers").join(&self.server).join("server.toml");
        let text = fs::read_to_string(&path)?;
        ensure!(text.contains(from), "`{from}` is not in server.toml:\n{text}");
        Ok(fs::write(&path, text.replace(from, to))?)
    }

    /// Gives the server another definition: of what it had, nothing stays but the roles that its
    /// crate depends on. `checks` is the source of its health check.
    ///
    /// # Errors
    /// When files cannot be replaced.
    pub fn define(&self, server_toml: &str, checks: &str) -> Result<()> {
        let folder = self.copy.path().join("servers").join(&self.server);
        fs::remove_dir_all(folder.join("rootfs"))?;
        for name in ["server.lock", "server.digest"] {
            fs::remove_file(folder.join(name))?;
        }
        fs::write(folder.join("server.toml"), server_toml)?;
        fs::write(folder.join("src/main.rs"), checks)?;
        self.authorize("root")
    }

    /// Moves the server to the archive of today: the mirrors have no older ones.
    ///
    /// # Errors
    /// When server.toml names no date.
    pub fn move_to_today(&self) -> Result<()> {
        let session = self.session()?;
        let server = session.workspace.server(&self.server)?;
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        self.edit(&format!("date = \"{}\"", server.archive.date), &format!("date = \"{today}\""))
    }

    /// Puts `packages`, as server.lock writes them, in the place of those in the lock whose names
    /// begin with `prefix`, and has the lock answer what server.toml asks for now: for what no
    /// archive need be asked.
    ///
    /// # Errors
    /// When there are none such, or the lock cannot be written.
    pub fn relock(&self, prefix: &str, packages: &str) -> Result<()> {
        const PACKAGE: &str = "[[package]]\n";
        let path = self.copy.path().join("servers").join(&self.server).join("server.lock");
        let text = fs::read_to_string(&path)?;
        let replaced = format!("name = \"{prefix}");
        let session = self.session()?;
        let asked = pipeline::locking::asked(&session.workspace.server(&self.server)?);
        let mut new = String::new();
        let mut found = false;
        for (at, part) in text.split(PACKAGE).enumerate() {
            if at > 0 && part.starts_with(&replaced) {
                // What follows the last package is another table.
                let rest = part.split_once("\n\n").map(|(_, rest)| rest).unwrap_or_default();
                new.push_str(if found { "" } else { packages });
                new.push_str(rest);
                found = true;
                continue;
            }
            new.push_str(if at > 0 { PACKAGE } else { "" });
            new.push_str(part);
        }
        ensure!(found, "no package of {} begins with {prefix}", path.display());
        let request = |line: &str| match line.starts_with("request = ") {
            true => format!("request = \"{asked}\"\n"),
            false => format!("{line}\n"),
        };
        let new: String = new.lines().map(request).collect();
        fs::write(&path, new).with_context(|| format!("writing {}", path.display()))
    }

    /// Builds the generation that the definition says now.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn generation(&self) -> Result<Built> {
        let session = self.session()?;
        let server = session.workspace.server(&self.server)?;
        Ok(pipeline::generation(&session, &server)?)
    }

    /// Where deploy keeps what it has sent.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn kept(&self) -> Result<Kept> {
        Ok(Kept::open(&self.images.path().join("kept"))?)
    }

    /// Builds the image, and gives the machine that has it on its disk.
    ///
    /// # Errors
    /// When the image cannot be built.
    pub fn machine(&self) -> Result<Machine> {
        let (image, qemu) = self.image(Format::Raw)?;
        Ok(Machine::new(&qemu).disk(image))
    }

    /// Builds the ISO, and gives the machine that has it in its drive.
    ///
    /// # Errors
    /// When the ISO cannot be built.
    pub fn live(&self) -> Result<Machine> {
        let (image, qemu) = self.image(Format::Iso)?;
        Ok(Machine::new(&qemu).cdrom(image))
    }

    /// The same ISO, written onto a disk as onto a stick.
    ///
    /// # Errors
    /// Those of [`Testbed::live`].
    pub fn live_on_disk(&self) -> Result<Machine> {
        let (image, qemu) = self.image(Format::Iso)?;
        Ok(Machine::new(&qemu).disk(image))
    }

    /// The root of a group of tools: for tests that look into disks.
    ///
    /// # Errors
    /// When it cannot be fetched.
    pub fn tools(&self, group: Group) -> Result<ToolRoot> {
        let session = Session::open(self.copy.path(), &Options::default())?;
        Ok(session.with_cache(&self.cache).tools()?.root(group)?)
    }

    /// The program behind `cargo xtask`.
    ///
    /// # Errors
    /// When it cannot be compiled.
    pub fn xtask(&self) -> Result<PathBuf> {
        Ok(pipeline::cargo::program("xtask", false)?)
    }

    /// Who uses the server.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    fn image(&self, format: Format) -> Result<(PathBuf, ToolRoot)> {
        let session = self.session()?;
        let server = session.workspace.server(&self.server)?;
        let built = pipeline::generation(&session, &server)?;
        let medium = pipeline::medium(&session, &server, &built, format)?;
        Ok((medium.path, session.tools()?.root(Group::Qemu)?))
    }

    fn session(&self) -> Result<Session> {
        let options = Options { sources: self.sources.clone(), ..Options::default() };
        let session = Session::open(self.copy.path(), &options)?;
        ensure!(session.workspace.root().starts_with(self.copy.path()), "the copy is no workspace");
        // Not among the owner's images: these have a key in them that is not the owner's.
        Ok(session.with_cache(&self.cache).with_images(self.images.path()))
    }

    fn rootfs(&self, path: &str) -> PathBuf {
        self.copy.path().join("servers").join(&self.server).join("rootfs").join(path)
    }
}
