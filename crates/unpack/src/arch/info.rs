//! `.PKGINFO`: what a package says of itself, PKGINFO(5) of alpm.

use crate::error::Cause;

/// The fields of a `.PKGINFO`: lines `key = value`, in their order. A key may come several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageInfo {
    fields: Vec<(String, String)>,
}

impl PackageInfo {
    /// Reads it; name, version and architecture are checked, since they become parts of paths.
    pub(super) fn read(text: &str) -> Result<Self, Cause> {
        let mut fields = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let field = line.split_once('=').filter(|_| !line.contains('\0'));
            let Some((key, value)) = field else {
                let line = number + 1;
                return Err(Cause::Info(format!("has no `key = value` in line {line}")));
            };
            fields.push((key.trim().to_owned(), value.trim().to_owned()));
        }
        let info = Self { fields };
        for (key, is_possible) in [
            ("pkgname", is_name as fn(&str) -> bool),
            ("pkgver", is_version),
            ("arch", is_architecture),
        ] {
            match info.all(key).collect::<Vec<_>>()[..] {
                [value] if is_possible(value) => {}
                [value] => return Err(Cause::Info(format!("has `{key} = {value}`"))),
                [] => return Err(Cause::Info(format!("has no `{key}`"))),
                _ => return Err(Cause::Info(format!("has `{key}` more than once"))),
            }
        }
        Ok(info)
    }

    /// A field that comes once: the first of them.
    pub fn field(&self, key: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str())
    }

    /// All values of a field, in their order.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(found, _)| found == key).map(|(_, value)| value.as_str())
    }

    /// The package's name.
    pub fn name(&self) -> &str {
        self.field("pkgname").unwrap_or_default()
    }

    /// The package's version: `epoch:version-release`.
    pub fn version(&self) -> &str {
        self.field("pkgver").unwrap_or_default()
    }

    /// The package's architecture: `x86_64` or `any`.
    pub fn architecture(&self) -> &str {
        self.field("arch").unwrap_or_default()
    }
}

/// alpm-package-name(7).
fn is_name(name: &str) -> bool {
    !name.starts_with(['-', '.']) && is_word(name, "@._+-")
}

/// alpm-package-version(7): the release is always there.
fn is_version(version: &str) -> bool {
    version.contains('-') && !version.starts_with(['-', '.']) && is_word(version, ":._+~-")
}

fn is_architecture(architecture: &str) -> bool {
    is_word(architecture, "_")
}

fn is_word(word: &str, others: &str) -> bool {
    !word.is_empty()
        && word.len() <= 200
        && word.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_their_order() {
        let text = "# made by makepkg\npkgname = a\npkgver = 1:2.0-1\narch = any\n\
                    depend = b>=2\ndepend = c=1=2\n\n";
        let info = PackageInfo::read(text).unwrap();
        assert_eq!((info.name(), info.version(), info.architecture()), ("a", "1:2.0-1", "any"));
        assert_eq!(info.all("depend").collect::<Vec<_>>(), ["b>=2", "c=1=2"]);
        assert_eq!(info.field("url"), None);
    }

    #[test]
    fn names_that_could_lead_elsewhere_are_refused() {
        for (name, version, architecture) in [
            ("../a", "1-1", "any"),
            ("-a", "1-1", "any"),
            (".a", "1-1", "any"),
            ("", "1-1", "any"),
            ("a", "1/2-1", "any"),
            ("a", "1", "any"),
            ("a", "1-1", "../any"),
        ] {
            let text = format!("pkgname = {name}\npkgver = {version}\narch = {architecture}\n");
            assert!(PackageInfo::read(&text).is_err(), "{text}");
        }
        assert!(PackageInfo::read("pkgname = a\npkgver = 1-1\n").is_err());
        assert!(PackageInfo::read("pkgname = a\npkgname = b\npkgver = 1-1\narch = any").is_err());
        assert!(PackageInfo::read("pkgname = a\npkgver = 1-1\narch = any\nwhat").is_err());
    }
}
