//! `[first-boot]`: what belongs to one machine, and is made there instead of in an image.
//!
//! Rows come from definitions, and for the packages of a distribution from the table
//! `first-boot/DISTRIBUTION.toml` of this crate, in the same form.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::names::{Refused, checked_text, shown};
use crate::{
    DistributionName, GroupName, Mode, Origin, PackageName, Problems, RootPath, UserName, read,
};

/// What stands in `make` for the path to be made.
pub const NEW: &str = "{new}";
/// What stands in `make` for the server's host name.
pub const HOSTNAME: &str = "{hostname}";

/// An entry of `[first-boot]`: a key, an id, a certificate or a database that no two machines share.
///
/// ```toml
/// [first-boot]
/// "/etc/bind/rndc.key" = { make = ["/usr/sbin/rndc-confgen", "-a", "-c", "{new}"], before = ["named.service"], owner = "bind", group = "bind", mode = "0640" }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstBoot {
    /// Where programs look for it.
    pub path: RootPath,
    /// The program that makes it, with its arguments; none: the image does not have it, and
    /// whatever needs it makes it.
    pub make: Vec<Argument>,
    /// Whether it is a directory.
    pub directory: bool,
    /// Files that the program makes beside it, which are kept with it: a `.pub`.
    pub beside: Vec<FileName>,
    /// The directory, within declared state, that it is kept in unless its path is state itself.
    pub state: Option<RootPath>,
    /// The units that are started only when it is there.
    pub before: Vec<UnitName>,
    /// Other entries that must be there before this one is made.
    pub needs: Vec<RootPath>,
    /// Its owner; root without.
    pub owner: Option<UserName>,
    /// Its group; root without.
    pub group: Option<GroupName>,
    /// Its mode; without, 0600, and 0700 of a directory.
    pub mode: Option<Mode>,
    /// The package that it belongs to: of rows of a distribution's table.
    pub package: Option<PackageName>,
    /// Where it is written.
    pub origin: Origin,
}

checked_text! {
    /// One argument of a program.
    Argument, check_argument
}

fn check_argument(text: &str) -> Result<(), Refused> {
    match text.chars().find(|c| c.is_control()) {
        Some(wrong) => {
            let hint = "lay a script by rootfs/ and call that";
            Err(Refused::new(format!("has {}", shown(wrong)), hint))
        }
        None => Ok(()),
    }
}

checked_text! {
    /// The name of a file, without any directory.
    FileName, check_file_name
}

fn check_file_name(text: &str) -> Result<(), Refused> {
    let hint = "the name of a file in the same directory; as in \"ssh_host_ed25519_key.pub\"";
    if text.is_empty() || text == "." || text == ".." || text.len() > 255 {
        return Err(Refused::new("is no name of a file", hint));
    }
    match text.chars().find(|&c| c == '/' || c.is_control()) {
        Some(wrong) => Err(Refused::new(format!("has {}", shown(wrong)), hint)),
        None => Ok(()),
    }
}

checked_text! {
    /// The name of a systemd unit with its kind: `named.service`, `postfix@-.service`.
    UnitName, check_unit_name
}

/// The kinds of units that something can come before.
const KINDS: [&str; 6] = [".service", ".socket", ".target", ".mount", ".timer", ".path"];

fn check_unit_name(text: &str) -> Result<(), Refused> {
    let hint = "a unit with its kind; as in \"named.service\"";
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if let Some(wrong) = text.chars().find(|&c| !allowed(c)) {
        return Err(Refused::new(format!("has {}", shown(wrong)), hint));
    }
    let is_kind = |kind: &&str| text.strip_suffix(*kind).is_some_and(|name| !name.is_empty());
    if text.len() > 255 || !KINDS.iter().any(is_kind) {
        return Err(Refused::new("is no unit", hint));
    }
    Ok(())
}

impl FirstBoot {
    /// The rows of a distribution's table, sorted by path; each belongs to a package.
    ///
    /// # Errors
    /// Mistakes in the table, which only its authors make.
    pub fn of_distribution(name: DistributionName) -> Result<Vec<Self>, Problems> {
        let (file, text) = match name {
            DistributionName::Debian => {
                ("first-boot/debian.toml", include_str!("../first-boot/debian.toml"))
            }
            DistributionName::Arch => {
                ("first-boot/arch.toml", include_str!("../first-boot/arch.toml"))
            }
        };
        read::document(Path::new(file), text, |mut table| {
            let rows = table.table("first-boot").map(|rows| read_rows(&rows, true));
            table.finish();
            let mut rows = rows.unwrap_or_default();
            rows.sort_by(|one, other| one.path.cmp(&other.path));
            Some(rows)
        })
    }
}

