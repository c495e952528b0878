//! `[[archive.extra]]`: a repository beside the distribution's.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::archive::Fingerprint;
use crate::names::{Refused, checked_text, shown};
use crate::own::{BesidePath, beside};
use crate::span::Located;
use crate::{
    Distribution, DistributionName, Error, Ignored, Origin, PackageName, Pocket, Problem, read,
};

/// A repository beside the distribution's.
///
/// ```toml
/// [[archive.extra]]
/// name = "acme"                            # a package of it is asked for as "tool/acme"
/// url = "https://deb.example.org/debian"   # {year}, {month}, {day}: those of `date`
/// suite = "bookworm"                       # debian
/// components = ["main"]                    # debian; this is the default
/// key = "keys/acme.asc"                    # beside server.toml
/// fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567"
/// packages = ["tool"]                      # taken from here though the distribution has them
/// ```
///
/// On Arch it has `repository`, the name of its database, `name` by default, in place of suite and
/// components.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extra {
    /// What it is called here.
    pub name: ExtraName,
    /// Where it lies.
    pub url: ExtraUrl,
    /// The suite of a Debian repository, the database of one of Arch.
    pub suite: ExtraSuite,
    /// The components of a Debian repository.
    pub components: Vec<ExtraSuite>,
    /// The fingerprint of the key that vouches for it.
    pub fingerprint: Fingerprint,
    /// Names that are taken from here though the distribution has them.
    pub packages: Vec<PackageName>,
    /// The key file's bytes.
    pub key: Vec<u8>,
    /// Where it is written.
    pub origin: Origin,
    /// The key file, and where it is named.
    pub(crate) key_file: BesidePath,
    pub(crate) key_origin: Origin,
}

checked_text! {
    /// The name of a repository beside the distribution's.
    ExtraName, check_extra_name
}

fn check_extra_name(text: &str) -> Result<(), Refused> {
    let hint = "a short name of your own, of a-z, 0-9 and `-`; as in `acme`";
    crate::names::check_name(text, 64, |c| c.is_ascii_lowercase(), "-", hint)?;
    let pocket = text.parse::<Pocket>().is_ok();
    if pocket || ["debian", "debian-security", "archlinux", "own"].contains(&text) {
        return Err(Refused::new("is a name that Heirloom has for something else", hint));
    }
    Ok(())
}

checked_text! {
    /// A suite or component of a repository beside the distribution's.
    ExtraSuite, check_extra_suite
}

fn check_extra_suite(text: &str) -> Result<(), Refused> {
    let hint = "letters, digits, `+`, `-`, `.` and `_`, a letter or digit first; as in `stable`";
    if let Some(wrong) = text.chars().find(|&c| !c.is_ascii_alphanumeric() && !"+-._".contains(c)) {
        return Err(Refused::new(format!("has {}", shown(wrong)), hint));
    }
    match text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.len() <= 64 {
        true => Ok(()),
        false => Err(Refused::new("is no name of a suite or component", hint)),
    }
}

checked_text! {
    /// Where a repository lies.
    ExtraUrl, check_url
}

