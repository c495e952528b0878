//! Builds of one job in surroundings that must not matter to it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::process::Command;

use libtest_mimic::Failed;
use rootfs::{arch, debian, packages, tarball};
use sandbox::Job;
use serde::{Deserialize, Serialize};

/// The argument after which this executable builds a tree, in whatever surroundings it finds.
pub(crate) const BUILD: &str = "--build";

/// The argument that lets it find no room in memory.
const ON_DISK: &str = "--on-disk";

/// What is built.
#[derive(Serialize, Deserialize)]
pub(crate) enum Wanted {
    Debian(debian::Packages),
    Arch(arch::Packages),
}

/// What must not matter to a build.
pub(crate) struct Surroundings {
    cwd: &'static str,
    umask: &'static str,
    /// Whether there is no room in memory.
    on_disk: bool,
    environment: [(&'static str, &'static str); 3],
}

impl Surroundings {
    pub(crate) fn plain() -> Self {
        let environment = [("TZ", "UTC"), ("LANG", "C"), ("USER", "someone")];
        Self { cwd: "/", umask: "022", on_disk: false, environment }
    }

    pub(crate) fn odd() -> Self {
        let environment =
            [("TZ", "Pacific/Kiritimati"), ("LC_ALL", "tr_TR.UTF-8"), ("POSIXLY_CORRECT", "1")];
        Self { cwd: "/usr/share", umask: "077", on_disk: true, environment }
    }
}

/// Builds a tree in a process of its own, which has these surroundings.
pub(crate) fn build(
    wanted: &Wanted,
    directory: &Path,
    surroundings: &Surroundings,
) -> Result<(), String> {
    let described = directory.join("job.json");
    let text = serde_json::to_string(wanted).map_err(|error| error.to_string())?;
    std::fs::write(&described, text).map_err(|error| error.to_string())?;
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let script = format!("umask {} && exec \"$@\"", surroundings.umask);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script, "sh"]).arg(this).arg(BUILD).arg(&described);
    if surroundings.on_disk {
        command.arg(ON_DISK);
    }
    let output = command
        .current_dir(surroundings.cwd)
        .envs(surroundings.environment)
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// Builds what is described, in this process's surroundings.
pub(crate) fn build_here(described: &Path, more: &[String]) -> Result<(), String> {
    let text = std::fs::read_to_string(described).map_err(|error| error.to_string())?;
    if more.iter().any(|word| word == ON_DISK) {
        sandbox::set_scratch_on_disk();
    }
    match serde_json::from_str(&text).map_err(|error| error.to_string())? {
        Wanted::Debian(job) => run(&job),
        Wanted::Arch(job) => run(&job),
    }
}

fn run<J: Job>(job: &J) -> Result<(), String> {
    sandbox::in_namespace(job).map(drop).map_err(|error| {
        let mut said = String::new();
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            said.push_str(&format!("{error}\n"));
            cause = error.source();
        }
        said
    })
}

/// Fails where two builds differ.
pub(crate) fn compare(one: &Path, other: &Path) -> Result<(), Failed> {
    for name in [packages::TREE, packages::FACTS, packages::PATHS] {
        let (one, other) = (one.join(name), other.join(name));
        if std::fs::read(&one)? != std::fs::read(&other)? {
            let differences =
                if name == packages::TREE { differences(&one, &other)? } else { vec![] };
            return Err(format!("{name} differs: {differences:#?}").into());
        }
    }
    Ok(())
}

/// The paths in which two archives differ.
fn differences(one: &Path, other: &Path) -> io::Result<Vec<String>> {
    let read = |path: &Path| -> io::Result<BTreeMap<String, String>> {
        let mut entries = BTreeMap::new();
        tarball::read(BufReader::new(File::open(path)?), |header, content| -> io::Result<()> {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
            entries.insert(header.shown(), format!("{header:?} {text}"));
            Ok(())
        })?;
        Ok(entries)
    };
    let (one, other) = (read(one)?, read(other)?);
    let paths = one.keys().chain(other.keys());
    let differing = paths.filter(|path| one.get(*path) != other.get(*path));
    Ok(differing.map(|path| format!("{:?}\n{:?}", one.get(path), other.get(path))).collect())
}
