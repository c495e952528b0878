//! Whether this machine can build: what `cargo xtask doctor` asks of the host.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::Access;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::job::{self, Job, JobFailure};
use crate::protocol::Ids;
use crate::scratch::{available_memory, scratch};

/// The first kernel with mount_setattr(2).
const OLDEST_KERNEL: (u32, u32) = (5, 12);

/// Bytes of memory below which package trees are made on disk, and of disk below which a build may
/// not end.
const MEMORY: u64 = 2 << 30;
const DISK: u64 = 4 << 30;

/// One thing that a build needs of the host, or is better with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at: `user namespaces`.
    pub name: &'static str,
    /// Whether builds work, as far as this goes.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What would mend or better it.
    pub hint: Option<String>,
}

impl Check {
    fn good(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, ok: true, detail: detail.into(), hint: None }
    }

    fn bad(name: &'static str, detail: impl Into<String>, hint: Option<String>) -> Self {
        Self { name, ok: false, detail: detail.into(), hint }
    }

    fn of_error(name: &'static str, error: &Error) -> Self {
        let mut detail = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            detail = format!("{detail}: {error}");
            cause = error.source();
        }
        Self::bad(name, detail, error.hint())
    }
}

/// Looks at the host, and leaves it as it is. `cache` is where packages and tools are kept, `target`
/// where results are; both need not exist yet. `history` says whether a build asks git for the date
/// of the last change.
pub fn checks(cache: &Path, target: &Path, history: bool) -> Vec<Check> {
    vec![
        kernel(),
        namespaces(),
        ids(),
        memory(),
        disk("disk for packages and tools", cache, "HEIRLOOM_CACHE"),
        disk("disk for images", target, "CARGO_TARGET_DIR"),
        git(history),
        host_program("cc", "install a C compiler (gcc or clang), which cargo links with"),
        kvm(),
    ]
}

fn kernel() -> Check {
    let name = "kernel";
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    match version(&release) {
        Some(version) if version < OLDEST_KERNEL => {
            let (major, minor) = OLDEST_KERNEL;
            Check::bad(name, release, Some(format!("Linux {major}.{minor} or later is needed")))
        }
        _ => Check::good(name, release),
    }
}

/// `6.1.0-37-amd64` as (6, 1).
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(['.', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// A job that shows that jobs work: as its root, gives a file away and takes it back.
#[derive(Serialize, Deserialize)]
pub(crate) struct Probe {
    /// An id that the namespace should have.
    id: u32,
}

impl Job for Probe {
    const NAME: &str = "a look at namespaces";
    type Output = bool;

    fn run(self) -> Result<bool, JobFailure> {
        let scratch = scratch(1 << 20)?;
        let file = scratch.path().join("file");
        File::create(&file)?;
        std::os::unix::fs::chown(&file, Some(self.id), Some(self.id))?;
        std::os::unix::fs::chown(&file, Some(0), Some(0))?;
        Ok(scratch.is_in_memory())
    }
}

fn namespaces() -> Check {
    let name = "user namespaces";
    match job::run(&Probe { id: 0 }, Ids::Single) {
        Ok(_) => Check::good(name, "programs can be shut in"),
        Err(error) => Check::of_error(name, &error),
    }
}

fn ids() -> Check {
    let name = "65,536 user and group ids";
    match job::run(&Probe { id: 65_535 }, Ids::Range) {
        Ok(_) if rustix::process::geteuid().is_root() => Check::good(name, "as root"),
        Ok(_) => Check::good(name, "by newuidmap and newgidmap"),
        Err(error) => Check::of_error(name, &error),
    }
}

fn memory() -> Check {
    let available = available_memory();
    let detail = format!("{} available", gigabytes(available));
    let mut check = Check::good("memory", detail);
    if available < MEMORY {
        check.hint = Some("with 2 GB and more, package trees are made in memory: faster".into());
    }
    check
}

/// The disk of `path`, which `variable` in the environment would put elsewhere.
fn disk(name: &'static str, path: &Path, variable: &str) -> Check {
    let found = path.ancestors().find_map(|path| {
        let found = rustix::fs::statvfs(path).ok()?;
        Some((path, found.f_bavail.saturating_mul(found.f_frsize)))
    });
    let Some((at, free)) = found else {
        return Check::bad(name, format!("{} cannot be looked at", path.display()), None);
    };
    if let Err(error) = rustix::fs::access(at, Access::WRITE_OK | Access::EXEC_OK) {
        let detail = format!("{} cannot be written: {error}", at.display());
        let hint = format!("make it yours, or let {variable} name another folder");
        return Check::bad(name, detail, Some(hint));
    }
    let detail = format!("{} free at {}", gigabytes(free), at.display());
    let hint = || Some(format!("a first build takes up to {}", gigabytes(DISK)));
    if free < DISK { Check::bad(name, detail, hint()) } else { Check::good(name, detail) }
}

/// Asked for the date of the last change, and for nothing else.
fn git(history: bool) -> Check {
    let check = host_program("git", "install git, or set SOURCE_DATE_EPOCH");
    if check.ok || history {
        return check;
    }
    let detail = format!("{}; here it is not asked", check.detail);
    Check { ok: true, detail, hint: None, ..check }
}

fn host_program(program: &'static str, hint: &str) -> Check {
    let output = duct::cmd!(program, "--version").stderr_to_stdout().stdout_capture().run();
    match output {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            Check::good(program, text.lines().next().unwrap_or_default())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Check::bad(program, "not found", Some(hint.into()))
        }
        Err(error) => Check::bad(program, error.to_string(), Some(hint.into())),
    }
}

/// Never a reason not to build: `boot` and the tests of machines are slow without it.
fn kvm() -> Check {
    let name = "KVM";
    let mut check = match fs::File::options().read(true).write(true).open("/dev/kvm") {
        Ok(_) => return Check::good(name, "/dev/kvm is there; `boot` tries whether it works"),
        Err(error) => Check::good(name, format!("/dev/kvm: {error}; virtual machines are slow")),
    };
    check.hint = Some("load kvm_intel or kvm_amd, and be a member of the group kvm".into());
    check
}

fn gigabytes(bytes: u64) -> String {
    let tenths = bytes / 100_000_000;
    format!("{}.{} GB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_distributions_are_understood() {
        assert_eq!(version("6.1.0-37-amd64"), Some((6, 1)));
        assert_eq!(version("5.12-rc1"), Some((5, 12)));
        assert_eq!(version("odd"), None);
        assert!(version("5.4.0") < Some(OLDEST_KERNEL));
    }

    #[test]
    fn the_host_is_looked_at_where_folders_are_missing_too() {
        let check = disk("disk", Path::new("/proc/no/such/folder"), "X");
        // Root may try, and is told of no room.
        assert!(check.detail.contains("/proc") && !check.ok, "{check:?}");
        let folder = tempfile::tempdir().unwrap();
        let check = disk("disk", &folder.path().join("no/such/folder"), "X");
        let expected = format!("free at {}", folder.path().display());
        assert!(check.detail.ends_with(&expected), "{}", check.detail);
    }
}
