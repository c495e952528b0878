//! A server of this workspace in QEMU, used by ordinary clients.
//!
//! The images that are tested are real ones: they are built as `cargo xtask image` builds them, of
//! a copy of the workspace to which the test adds what every owner adds, keys and users. Clients
//! (ssh, git, curl) come from the tool root, so that tests need nothing of the host.

mod clients;
mod key;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use machine::Machine;
use pipeline::{Format, Options, Session};
use sandbox::{Group, ToolRoot};
use tempfile::TempDir;

pub use clients::Clients;

/// A copy of the workspace, a key that the server shall know, and clients that have it.
pub struct Testbed {
    server: String,
    copy: TempDir,
    target: PathBuf,
    clients: Clients,
}

impl Testbed {
    /// Prepares `server` of the workspace that the test belongs to; `root` may log in.
    ///
    /// # Errors
    /// When xtask cannot be compiled, or the tools not be fetched.
    pub fn new(server: &str) -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let session = Session::open(here, &Options::default())?;
        let target = session.workspace.target().to_owned();
        sandbox::set_worker(worker(session.workspace.root(), &target)?);
        let folder = target.join("heirloom/testbed");
        fs::create_dir_all(&folder)?;
        let copy = tempfile::Builder::new().prefix(server).tempdir_in(&folder)?;
        pipeline::copy_workspace(session.workspace.root(), copy.path())?;
        let clients = Clients::new(session.tools()?.root(Group::Check)?)?;
        let testbed = Self { server: server.to_owned(), copy, target, clients };
        testbed.authorize("root")?;
        Ok(testbed)
    }

    /// Lets the clients' key in as `user`.
    pub fn authorize(&self, user: &str) -> Result<()> {
        self.write(&format!("etc/ssh/authorized_keys/{user}"), self.clients.public_key())
    }

    /// Writes a file of the server's own `rootfs/`.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.copy.path().join("servers").join(&self.server).join("rootfs").join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?)
    }

    /// Builds the image, and gives the machine that has it on its disk.
    pub fn machine(&self) -> Result<Machine> {
        let (image, qemu) = self.image(Format::Raw)?;
        Ok(Machine::new(&qemu).disk(image))
    }

    /// Builds the ISO, and gives the machine that has it in its drive.
    pub fn live(&self) -> Result<Machine> {
        let (image, qemu) = self.image(Format::Iso)?;
        Ok(Machine::new(&qemu).cdrom(image))
    }

    /// Who uses the server.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The image under a name of its own: the next test's image takes the usual one.
    fn image(&self, format: Format) -> Result<(PathBuf, ToolRoot)> {
        let session = Session::open(self.copy.path(), &Options::default())?;
        ensure!(session.workspace.root().starts_with(self.copy.path()), "the copy is no workspace");
        // Its stages are kept with those of the workspace itself: the package tree is the same.
        let cache = stage_cache(&self.target);
        let session = session.with_cache(cache);
        let server = session.workspace.server(&self.server)?;
        let built = pipeline::generation(&session, &server)?;
        let medium = pipeline::medium(&session, &server, &built, format)?;
        let own = self.copy.path().join(format!("image.{}", format.extension()));
        fs::hard_link(&medium.path, &own)?;
        Ok((own, session.tools()?.root(Group::Qemu)?))
    }
}

fn stage_cache(target: &Path) -> PathBuf {
    target.join("heirloom")
}

/// xtask, compiled: the sandbox starts it to enter namespaces.
fn worker(workspace: &Path, target: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--package", "xtask"])
        .current_dir(workspace)
        .status()?;
    ensure!(status.success(), "xtask could not be compiled");
    Ok(target.join("debug/xtask"))
}
