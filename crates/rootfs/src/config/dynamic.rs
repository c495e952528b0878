//! Directories of services with `DynamicUser=`: systemd keeps `/var/lib/NAME` of such a one in
//! `/var/lib/private/NAME` and makes a symlink of the former (systemd.exec(5), StateDirectory=),
//! which it cannot where something is mounted: the service would fail at its start.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use unpack::{MemberKind, Members};

use super::plan::{Content, Mount, Plan};
use crate::error::Error;
use crate::paths::Kind;

/// Where units lie, those that win last.
const UNITS: [&str; 3] = ["lib/systemd/system/", "usr/lib/systemd/system/", "etc/systemd/system/"];

/// Settings of directories, and where what they name lies.
const DIRECTORIES: [(&str, &str); 3] =
    [("StateDirectory", "var/lib"), ("CacheDirectory", "var/cache"), ("LogsDirectory", "var/log")];

/// The longest file that is read as a unit: others are none.
const LONGEST: u64 = 1 << 20;

/// The settings of all services: unit name, then its files in the order in which they count.
type Units = BTreeMap<String, BTreeMap<(u8, String), String>>;

/// Refuses state at the path of such a directory, or in it.
pub(super) fn check(mounts: &[Mount], plan: &Plan, tree: &Path) -> Result<(), Error> {
    let public = |mount: &&Mount| DIRECTORIES.iter().any(|(_, base)| mount.place.starts_with(base));
    let mounts: Vec<_> = mounts.iter().filter(public).collect();
    if mounts.is_empty() {
        return Ok(());
    }
    for (unit, files) in units(plan, tree)? {
        for (setting, base, name) in private_directories(files.values().map(String::as_str)) {
            for mount in &mounts {
                let Some(inside) = within(&mount.place, base, &name) else { continue };
                return Err(Error::Path {
                    path: mount.asked.clone(),
                    reason: format!(
                        "{unit} has DynamicUser= and {setting}={name}: systemd keeps that \
                         directory in /{base}/private, and makes a symlink here"
                    ),
                    hint: Some(format!("write `/{base}/private/{inside}`")),
                });
            }
        }
    }
    Ok(())
}

/// The part of a place below `base` when it is the directory `name` there or lies in it. A
/// component with a specifier of systemd's may be anything.
fn within<'a>(place: &'a str, base: &str, name: &str) -> Option<&'a str> {
    let inside = place.strip_prefix(base)?.strip_prefix('/')?;
    let mut parts = inside.split('/');
    let same = |part: &str, wanted: &str| part == wanted || wanted.contains('%');
    name.split('/')
        .all(|wanted| parts.next().is_some_and(|part| same(part, wanted)))
        .then_some(inside)
}

/// The directories of a service that are private, as setting, base and name: none unless it has
/// `DynamicUser=`.
fn private_directories<'a>(
    files: impl Iterator<Item = &'a str>,
) -> Vec<(&'static str, &'static str, String)> {
    let mut dynamic = false;
    let mut found: Vec<(&str, &str, String)> = Vec::new();
    for text in files {
        let mut section = "";
        // A backslash at the end of a line joins the next (systemd.syntax(7)).
        let text = text.replace("\\\n", " ");
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            if line.starts_with('[') {
                section = line;
                continue;
            }
            let Some((key, value)) = line.split_once('=').filter(|_| section == "[Service]") else {
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            if key == "DynamicUser" {
                let yes = ["1", "yes", "y", "true", "t", "on"];
                dynamic = yes.iter().any(|yes| value.eq_ignore_ascii_case(yes));
            }
            let Some((setting, base)) = DIRECTORIES.iter().find(|(known, _)| *known == key) else {
                continue;
            };
            if value.is_empty() {
                found.retain(|(known, ..)| known != setting);
            }
            for name in value.split_whitespace() {
                // Behind a colon come a symlink to it and flags.
                let name = name.trim_matches('"').split(':').next().unwrap_or(name);
                found.push((setting, base, name.to_owned()));
            }
        }
    }
    if dynamic { found } else { Vec::new() }
}

