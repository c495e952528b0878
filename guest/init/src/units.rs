//! The mounts of init as systemd's units, so that systemd leaves them alone until the end.
//!
//! It makes a unit of every mount that it finds and takes it apart at shutdown, while the journal
//! still writes to one and the layers lie on another: each attempt fails and is shown in red.
//! Units without the default dependencies (systemd.mount(5)) are not taken apart:
//! systemd-shutdown unmounts what can be, and makes the data filesystem read-only, when no process
//! is left. They are whole units, for a drop-in is not read when something names the mount before
//! systemd has seen it (systemd 252).

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::error::{Context, Result};

/// A mount in the new root.
#[derive(Debug)]
pub(crate) struct Mount {
    /// Where: an absolute path without symlinks.
    pub(crate) place: String,
    /// What is mounted there: a device, or a path that is bound.
    pub(crate) what: String,
    /// Whether it is a path that is bound.
    pub(crate) bound: bool,
}

/// Describes `mounts` to systemd. `run` is the new root's /run.
pub(crate) fn describe(run: &Path, mounts: &[Mount]) -> Result<()> {
    let directory = run.join("systemd/system");
    fs::create_dir_all(&directory).on("make", &directory)?;
    for mount in mounts {
        let file = directory.join(format!("{}.mount", escape(&mount.place)));
        fs::write(&file, unit(mount)).on("write", &file)?;
    }
    Ok(())
}

fn unit(mount: &Mount) -> String {
    let value = |text: &str| text.replace('%', "%%");
    let (place, what) = (value(&mount.place), value(&mount.what));
    let options = if mount.bound { "Options=bind\n" } else { "" };
    format!(
        "# Mounted by the initramfs.\n[Unit]\nDefaultDependencies=no\n\n\
         [Mount]\nWhat={what}\nWhere={place}\n{options}"
    )
}

/// A path as the name of a unit (systemd.unit(5), "String escaping for inclusion in unit names").
fn escape(path: &str) -> String {
    let path = path.trim_matches('/');
    let mut name = String::new();
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if at == 0 => name.push_str("\\x2e"),
            b':' | b'_' | b'.' => name.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => name.push(char::from(byte)),
            // Writing to a string cannot fail.
            byte => drop(write!(name, "\\x{byte:02x}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `systemd-escape --path` gives them.
    #[test]
    fn paths_are_escaped_as_systemd_does() {
        for (path, name) in [
            ("/run/heirloom/data", "run-heirloom-data"),
            ("/etc/machine-id", r"etc-machine\x2did"),
            ("/srv/a b/.x/ü", r"srv-a\x20b-.x-\xc3\xbc"),
            ("/.state/", r"\x2estate"),
        ] {
            assert_eq!(escape(path), name);
        }
    }

    #[test]
    fn a_bound_mount_is_described_and_left_alone() {
        let run = tempfile::tempdir().unwrap();
        let mount = Mount {
            place: "/etc/machine-id".into(),
            what: "/run/heirloom/data/state/100%".into(),
            bound: true,
        };
        describe(run.path(), &[mount]).unwrap();
        let file = run.path().join(r"systemd/system/etc-machine\x2did.mount");
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains("[Unit]\nDefaultDependencies=no\n"), "{text}");
        let lines = "What=/run/heirloom/data/state/100%%\nWhere=/etc/machine-id\nOptions=bind\n";
        assert!(text.ends_with(lines), "{text}");
    }
}
