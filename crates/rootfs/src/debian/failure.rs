//! What a script did that failed, for people.
//!
//! A shell that was not told to shows no commands, and many scripts send the output of what they
//! run to /dev/null. The tree of a failed build is thrown away, so the script is run once more in
//! it, with its commands shown and with a /dev/null that keeps what comes there. What it says then
//! is for the message only: a script may come to another end the second time.

use std::path::Path;

use sandbox::RootCommand;

use super::configure::{CONFIGURE, Root, quoted, unfinished};
use super::database::ADMIN;
use crate::error::Error;

/// What is said before the name of a package whose preinst failed.
pub(super) const PREINST: &str = "failed: the preinst of ";

/// Lines of hidden output that are shown.
const HIDDEN: usize = 8;

/// Says of a failed run of preinst scripts which one it was.
pub(super) fn of_preinst(root: &Root<'_>, error: sandbox::Error) -> Error {
    let said = error.to_string();
    let package = said.lines().rev().find_map(|line| line.strip_prefix(PREINST));
    let Some(package) = package.map(|name| name.trim().to_owned()) else {
        let doing = "cannot run the packages' preinst scripts".to_owned();
        return Error::Program { doing, source: Box::new(error) };
    };
    let (name, architecture) = package.split_once(':').unwrap_or((&package, ""));
    let again = shown(root, &package, "preinst").then(|| {
        let script = format!("/{ADMIN}/info/{package}.preinst");
        root.command("/bin/sh")
            .env("DPKG_MAINTSCRIPT_PACKAGE", name)
            .env("DPKG_MAINTSCRIPT_ARCH", architecture)
            .stdin(format!("{} install\n{}", quoted(&script), reveal()))
            .null_keeps()
    });
    script_failed(&package, "preinst", error, again)
}

/// Says of a dpkg that failed to configure packages which script it was.
pub(super) fn of_configuring(root: &Root<'_>, error: sandbox::Error) -> Error {
    let unfinished = root.status().map(|status| unfinished(&status)).unwrap_or_default();
    let failed = unfinished.into_iter().find(|(_, state)| state.ends_with("half-configured"));
    let Some((package, _)) = failed else {
        let doing = "cannot configure the packages".to_owned();
        return Error::Program { doing, source: Box::new(error) };
    };
    let files = ["postinst", "config"].map(|script| shown(root, &package, script));
    let again = files.contains(&true).then(|| {
        let dpkg = format!("/usr/bin/dpkg {} {}", CONFIGURE.join(" "), quoted(&package));
        root.command("/bin/sh").stdin(format!("{dpkg}\n{}", reveal())).null_keeps()
    });
    script_failed(&package, "postinst", error, again)
}

/// Shows what is hidden by the shell's next command.
fn reveal() -> String {
    format!(
        "status=$?\nif [ -s /dev/null ]; then\n    echo 'what it sent to /dev/null at last:'\n    \
         tail -n {HIDDEN} /dev/null\nfi\nexit $status\n"
    )
}

/// Has a package's script show its commands; whether that is possible.
fn shown(root: &Root<'_>, package: &str, script: &str) -> bool {
    // A package for several architectures has its own in its files' names.
    let names = [package.to_owned(), format!("{package}:amd64")];
    names.iter().any(|name| {
        let path = Path::new(ADMIN).join(format!("info/{name}.{script}"));
        let Ok(Some(text)) = root.inside.text(&path) else { return false };
        let Some((first, rest)) = text.split_once('\n') else { return false };
        let is_shell = first.starts_with("#!") && first.contains("sh");
        is_shell && root.inside.write(&path, format!("{first}\nset -x\n{rest}")).is_ok()
    })
}

fn script_failed(
    package: &str,
    script: &'static str,
    source: sandbox::Error,
    again: Option<RootCommand>,
) -> Error {
    let again = again.map(|command| match command.run() {
        Ok(output) => format!("{}\n(this time it did not fail)", last_lines(&output.text())),
        Err(sandbox::Error::Failed { output, .. }) => output,
        Err(error) => error.to_string(),
    });
    let (package, source) = (package.to_owned(), Box::new(source));
    Error::Script { package, script, again, source }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
