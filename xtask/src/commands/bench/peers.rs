//! The same packages by other tools that are installed on this machine.
//!
//! Ours are in the store when its time begins, so theirs are fetched first by a run that is not
//! timed. Root, as whom mmdebstrap and mkosi work best, is who they run as here too.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use definition::{Constraint, Debian, Distribution, Server};
use pipeline::Session;
use xshell::{Cmd, Shell, cmd};

use super::line;
use crate::output::say;

/// Prints a line for each tool.
pub(super) fn time(session: &Session, server: &Server, folder: &Path) -> anyhow::Result<()> {
    let Distribution::Debian(debian) = &server.archive.distribution else {
        say!("no peers: not a Debian server");
        return Ok(());
    };
    let mirror = session.store.mirrors("debian").first();
    let mirror =
        mirror.context("no mirror of `debian` is configured or in the host's apt sources")?;
    let shell = Shell::new()?;
    mmdebstrap(&shell, server, debian, mirror, folder)?;
    mkosi(&shell, server, debian, mirror, folder)
}

fn mmdebstrap(
    shell: &Shell,
    server: &Server,
    debian: &Debian,
    mirror: &str,
    folder: &Path,
) -> anyhow::Result<()> {
    if !is_installed(shell, "mmdebstrap") {
        return Ok(());
    }
    let list = folder.join("sources.list");
    let sources = debian.suites();
    let sources = sources.iter().map(|suite| format!("deb {mirror} {suite} main\n"));
    fs::write(&list, sources.collect::<String>())?;
    let packages = packages(server).join(",");
    let suite = debian.suite.as_str();
    let kept = folder.join("debs");
    fs::create_dir_all(&kept)?;
    // How mmdebstrap(1) lets one run leave its packages to the next.
    let archives = "/var/cache/apt/archives";
    let make_place = format!("mkdir -p \"$1\"{archives}");
    let take = format!("sync-in {} {archives}", kept.display());
    let leave = format!("sync-out {archives} {}", kept.display());
    let run = |out: &Path, more: &[String]| {
        finish(cmd!(
            shell,
            "mmdebstrap --quiet --variant=essential --include={packages} --skip=essential/unlink
                --setup-hook={make_place} --setup-hook={take} {more...} {suite} {out} {list}"
        ))
    };
    run(Path::new("/dev/null"), &[format!("--customize-hook={leave}")])?;
    let start = Instant::now();
    run(&folder.join("peer.squashfs"), &[])?;
    line("mmdebstrap to squashfs", start.elapsed().as_secs_f64());
    Ok(())
}

fn mkosi(
    shell: &Shell,
    server: &Server,
    debian: &Debian,
    mirror: &str,
    folder: &Path,
) -> anyhow::Result<()> {
    if !is_installed(shell, "mkosi") {
        return Ok(());
    }
    let home = folder.join("mkosi");
    let out = home.join("out");
    fs::create_dir_all(&out)?;
    let suites: Vec<_> = debian.suites().iter().map(ToString::to_string).collect();
    // Without a file of this name it asks for suites that not every mirror has.
    let sources = format!(
        "Types: deb\nURIs: {mirror}\nSuites: {}\nComponents: main\n\
         Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
        suites.join(" ")
    );
    // The folder's name before version 25, and since.
    for tree in ["mkosi.pkgmngr", "mkosi.sandbox"] {
        let folder = home.join(tree).join("etc/apt/sources.list.d");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("mkosi.sources"), &sources)?;
    }
    // postfix is not configured where the host has no qualified name that can be looked up.
    let name = server.hostname.to_string();
    let etc = home.join("mkosi.skeleton/etc");
    fs::create_dir_all(&etc)?;
    fs::write(etc.join("hosts"), format!("127.0.0.1 localhost\n127.0.1.1 {name}\n"))?;
    let build = "hostname \"$0\" && exec mkosi --distribution debian \"$@\" --format disk \
                 --bootable no --output-dir out build";
    let suite = debian.suite.as_str();
    let packages = packages(server);
    let packages: Vec<_> = packages.iter().map(|package| format!("--package={package}")).collect();
    let packages = &packages;
    let _inside = shell.push_dir(&home);
    let cache = home.join("cache");
    fs::create_dir_all(&cache)?;
    let run = || {
        finish(cmd!(
            shell,
            "unshare --uts sh -c {build} {name} --release {suite} {packages...}
                --package-cache-dir {cache} --force"
        ))
    };
    run()?;
    let start = Instant::now();
    run()?;
    line("mkosi to disk", start.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a tool in silence; what it printed is shown when it fails.
fn finish(command: Cmd<'_>) -> anyhow::Result<()> {
    let command = command.quiet().ignore_status();
    let output = command.output().with_context(|| format!("could not run `{command}`"))?;
    let printed = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{command}` failed:\n{}", printed.trim_end());
    Ok(())
}

/// Whether `program` can be started; says so when not.
fn is_installed(shell: &Shell, program: &str) -> bool {
    let version = cmd!(shell, "{program} --version").quiet().ignore_stdout().ignore_stderr();
    let installed = version.run().is_ok();
    if !installed {
        say!("           {program} is not installed");
    }
    installed
}

/// What the definition asks for, as apt is asked.
fn packages(server: &Server) -> Vec<String> {
    let packages = server.install.iter().map(|package| match &package.constraint {
        Constraint::Any => package.name.to_string(),
        Constraint::Suite(suite) => format!("{}/{suite}", package.name),
        Constraint::Version(version) => format!("{}={version}", package.name),
    });
    packages.collect()
}
