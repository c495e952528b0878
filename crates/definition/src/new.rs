//! A new server that builds and boots as it is.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use crate::{Error, PartName, Refused, Workspace};

/// The files of a new server: where they go below its directory, and what is in them.
const TEMPLATE: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("server.toml", include_str!("template/server.toml.in")),
    ("src/main.rs", include_str!("template/main.rs.in")),
    ("rootfs/etc/ssh/authorized_keys/root", include_str!("template/authorized_keys.in")),
];

/// Names that Cargo or rustc keep for themselves.
const RESERVED: [&str; 40] = [
    "alloc",
    "as",
    "async",
    "await",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "match",
    "mod",
    "move",
    "mut",
    "pub",
    "ref",
    "return",
    "static",
    "std",
    "struct",
    "test",
    "type",
    "use",
    "where",
];

/// Writes `servers/NAME`, made of the roles `base` and `ssh`, with packages of the day `date`.
///
/// Returns the new directory and the files in it. Nothing is left behind when it fails.
pub fn new_server(
    workspace: &Workspace,
    name: &str,
    date: Date,
) -> Result<(PathBuf, Vec<PathBuf>), Error> {
    let wrong = |refused: Refused| Error::Name {
        name: name.to_owned(),
        message: refused.message,
        hint: refused.hint,
    };
    let name: PartName = name.parse().map_err(wrong)?;
    if RESERVED.contains(&name.as_str()) {
        return Err(wrong(Refused::new("is a name that Cargo or Rust uses", "choose another")));
    }
    if workspace.has_package(name.as_str()) {
        let hint = "`cargo xtask list` shows the servers that there are";
        return Err(wrong(Refused::new("is a package of this workspace already", hint)));
    }
    let servers = workspace.root().join("servers");
    let dir = servers.join(name.as_str());
    if dir.symlink_metadata().is_ok() {
        return Err(Error::Exists { path: dir });
    }
    let place = |name: &'static str| -> Result<String, Error> {
        let dir = workspace.package(name).ok_or(Error::NoRole { name })?;
        Ok(from_server(workspace.root(), dir))
    };
    let filled = [
        ("@NAME@", name.to_string()),
        ("@HOSTNAME@", name.as_str().replace('_', "-").trim_matches('-').to_owned()),
        ("@DATE@", date.to_string()),
        ("@BASE@", place("base")?),
        ("@SSH@", place("ssh")?),
        ("@HEALTH@", place("heirloom-health")?),
    ];
    // Made beside its place and renamed: a directory of this name is a whole server. It is not
    // below `servers`, where Cargo would take the half of it for a member.
    let unfinished = workspace.target().join(format!(".new-{name}"));
    let written = write(&unfinished, &filled).and_then(|()| {
        fs::create_dir_all(&servers).map_err(|error| Error::write(&servers, error))?;
        fs::rename(&unfinished, &dir).map_err(|error| Error::write(&dir, error))
    });
    if let Err(error) = written {
        // The first error is the one to report; what cannot be removed is overwritten next time.
        let _ = fs::remove_dir_all(&unfinished);
        return Err(error);
    }
    let files = TEMPLATE.iter().map(|(file, _)| dir.join(file)).collect();
    Ok((dir, files))
}

fn write(dir: &Path, filled: &[(&str, String)]) -> Result<(), Error> {
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(|error| Error::write(dir, error))?;
    }
    for (file, template) in TEMPLATE {
        let path = dir.join(file);
        let parent = path.parent().unwrap_or(dir);
        fs::create_dir_all(parent).map_err(|error| Error::write(parent, error))?;
        let text =
            filled.iter().fold(template.to_owned(), |text, (key, value)| text.replace(key, value));
        fs::write(&path, text).map_err(|error| Error::write(&path, error))?;
    }
    Ok(())
}

/// The way from a server's directory to `dir`: relative where both lie in the workspace.
fn from_server(root: &Path, dir: &Path) -> String {
    match dir.strip_prefix(root) {
        Ok(inside) => format!("../../{}", inside.display()),
        Err(_) => dir.display().to_string(),
    }
}