/// Reads `[first-boot]` of a server or a role.
pub(crate) fn read(table: &read::Table<'_, '_>) -> Vec<FirstBoot> {
    read_rows(table, false)
}

fn read_rows(table: &read::Table<'_, '_>, of_packages: bool) -> Vec<FirstBoot> {
    let rows = table.entries::<RootPath>().into_iter();
    rows.filter_map(|(path, value)| {
        let hint = "its place is empty at each boot, or not the one that is meant";
        if let Err(refused) = crate::paths::check_reachable(path.value.as_str()) {
            value.wrong(format!("`{}` {}", path.value, refused.message), hint);
            return None;
        }
        read_row(path.value, path.origin, &value, of_packages)
    })
    .collect()
}

fn read_row(
    path: RootPath,
    origin: Origin,
    value: &read::Value<'_, '_>,
    of_packages: bool,
) -> Option<FirstBoot> {
    let example = r#"the program that makes it; as in make = ["/usr/bin/x", "--out", "{new}"]"#;
    let mut keys = value.table()?;
    let make = keys.required("make", example);
    let arguments = make.as_ref().and_then(command);
    let directory = keys.value("directory").and_then(|value| value.boolean()).unwrap_or_default();
    let beside = keys.value("beside").and_then(|value| value.texts()).unwrap_or_default();
    let state = keys.value("state").and_then(|value| value.text());
    let before = keys.value("before").and_then(|value| value.texts()).unwrap_or_default();
    let needs = keys.value("needs").and_then(|value| value.texts()).unwrap_or_default();
    let owner = keys.value("owner").and_then(|value| value.text());
    let group = keys.value("group").and_then(|value| value.text());
    let mode = keys.value("mode").and_then(|value| value.text());
    let package = match of_packages {
        true => Some(keys.required("package", "the package that it belongs to")?.text()?.value),
        false => None,
    };
    keys.finish();
    let arguments = arguments?;
    if directory
        && !arguments.is_empty()
        && !arguments.iter().any(|argument| argument.as_str().contains(NEW))
    {
        value.wrong("`make` of a directory does not say where", "write {new} for the directory");
        return None;
    }
    if directory && !beside.is_empty() {
        value.wrong("`beside` of a directory", "what it makes in the directory is kept anyway");
        return None;
    }
    Some(FirstBoot {
        path,
        make: arguments,
        directory,
        beside: beside.into_iter().map(|name| name.value).collect(),
        state: state.map(|state| state.value),
        before: before.into_iter().map(|unit| unit.value).collect(),
        needs: needs.into_iter().map(|path| path.value).collect(),
        owner: owner.map(|owner| owner.value),
        group: group.map(|group| group.value),
        mode: mode.map(|mode| mode.value),
        package,
        origin,
    })
}

/// A program with its arguments, any of which may be there twice.
fn command(value: &read::Value<'_, '_>) -> Option<Vec<Argument>> {
    let items = value.items()?;
    let count = items.len();
    let texts: Vec<_> = items.iter().filter_map(read::Value::text::<Argument>).collect();
    match texts.first() {
        _ if texts.len() < count => None,
        None => Some(Vec::new()),
        Some(program) if program.value.as_str().starts_with('/') => {
            Some(texts.into_iter().map(|text| text.value).collect())
        }
        _ => {
            value
                .wrong("`make` names no program", "an absolute path first; as in [\"/usr/bin/x\"]");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_the_distributions_can_be_read() {
        for name in DistributionName::ALL {
            let rows = FirstBoot::of_distribution(name).unwrap();
            assert!(rows.iter().all(|row| row.package.is_some()), "{name:?}");
            for needed in rows.iter().flat_map(|row| &row.needs) {
                assert!(rows.iter().any(|row| row.path == *needed), "{needed}");
            }
        }
    }

    #[test]
    fn units_and_names_are_what_systemd_and_a_directory_take() {
        for good in ["named.service", "postfix@-.service", "a-b\\x2dc.socket"] {
            assert!(good.parse::<UnitName>().is_ok(), "{good}");
        }
        for bad in ["", "named", ".service", "a b.service", "../a.service", "a/b.service", "a.\n"] {
            assert!(bad.parse::<UnitName>().is_err(), "{bad:?}");
        }
        for bad in ["", ".", "..", "a/b", "a\nb"] {
            assert!(bad.parse::<FileName>().is_err(), "{bad:?}");
        }
    }
}