/// The services of the finished system. One that is masked has an empty file of its name.
fn units(plan: &Plan, tree: &Path) -> Result<Units, Error> {
    let mut units = Units::new();
    let read = |source| Error::Read { path: tree.to_owned(), source };
    let mut members = Members::new(BufReader::new(File::open(tree).map_err(read)?));
    while let Some(member) = members.next_member_by_seeking().map_err(read)? {
        let path = String::from_utf8_lossy(&member.path);
        let path = path.strip_prefix("./").unwrap_or(&path);
        let Some((unit, order)) = service(path) else { continue };
        if member.kind == MemberKind::File && member.size <= LONGEST {
            let mut text = Vec::new();
            members.read_to_end(&mut text).map_err(read)?;
            lay(&mut units, unit, order, &text);
        } else if member.kind == MemberKind::Symlink {
            lay(&mut units, unit, order, b"");
        }
    }
    for (place, planned) in plan {
        let Some((unit, order)) = service(place) else { continue };
        match (&planned.entry.kind, &planned.content) {
            (Kind::File, Content::Bytes(bytes)) => lay(&mut units, unit, order, bytes),
            (Kind::File, Content::File(file, _)) => {
                let read = |source: io::Error| Error::Read { path: file.clone(), source };
                let mut text = Vec::new();
                File::open(file)
                    .and_then(|open| open.take(LONGEST).read_to_end(&mut text))
                    .map_err(read)?;
                lay(&mut units, unit, order, &text);
            }
            (Kind::Symlink(_), _) => lay(&mut units, unit, order, b""),
            // A package's, with other permissions.
            _ => {}
        }
    }
    Ok(units)
}

/// The service that a path is about, and where its file stands among the service's: a unit file
/// before its drop-ins, those by their names.
fn service(path: &str) -> Option<(&str, (u8, &str))> {
    let below = UNITS.iter().find_map(|units| path.strip_prefix(units))?;
    match below.split_once('/') {
        None if below.ends_with(".service") => Some((below, (0, ""))),
        Some((folder, name)) if name.ends_with(".conf") => {
            let unit = folder.strip_suffix(".d").filter(|unit| unit.ends_with(".service"))?;
            Some((unit, (1, name)))
        }
        _ => None,
    }
}

/// Of files of one name the last one counts: /etc is read after /usr.
fn lay(units: &mut Units, unit: &str, (order, name): (u8, &str), text: &[u8]) {
    let text = String::from_utf8_lossy(text).into_owned();
    units.entry(unit.to_owned()).or_default().insert((order, name.to_owned()), text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn private(files: &[&str]) -> Vec<String> {
        let found = private_directories(files.iter().copied());
        found.into_iter().map(|(_, base, name)| format!("/{base}/{name}")).collect()
    }

    #[test]
    fn only_services_with_a_dynamic_user_have_private_directories() {
        let unit = "[Unit]\nDynamicUser=no\n[Service]\nDynamicUser = yes\nStateDirectory=dyn \\\n \
                    dyn/sub:link\n# LogsDirectory=x\nCacheDirectory=dyn\n";
        assert_eq!(private(&[unit]), ["/var/lib/dyn", "/var/lib/dyn/sub", "/var/cache/dyn"]);
        assert_eq!(private(&[unit, "[Service]\nDynamicUser=0\n"]), [""; 0]);
        assert_eq!(
            private(&[unit, "[Service]\nStateDirectory=\nStateDirectory=other\n"]),
            ["/var/cache/dyn", "/var/lib/other"]
        );
        assert_eq!(private(&["[Service]\nUser=dyn\nStateDirectory=dyn\n"]), [""; 0]);
    }

    #[test]
    fn state_is_refused_at_the_directory_and_in_it() {
        for (place, name, inside) in [
            ("var/lib/dyn", "dyn", Some("dyn")),
            ("var/lib/dyn/sub", "dyn", Some("dyn/sub")),
            ("var/lib/app/one", "app/%i", Some("app/one")),
            ("var/lib/dyn2", "dyn", None),
            ("var/lib/private/dyn", "dyn", None),
            ("var/lib/app", "app/%i", None),
            ("var/library/dyn", "dyn", None),
        ] {
            assert_eq!(within(place, "var/lib", name), inside, "{place}");
        }
    }

    #[test]
    fn a_path_is_a_unit_a_drop_in_or_nothing() {
        assert_eq!(service("usr/lib/systemd/system/a.service"), Some(("a.service", (0, ""))));
        let drop_in = service("etc/systemd/system/a@.service.d/10-x.conf");
        assert_eq!(drop_in, Some(("a@.service", (1, "10-x.conf"))));
        for other in [
            "etc/systemd/system/multi-user.target.wants/a.service",
            "etc/systemd/system/a.timer",
            "etc/systemd/system/a.timer.d/x.conf",
            "usr/lib/systemd/user/a.service",
        ] {
            assert_eq!(service(other), None, "{other}");
        }
    }
}
