//! Static programs for the server, compiled in the tool root.
//!
//! A package of the workspace is compiled by the tool root's cargo and rustc, with no network and
//! no sight of the host: `guest/init`, the agent, a server's health check. The result is a
//! function of the sources of the package and of the packages, local or from git, that it depends on, of what
//! `Cargo.lock` says of the others, and of the compiler: where the workspace lies, which other
//! members it has and which cargo the host has change nothing.
//!
//! What the tool root's cargo is given is made for it:
//!
//! ```text
//! /work/build/Cargo.toml        the workspace with just these members
//! /work/build/guest/init/...    each member: Cargo.toml, build.rs and src, without tests
//! /work/build/vendor/...        what comes from crates.io, checked against Cargo.lock
//! /work/build/.cargo/config.toml
//! ```

mod closure;
mod error;
mod git;
mod locked;
mod manifest;
mod members;
mod prepare;
mod resolve;
mod vendor;
mod workspace;

use std::fs::File;
use std::path::{Path, PathBuf};

use digest::Digest;
use sandbox::{Group, Program, Tools};
use stage::{Cache, Done, Inputs};

pub use error::{Error, Result};
pub use workspace::Workspace;

use closure::Closure;

/// Goes up when the same inputs are compiled to other bytes.
const VERSION: u32 = 2;

/// What a program is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// 64-bit PCs.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

impl Target {
    /// rustc's name of it: Linux with glibc, which is linked statically.
    pub fn triple(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }
}

/// A compiled program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Where it lies.
    pub path: PathBuf,
    /// What it is, as it was when it was compiled: nobody reads megabytes again to know.
    pub digest: Digest,
}

/// The static programs that `packages`, members of the workspace, are compiled to, in their order.
/// They are compiled together: what they share is compiled once. They may be collected when the
/// result that comes with them is dropped.
///
/// Crates that the host's cargo has not fetched yet are fetched by it, unless the tools are offline
/// or its own setting `CARGO_NET_OFFLINE` forbids it.
///
/// # Errors
/// A package that is no member, that needs more than crates.io has, whose crates cannot be fetched
/// or are not those of `Cargo.lock`; the compiler's own errors.
pub fn programs<const N: usize>(
    tools: &Tools<'_>,
    cache: &Cache,
    workspace: &Workspace,
    packages: [&str; N],
    target: Target,
) -> Result<([Compiled; N], Done)> {
    let closure = Closure::read(workspace, &packages)?;
    let names = closure.names();
    let mut inputs = Inputs::new("program", VERSION)
        .text("package", &names)
        .text("target", target.triple())
        .digest("tools", tools.key(Group::Guest)?)
        .digest("workspace", closure.workspace_digest()?)
        .digest("locked crates", closure.locked_digest());
    for member in closure.members() {
        inputs = inputs.digest(&format!("sources of {}", member.name), member.digest()?);
    }
    let done = cache.run(&names, &inputs, |out| compile(tools, &closure, target, out))?;
    let compiled = closure.packages().map(|package| {
        let path = done.dir.join(closure.binary(package));
        let beside = digest_path(&path);
        let text = std::fs::read_to_string(&beside).map_err(Error::io("read", &beside))?;
        let digest = text.parse().map_err(|_| Error::Damaged { path: beside })?;
        Ok(Compiled { path, digest })
    });
    let compiled: Vec<_> = compiled.collect::<Result<_>>()?;
    // As many as there are packages.
    let compiled = compiled.try_into().map_err(|_| Error::Damaged { path: done.dir.clone() })?;
    Ok((compiled, done))
}

/// Where the digest of a program is written.
fn digest_path(program: &Path) -> PathBuf {
    program.with_added_extension("sha256")
}

/// Compiles into `out`.
fn compile(tools: &Tools<'_>, closure: &Closure, target: Target, out: &Path) -> Result<()> {
    let _shown = progress::spinner("Compiling", format!("{} for the server", closure.names()));
    let build = out.join("build");
    prepare::workspace(closure, target, tools.is_offline(), &build)?;
    tools
        .command(Program::Cargo)?
        .bind_rw(&build, prepare::BUILD)
        .cwd(prepare::BUILD)
        .env("CARGO_HOME", "/tmp/cargo")
        // Build scripts compile C by this name: `cc` is a link that only a configured system has.
        .env("CC", "gcc")
        .args(["build", "--release", "--offline", "--quiet", "--target", target.triple()])
        .args(closure.packages().flat_map(|package| ["--package", package]))
        .args(closure.packages().flat_map(|package| ["--bin", closure.binary(package)]))
        .free_sync()
        .run()?;
    let compiled = build.join("target").join(target.triple()).join("release");
    for package in closure.packages() {
        let name = closure.binary(package);
        let binary = compiled.join(name);
        let program = out.join(name);
        std::fs::rename(&binary, &program).map_err(Error::io("move", &binary))?;
        let (read, beside) = (Error::io("read", &program), digest_path(&program));
        let (digest, _) = File::open(&program).and_then(Digest::of_reader).map_err(read)?;
        std::fs::write(&beside, digest.to_string()).map_err(Error::io("write", &beside))?;
    }
    std::fs::remove_dir_all(&build).map_err(Error::io("remove", &build))
}