fn check_url(text: &str) -> Result<(), Refused> {
    let hint = "as in `https://deb.example.org/debian`; http, https or file:///";
    let rest = ["https://", "http://", "file:///"].iter().find_map(|s| text.strip_prefix(s));
    let Some(rest) = rest.filter(|rest| !rest.is_empty() && !rest.starts_with('/')) else {
        return Err(Refused::new("is no URL of a repository", hint));
    };
    if rest.contains('@') {
        let hint = "what is in a definition, everybody has who has it";
        return Err(Refused::new("has a user or a password in it", hint));
    }
    let mut plain = rest.to_owned();
    for mark in ["{year}", "{month}", "{day}"] {
        plain = plain.replace(mark, "0");
    }
    if plain.len() > 512 {
        return Err(Refused::new("is longer than 512 characters", hint));
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || "-._~/:+".contains(*c);
    match plain.chars().find(|c| !allowed(c)) {
        Some('{' | '}') => {
            let hint = "`{year}`, `{month}` and `{day}` stand for the day of [archive]";
            Err(Refused::new("has braces around something else than a part of the day", hint))
        }
        Some(wrong) => Err(Refused::new(format!("has {}", shown(wrong)), hint)),
        None if plain.split('/').any(|part| part == "..") => {
            Err(Refused::new("has a part `..`", hint))
        }
        None => Ok(()),
    }
}

/// The repositories of a list of tables.
pub(crate) fn read_extras(value: &read::Value<'_, '_>, distribution: &Distribution) -> Vec<Extra> {
    let mut extras: Vec<Extra> = Vec::new();
    for item in value.items().unwrap_or_default() {
        let Some(table) = item.table() else { continue };
        let Some(extra) = read_extra(table, distribution.name()) else { continue };
        let taken = match distribution {
            Distribution::Debian(debian) => {
                debian.suites().iter().any(|suite| suite.as_str() == extra.name.as_str())
            }
            Distribution::Arch(arch) => {
                arch.repositories.iter().any(|name| name.as_str() == extra.name.as_str())
            }
        };
        if taken {
            let message = format!("`{}` is a part of the distribution's archive", extra.name);
            let hint = "give the repository another name".to_owned();
            item.report(Problem::new(&extra.origin, message).hint(hint));
        }
        if let Some(first) = extras.iter().find(|known| known.name == extra.name) {
            let message = format!("two repositories are called `{}`", extra.name);
            let problem = Problem::new(&extra.origin, message).and(&first.origin);
            item.report(problem.hint("give each a name of its own".to_owned()));
        }
        for known in &extras {
            if let Some(name) = known.packages.iter().find(|name| extra.packages.contains(name)) {
                let message =
                    format!("`{name}` is to come from `{}` and `{}`", known.name, extra.name);
                let problem = Problem::new(&extra.origin, message).and(&known.origin);
                item.report(problem.hint("name it in the `packages` of one".to_owned()));
            }
        }
        extras.push(extra);
    }
    extras
}

fn read_extra(mut table: read::Table<'_, '_>, distribution: DistributionName) -> Option<Extra> {
    let name = table.required("name", r#"as in name = "acme""#);
    let name = name.and_then(|value| value.text::<ExtraName>());
    let url = table.required("url", r#"as in url = "https://deb.example.org/debian""#);
    let url = url.and_then(|value| value.text());
    let (suite, components) = match distribution {
        DistributionName::Debian => {
            let suite = table.required("suite", r#"as in suite = "bookworm""#);
            let components = match table.value("components") {
                Some(value) => plain(value.texts()),
                None => "main".parse().into_iter().collect(),
            };
            (
                suite.and_then(|value| value.text::<ExtraSuite>()).map(|suite| suite.value),
                components,
            )
        }
        DistributionName::Arch => {
            let own = table.value("repository").map(|value| value.text::<ExtraSuite>());
            let as_named = || name.as_ref().and_then(|name| name.value.as_str().parse().ok());
            let repository = own.map_or_else(as_named, |own| own.map(|own| own.value));
            (repository, Vec::new())
        }
    };
    let key = table.required("key", r#"a file beside server.toml; as in key = "keys/acme.asc""#);
    let key = key.and_then(|value| value.text());
    let hint = "the key's own; `gpg --show-keys --with-colons FILE` shows it as `fpr`";
    let fingerprint = table.required("fingerprint", hint).and_then(|value| value.text());
    let mut packages: Vec<PackageName> = match table.value("packages") {
        Some(value) => plain(value.texts()),
        None => Vec::new(),
    };
    packages.sort();
    table.finish();
    let (name, key): (_, Located<BesidePath>) = (name?, key?);
    Some(Extra {
        name: name.value,
        url: url?.value,
        suite: suite?,
        components,
        fingerprint: fingerprint?.value,
        packages,
        key: Vec::new(),
        origin: name.origin,
        key_file: key.value,
        key_origin: key.origin,
    })
}

fn plain<T>(located: Option<Vec<Located<T>>>) -> Vec<T> {
    located.unwrap_or_default().into_iter().map(|item| item.value).collect()
}

/// No key file is larger: Debian's own keyring has 60 kB.
const LARGEST_KEY: u64 = 1 << 20;

/// Reads the key files of `extras`, which lie in `dir`.
pub(crate) fn read_keys(
    extras: &mut [Extra],
    dir: &Path,
    ignored: &Ignored,
    problems: &mut Vec<Problem>,
) -> Result<(), Error> {
    for extra in extras {
        let (value, origin) = (extra.key_file.clone(), extra.key_origin.clone());
        let key_file = Located { value, origin };
        let found = beside(dir, &key_file, LARGEST_KEY, ignored);
        match found? {
            Ok(path) => {
                extra.key = std::fs::read(&path).map_err(|error| Error::read(&path, error))?
            }
            Err(problem) => problems.push(problem),
        }
    }
    Ok(())
}
