//! The control archive of a package: what dpkg keeps in its database.

mod names;

use std::collections::BTreeMap;
use std::io::Read;

use crate::error::Cause;
use crate::members::{MemberKind, Members};

/// No control file is larger: the largest md5sums of Debian has some 10 MB.
const LARGEST: u64 = 64 << 20;

/// A file of the control archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlFile {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Whether it may be run (maintainer scripts are).
    pub executable: bool,
}

/// The control archive, its files by name: `control`, `md5sums`, `conffiles`, `postinst`, ...
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Control {
    /// The files by name.
    pub files: BTreeMap<String, ControlFile>,
}

impl Control {
    pub(crate) fn read(reader: impl Read) -> Result<Self, Cause> {
        let mut files = BTreeMap::new();
        let mut archive = Members::new(reader);
        while let Some(member) = archive.next_member()? {
            let name = String::from_utf8_lossy(&member.path);
            let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
            if member.kind == MemberKind::Directory {
                continue;
            }
            let plain = name.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
            if !plain || name.is_empty() || name.starts_with('.') || member.kind != MemberKind::File
            {
                return Err(Cause::ControlMember(name));
            }
            if member.size > LARGEST {
                return Err(Cause::TooLarge { member: name, size: member.size });
            }
            let executable = member.mode & 0o111 != 0;
            let mut bytes = Vec::new();
            archive.read_to_end(&mut bytes)?;
            files.insert(name, ControlFile { bytes, executable });
        }
        std::io::copy(&mut archive.into_inner(), &mut std::io::sink())?;
        let control = Self { files };
        names::check(&control)?;
        Ok(control)
    }

    /// A control file's text; `None` if there is none of that name or it is not UTF-8.
    pub fn text(&self, file: &str) -> Option<&str> {
        std::str::from_utf8(&self.files.get(file)?.bytes).ok()
    }

    /// A field of the `control` file, continuation lines included, without the blanks around it.
    pub fn field(&self, name: &str) -> Option<&str> {
        let text = self.text("control")?;
        let mut start = None;
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let continued = line.starts_with([' ', '\t']);
            if let Some(start) = start
                && !continued
            {
                return Some(text[start..at].trim());
            }
            if let Some((key, _)) = line.split_once(':')
                && !continued
                && key.eq_ignore_ascii_case(name)
            {
                start = Some(at + key.len() + 1);
            }
            at += line.len();
        }
        start.map(|start| text[start..].trim())
    }

    /// The package's name.
    pub fn package(&self) -> &str {
        self.field("Package").unwrap_or_default()
    }

    /// The package's version.
    pub fn version(&self) -> &str {
        self.field("Version").unwrap_or_default()
    }

    /// The package's architecture.
    pub fn architecture(&self) -> &str {
        self.field("Architecture").unwrap_or_default()
    }

    /// How messages call the package: `name version`.
    pub fn label(&self) -> String {
        format!("{} {}", self.package(), self.version())
    }

    /// The files that an administrator may change and dpkg must not overwrite: absolute paths.
    /// Lines with a flag (`remove-on-upgrade /etc/old`) name files that the package does not have.
    pub fn conffiles(&self) -> impl Iterator<Item = &str> {
        self.text("conffiles").unwrap_or_default().lines().filter(|line| line.starts_with('/'))
    }

    /// All lines about conffiles, in their order: the path, and whether it is one of older versions
    /// that dpkg removes at an upgrade to this one (deb-conffiles(5)).
    pub fn conffile_lines(&self) -> impl Iterator<Item = (&str, bool)> {
        let lines = self.text("conffiles").unwrap_or_default().lines();
        lines.filter_map(|line| match line.strip_prefix("remove-on-upgrade") {
            Some(path) => Some((path.trim(), true)),
            None => line.starts_with('/').then_some((line, false)),
        })
    }

    /// The md5 of a path without its leading `/`, in hexadecimal, from the `md5sums` file.
    pub(crate) fn md5sum(&self, path: &str) -> Option<&str> {
        self.text("md5sums")?.lines().find_map(|line| {
            let (sum, name) = line.split_once("  ")?;
            (name.trim_start_matches("./") == path).then_some(sum)
        })
    }
}
