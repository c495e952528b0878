//! The list of a release: which packages are measured, alone or in groups.
//!
//! ```toml
//! suite = "bookworm"
//! date = "2026-11-22"        # the day of the archive
//!
//! [rows.databases]
//! install = ["mariadb-server", "postgresql"]
//! debconf = { "postfix/main_mailer_type" = "No configuration" } # where questions have to be answered
//! unbooted = { "chrony" = "conflicts with the role base" } # not on the server that is booted
//! fails = { "apache2.service" = "nginx has its port" } # on any Debian, however it was installed
//! ```
//!
//! Packages of a row do not conflict. Rows are measured in the order of the file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::civil::Date;
use lock::debian::{Request, Wanted};
use serde::Deserialize;

use crate::Error;

/// A release, and what is measured of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The release: `bookworm`.
    pub suite: String,
    /// The day of the archive.
    pub date: Date,
    /// The rows, in the order of the file.
    pub rows: toml::map::Map<String, toml::Value>,
    /// The same, read.
    #[serde(skip)]
    pub parsed: Vec<(String, Row)>,
}

/// Packages that are installed together.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Their names.
    pub install: Vec<String>,
    /// Answers to debconf's questions.
    #[serde(default)]
    pub debconf: BTreeMap<String, String>,
    /// Units that fail at the first boot of any Debian with these packages, and why.
    #[serde(default)]
    pub fails: BTreeMap<String, String>,
    /// Packages that cannot be on the server that is booted, and why: they conflict with what its
    /// roles install.
    #[serde(default)]
    pub unbooted: BTreeMap<String, String>,
}

impl List {
    /// Reads a list.
    ///
    /// # Errors
    /// When it cannot be read, has not this form, or names a package twice.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(&text, path)
    }

    /// Reads the text of the list at `path`.
    ///
    /// # Errors
    /// Those of [`List::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let form = |source| Error::Form { path: path.to_owned(), source };
        let mut list: Self = toml::from_str(text).map_err(form)?;
        let mut seen = BTreeMap::new();
        for (name, value) in &list.rows {
            let row: Row = value.clone().try_into().map_err(form)?;
            let wrong = |why| Error::Package { path: path.to_owned(), row: name.clone(), why };
            for package in &row.install {
                package.parse::<Wanted>().map_err(|error| wrong(error.to_string()))?;
                if let Some(other) = seen.insert(package.clone(), name.clone()) {
                    return Err(wrong(format!("`{package}` is in row `{other}` too")));
                }
            }
            if row.install.is_empty() {
                return Err(wrong("it installs nothing".to_owned()));
            }
            list.parsed.push((name.clone(), row));
        }
        Ok(list)
    }

    /// What is asked of the archive for a row.
    pub fn request(&self, row: &Row, architecture: &str, recommends: bool) -> Request {
        let install = row.install.iter().filter_map(|name| name.parse().ok()).collect();
        Request {
            pockets: Vec::new(),
            install,
            recommends,
            ..Request::new(&self.suite, architecture, self.date)
        }
    }

    /// How many packages it names.
    pub fn packages(&self) -> usize {
        self.parsed.iter().map(|(_, row)| row.install.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rows: &str) -> Result<List, Error> {
        let text = format!("suite = \"bookworm\"\ndate = \"2026-11-22\"\n{rows}");
        List::parse(&text, Path::new("list.toml"))
    }

    #[test]
    fn rows_keep_their_order_and_their_answers() {
        let list = parse(
            "[rows.web]\ninstall = [\"nginx\"]\n[rows.mail]\ninstall = [\"postfix\"]\n\
             debconf = { \"postfix/main_mailer_type\" = \"No configuration\" }\n",
        )
        .unwrap();
        let names: Vec<_> = list.parsed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["web", "mail"]);
        assert_eq!(list.parsed[1].1.debconf["postfix/main_mailer_type"], "No configuration");
        let request = list.request(&list.parsed[0].1, "amd64", true);
        assert!(request.recommends && request.essential);
    }

    #[test]
    fn a_package_is_measured_once_and_every_key_is_known() {
        let twice = "[rows.a]\ninstall = [\"nginx\"]\n[rows.b]\ninstall = [\"nginx\"]\n";
        assert!(parse(twice).unwrap_err().to_string().contains("in row `a` too"));
        assert!(parse("[rows.a]\ninstal = [\"nginx\"]\n").is_err());
        assert!(parse("[rows.a]\ninstall = [\"../x\"]\n").is_err());
        assert!(parse("[rows.a]\ninstall = []\n").is_err());
    }

    #[test]
    fn the_lists_name_at_least_150_packages_each() {
        let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("lists");
        for name in ["bookworm", "trixie"] {
            let list = List::read(&lists.join(format!("{name}.toml"))).unwrap();
            assert_eq!(list.suite, name);
            assert!(list.packages() >= 150, "{name}: {}", list.packages());
        }
    }
}
