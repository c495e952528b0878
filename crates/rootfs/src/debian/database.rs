//! dpkg's database, as if dpkg itself had unpacked every package: dpkg(1), deb-triggers(5), and
//! the files under `/var/lib/dpkg` of any Debian machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use unpack::{Cause, Control, Inside, InsideError, Kind, Laid, Package};

use crate::error::Error;

/// Where the database lies.
pub(super) const ADMIN: &str = "var/lib/dpkg";

/// Its file of diversions: dpkg-divert(1).
pub(super) const DIVERSIONS: &str = "diversions";

/// Its file of owners and modes: dpkg-statoverride(1).
pub(super) const OVERRIDES: &str = "statoverride";

/// The control archive's files that `info` does not have from there: dpkg has no use for the one,
/// and writes the other itself.
const NOT_KEPT: [&str; 2] = ["control", "list"];

/// Writes the database of packages that were unpacked and not configured. Their order is that in
/// which dpkg will configure them where their dependencies leave a choice.
///
/// # Errors
/// When a package has anything but directories where a file of the database comes.
pub(super) fn write(
    inside: &Inside,
    architecture: &str,
    packages: &[Package],
) -> Result<(), Error> {
    let database = Database { inside, packages };
    for directory in ["info", "triggers", "updates", "alternatives", "parts"] {
        database.directory(directory)?;
    }
    let status: String = packages.iter().map(stanza).collect();
    database.put("status", status.as_bytes(), 0o644)?;
    database.put("info/format", b"1\n", 0o644)?;
    database.put("arch", format!("{architecture}\n").as_bytes(), 0o644)?;
    for empty in ["available", DIVERSIONS, OVERRIDES, "triggers/Unincorp"] {
        database.put(empty, b"", 0o644)?;
    }
    for package in packages {
        database.control(&package.control)?;
        database.lists(package)?;
    }
    for (name, lines) in triggers(packages) {
        database.put(&format!("triggers/{name}"), lines.as_bytes(), 0o644)?;
    }
    Ok(())
}

/// Writes what the preinst of packages may want that are not unpacked yet. `packages` are those
/// that are.
pub(super) fn announce(
    inside: &Inside,
    packages: &[Package],
    controls: &[&Control],
) -> Result<(), Error> {
    let database = Database { inside, packages };
    controls.iter().try_for_each(|control| database.control(control))
}

/// Adds packages to the database that were announced and are unpacked now: those of `packages`
/// from `first` on. `before` are the lengths of the others' lists of members before that: some
/// may have lost a path to a package that replaces them.
pub(super) fn add(inside: &Inside, packages: &[Package], before: &[usize]) -> Result<(), Error> {
    let database = Database { inside, packages };
    let (old, new) = packages.split_at(before.len());
    for (package, before) in old.iter().zip(before) {
        if package.members.len() != *before {
            let name = info_name(&package.control);
            database.rewrite(&format!("info/{name}.list"), &list(&package.members))?;
        }
    }
    let interests = database.text("triggers/File")?;
    let activated: String = new.iter().map(|package| activated(&interests, package)).collect();
    database.append("triggers/Unincorp", &activated)?;
    for package in new {
        database.lists(package)?;
    }
    database.append("status", &new.iter().map(stanza).collect::<String>())?;
    for (name, lines) in triggers(new) {
        database.append(&format!("triggers/{name}"), &lines)?;
    }
    Ok(())
}

/// The triggers of paths that unpacking a package sets off in packages that are there, as dpkg
/// notes them for its next run: a line each with the name and the package.
fn activated(interests: &str, package: &Package) -> String {
    let triggers: BTreeSet<&str> =
        interests.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let is_hit = |trigger: &&&str| {
        package.members.iter().any(|laid| {
            let rest = laid.listed.strip_prefix(trigger.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        })
    };
    let name = info_name(&package.control);
    triggers.iter().filter(is_hit).map(|trigger| format!("{trigger} {name}\n")).collect()
}

/// The database in the making: packages have been in the tree, and are strangers.
struct Database<'a> {
    inside: &'a Inside,
    packages: &'a [Package],
}

