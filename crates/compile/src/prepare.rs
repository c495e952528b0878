//! The workspace that the tool root's cargo is given.

use std::fs;
use std::path::Path;

use crate::Target;
use crate::closure::{Closure, to_text};
use crate::error::{Error, Result};
use crate::manifest::with_dependencies;
use crate::resolve;
use crate::vendor::vendor;

/// Where it lies in the sandbox.
pub(crate) const BUILD: &str = "/work/build";

/// Small programs, and the same bytes each time: one unit of code, so that the number of
/// processors is no matter.
const PROFILE: &str = r#"
[profile.release]
opt-level = "z"
lto = true
codegen-units = 1
panic = "abort"
strip = true
"#;

/// Writes the workspace into `build`.
pub(crate) fn workspace(
    closure: &Closure,
    target: Target,
    offline: bool,
    build: &Path,
) -> Result<()> {
    write(&build.join("Cargo.toml"), to_text(closure.manifest())? + PROFILE)?;
    let needed = resolve::needed(closure, target, offline)?;
    for member in closure.members() {
        let directory = build.join(&member.directory);
        let manifest = match needed.git.get(&member.name) {
            // What other platforms and features want is not there.
            Some(kept) => with_dependencies(member.manifest.clone(), kept),
            None => member.manifest.clone(),
        };
        write(&directory.join("Cargo.toml"), to_text(&manifest)?)?;
        for (file, bytes) in &member.files {
            write(&directory.join(file), bytes)?;
        }
    }
    vendor(&needed.crates, &build.join("vendor"))?;
    write(&build.join(".cargo/config.toml"), configuration(target))
}

/// Cargo's configuration: crates from `vendor` alone, static programs, no path of the build in
/// them. The linker has its bare name: `cc` is a link that only a configured system has.
fn configuration(target: Target) -> String {
    let triple = target.triple();
    format!(
        r#"[source.crates-io]
replace-with = "vendored"

[source.vendored]
directory = "vendor"

[target.{triple}]
linker = "gcc"
rustflags = [
    "-C", "target-feature=+crt-static",
    "-C", "relocation-model=static",
    "--remap-path-prefix={BUILD}/=",
]
"#
    )
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io("make", parent))?;
    }
    fs::write(path, bytes).map_err(Error::io("write", path))
}
