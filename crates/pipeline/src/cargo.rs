//! Cargo, asked for one more program of the workspace that this one was compiled from.

use std::ffi::OsStr;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::Message;

/// A command that Cargo is started by as a person would start it, whoever started this program.
///
/// Cargo tells a program that it runs which package that is. Build scripts that watch those
/// variables would run again, and what depends on them be compiled again.
pub fn command(cargo: impl AsRef<OsStr>) -> Command {
    let told = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    let mut command = Command::new(cargo);
    for (name, _) in std::env::vars_os().filter(|(name, _)| told(name)) {
        command.env_remove(name);
    }
    command
}

/// The program of `package`, compiled if it is not yet, beside this one.
///
/// # Errors
/// When Cargo cannot be started, or cannot compile it; it has said why then.
pub fn program(package: &str, offline: bool) -> io::Result<PathBuf> {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--message-format", "json-render-diagnostics"])
        .args(["--package", package])
        // The workspace's own settings are looked for from here.
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if offline {
        cargo.arg("--offline");
    }
    if let Some(target) = target(&std::env::current_exe()?) {
        cargo.arg("--target-dir").arg(target);
    }
    let spinner = progress::spinner("Compiling", package);
    let mut child = cargo.spawn()?;
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("cargo has no output"))?;
    let mut executable = None;
    let mut compiled = false;
    for message in Message::parse_stream(BufReader::new(stdout)) {
        if let Message::CompilerArtifact(artifact) = message? {
            compiled |= !artifact.fresh;
            spinner.message(format!("{package}: {}", artifact.target.name));
            executable = artifact.executable.or(executable);
        }
    }
    let status = child.wait()?;
    drop(spinner);
    if compiled {
        progress::done("Compiled", package);
    }
    match executable {
        Some(path) if status.success() => Ok(path.into()),
        _ => Err(io::Error::other(format!("cargo could not compile {package}: {status}"))),
    }
}

/// The target folder that a program lies in: Cargo marks it for backups to leave it out.
fn target(program: &Path) -> Option<&Path> {
    program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_cannot_compile_is_an_error_that_names_it() {
        let error = program("heirloom-nothing", true).unwrap_err().to_string();
        assert!(error.contains("cargo could not compile heirloom-nothing"), "{error}");
    }

    #[test]
    fn a_program_lies_in_the_folder_that_cargo_marked() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("CACHEDIR.TAG"), "").unwrap();
        assert_eq!(target(&folder.path().join("debug/deps/program-1")), Some(folder.path()));
    }
}