impl Database<'_> {
    /// The files of `info` that a package's control archive has.
    fn control(&self, control: &Control) -> Result<(), Error> {
        let name = info_name(control);
        for (kind, file) in &control.files {
            if !NOT_KEPT.contains(&kind.as_str()) {
                let mode = if file.executable { 0o755 } else { 0o644 };
                self.put(&format!("info/{name}.{kind}"), &file.bytes, mode)?;
            }
        }
        Ok(())
    }

    /// The files of `info` that say what was unpacked.
    fn lists(&self, package: &Package) -> Result<(), Error> {
        let name = info_name(&package.control);
        let path = |kind: &str| format!("info/{name}.{kind}");
        if !package.control.files.contains_key("md5sums") {
            self.put(&path("md5sums"), &md5sums(&package.members), 0o644)?;
        }
        self.put(&path("list"), &list(&package.members), 0o644)
    }

    fn directory(&self, name: &str) -> Result<(), Error> {
        let path = Path::new(ADMIN).join(name);
        self.inside.make_directory(&path).map_err(|error| self.blame(&path, error))
    }

    fn put(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), Error> {
        let path = Path::new(ADMIN).join(name);
        self.inside.create(&path, bytes, mode).map_err(|error| self.blame(&path, error))
    }

    fn text(&self, name: &str) -> Result<String, Error> {
        Ok(self.inside.text(Path::new(ADMIN).join(name))?.unwrap_or_default())
    }

    fn append(&self, name: &str, text: &str) -> Result<(), Error> {
        if text.is_empty() {
            return Ok(());
        }
        let path = Path::new(ADMIN).join(name);
        Ok(self.inside.write(path, format!("{}{text}", self.text(name)?))?)
    }

    /// Puts other bytes into the place of a file.
    fn rewrite(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.inside.remove(Path::new(ADMIN).join(name))?;
        self.put(name, bytes, 0o644)
    }

    /// Says which package has something in the way, if any has.
    fn blame(&self, path: &Path, error: InsideError) -> Error {
        let in_the_way =
            |laid: &&Laid| laid.kind != Kind::Directory && path.starts_with(&laid.place);
        let found = self.packages.iter().find_map(|package| {
            let laid = package.members.iter().find(in_the_way)?;
            let member = String::from_utf8_lossy(&laid.listed).into_owned();
            Some(unpack::Error {
                package: package.control.label(),
                cause: Box::new(Cause::Database(member)),
            })
        });
        found.map_or(error.into(), Error::Unpack)
    }
}

/// The name of a package's files in `info`, and in messages.
pub(super) fn info_name(control: &Control) -> String {
    match control.field("Multi-Arch") {
        Some("same") => format!("{}:{}", control.package(), control.architecture()),
        _ => control.package().to_owned(),
    }
}

/// Every path of a package, one a line.
fn list(members: &[Laid]) -> Vec<u8> {
    let mut list = Vec::new();
    if members.first().is_none_or(|first| first.listed != b"/.") {
        list.extend(b"/.\n");
    }
    for laid in members {
        list.extend(&laid.listed);
        list.push(b'\n');
    }
    list
}

/// Sums for a package that brings none, as dpkg makes them.
fn md5sums(members: &[Laid]) -> Vec<u8> {
    let sums = members.iter().filter_map(|laid| {
        let path = laid.listed.strip_prefix(b"/")?;
        Some([hex(laid.md5?).as_bytes(), b"  ", path, b"\n"].concat())
    });
    sums.flatten().collect()
}

fn hex(md5: [u8; 16]) -> String {
    md5.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A package's paragraph in `status`.
fn stanza(package: &Package) -> String {
    let control = package.control.text("control").unwrap_or_default();
    let mut stanza = String::from("Status: install ok unpacked\n");
    // Package comes first, for people who read the file.
    for first in [true, false] {
        let mut wanted = false;
        for line in control.lines().filter(|line| !line.trim().is_empty()) {
            if !line.starts_with([' ', '\t']) {
                let is_name = line.to_ascii_lowercase().starts_with("package:");
                let is_status = line.to_ascii_lowercase().starts_with("status:");
                wanted = is_name == first && !is_status;
            }
            if wanted && first {
                stanza.insert_str(0, &format!("{line}\n"));
            } else if wanted {
                stanza.push_str(line);
                stanza.push('\n');
            }
        }
    }
    let lines = package.control.conffile_lines().filter_map(|(path, is_removed)| {
        if is_removed {
            // dpkg's words for a file whose content it has not decided on yet.
            return Some(format!(" {path} newconffile remove-on-upgrade\n"));
        }
        let laid = package.members.iter().find(|laid| laid.listed == path.as_bytes())?;
        Some(format!(" {path} {}\n", hex(laid.md5?)))
    });
    let mut conffiles = lines.peekable();
    if conffiles.peek().is_some() {
        stanza.push_str("Conffiles:\n");
        stanza.extend(conffiles);
    }
    stanza.push('\n');
    stanza
}

/// The files of `triggers`: who is interested in which named trigger, and `File` for paths.
fn triggers(packages: &[Package]) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::from([("File".to_owned(), String::new())]);
    for package in packages {
        let name = info_name(&package.control);
        for line in package.control.text("triggers").unwrap_or_default().lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let suffix = match words.next() {
                Some("interest" | "interest-await") => "",
                Some("interest-noawait") => "/noawait",
                _ => continue,
            };
            let Some(trigger) = words.next() else { continue };
            if trigger.starts_with('/') {
                let line = format!("{trigger} {name}{suffix}\n");
                files.entry("File".to_owned()).or_default().push_str(&line);
            } else if is_trigger_name(trigger) {
                let line = format!("{name}{suffix}\n");
                files.entry(trigger.to_owned()).or_default().push_str(&line);
            }
        }
    }
    files
}

/// Whether a name of a trigger is one that can be a file's name, and is none of dpkg's own:
/// deb-triggers(5) has them of printable ASCII without blanks.
fn is_trigger_name(name: &str) -> bool {
    let is_own = ["File", "Lock", "Unincorp"].contains(&name);
    let is_plain = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    is_plain && !is_own && !name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use unpack::{ControlFile, Kind};

    fn package(control: &str, files: &[(&str, &str)], members: &[(&str, Option<u8>)]) -> Package {
        let file = |text: &str| ControlFile { bytes: text.into(), executable: false };
        let mut control_files = BTreeMap::from([("control".to_owned(), file(control))]);
        control_files.extend(files.iter().map(|(name, text)| ((*name).to_owned(), file(text))));
        let member = |(path, md5): &(&str, Option<u8>)| Laid {
            place: path.trim_start_matches('/').into(),
            listed: path.as_bytes().to_vec(),
            kind: Kind::File(1),
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: 0,
            md5: md5.map(|byte| [byte; 16]),
        };
        let members = members.iter().map(member).collect();
        Package::new(Control { files: control_files }, members)
    }

    #[test]
    fn a_stanza_is_the_control_file_with_state_and_conffiles() {
        let control = "Version: 1\nPackage: a\nDescription: x\n more\n .\n\n";
        let conffiles = [("conffiles", "/etc/a\nremove-on-upgrade /etc/old\n")];
        let package = package(control, &conffiles, &[("/etc/a", Some(0xab))]);
        let sum = "ab".repeat(16);
        assert_eq!(
            stanza(&package),
            format!(
                "Package: a\nStatus: install ok unpacked\nVersion: 1\nDescription: x\n more\n .\n\
                 Conffiles:\n /etc/a {sum}\n /etc/old newconffile remove-on-upgrade\n\n"
            )
        );
    }

    #[test]
    fn files_of_packages_for_several_architectures_carry_theirs() {
        let control = "Package: libc6\nVersion: 2\nArchitecture: amd64\nMulti-Arch: same\n";
        assert_eq!(info_name(&package(control, &[], &[]).control), "libc6:amd64");
        let control = "Package: bash\nVersion: 2\nArchitecture: amd64\nMulti-Arch: foreign\n";
        assert_eq!(info_name(&package(control, &[], &[]).control), "bash");
    }

    #[test]
    fn interests_become_files_of_triggers() {
        let text = "# made by hand\ninterest-noawait /usr/share/man\ninterest ldconfig\n\
                    activate x\ninterest ../../etc/passwd\ninterest Unincorp\n";
        let triggers = triggers(&[package("Package: a\nVersion: 1\n", &[("triggers", text)], &[])]);
        assert_eq!(
            triggers.into_iter().collect::<Vec<_>>(),
            [
                ("File".to_owned(), "/usr/share/man a/noawait\n".to_owned()),
                ("ldconfig".to_owned(), "a\n".to_owned()),
            ]
        );
    }

    #[test]
    fn paths_set_off_the_triggers_above_them() {
        let interests = "/usr/share/man man-db/noawait\n/usr/share/ma x\n/usr/share/man y\n";
        let package =
            package("Package: a\nVersion: 1\n", &[], &[("/usr/share/man/man1/a.1", None)]);
        assert_eq!(activated(interests, &package), "/usr/share/man a\n");
    }

    #[test]
    fn missing_sums_are_made() {
        let package =
            package("Package: a\nVersion: 1\n", &[], &[("/usr/a", Some(1)), ("/b", None)]);
        assert_eq!(md5sums(&package.members), format!("{}  usr/a\n", "01".repeat(16)).as_bytes());
        assert_eq!(list(&package.members), b"/.\n/usr/a\n/b\n");
    }
}
