//! pacman.conf: which repositories, and since when (pacman.conf(5)).

use std::path::Path;

use jiff::civil::{Date, date};

use super::report::{Left, Report, place};
use super::text::Text;
use crate::Origin;

/// The repositories of Arch's archive by date, past and present.
const OFFICIAL: [&str; 12] = [
    "core",
    "extra",
    "multilib",
    "core-testing",
    "extra-testing",
    "multilib-testing",
    "core-staging",
    "extra-staging",
    "multilib-staging",
    "community",
    "testing",
    "community-testing",
];

/// Where `community` went, and when.
const MERGED: (&str, Date) = ("community", date(2023, 5, 22));

/// Where a server's address says which day of the archive it is.
const ARCHIVE: &str = "://archive.archlinux.org/repos/";

/// Options that change what a system consists of, and what takes their place.
const OPTIONS: [(&str, &str); 5] = [
    ("NoExtract", "packages are installed whole: leave files out by other packages"),
    ("NoUpgrade", "files of rootfs/ take the place of the packages' always"),
    ("IgnorePkg", "`cargo xtask pin` holds a package at a version"),
    ("IgnoreGroup", "`cargo xtask pin` holds a package at a version"),
    ("Include", "the file is not read: repositories in it are to be named in server.toml"),
];

/// What a server needs of it.
#[derive(Debug, Default)]
pub(super) struct PacmanConf {
    /// The repositories that the archive has, in order.
    pub(super) repositories: Vec<String>,
    /// The day that a server's address names.
    pub(super) date: Option<Date>,
}

/// Reads the configuration of the profile in `root`.
pub(super) fn read(text: &Text, root: &Path, report: &mut Report) -> PacmanConf {
    let mut conf = PacmanConf::default();
    let mut section = String::new();
    for (span, line) in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let origin = text.origin(span);
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.trim().to_owned();
            if section != "options" {
                conf.repository(&section, &origin, root, report);
            }
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        let (key, value) = (key.trim(), value.trim());
        if section == "options" {
            option(key, &origin, root, report);
        } else if OFFICIAL.contains(&section.as_str()) && key == "Server" {
            conf.date = conf.date.or_else(|| archived(value));
        }
    }
    conf
}

impl PacmanConf {
    fn repository(&mut self, name: &str, origin: &Origin, root: &Path, report: &mut Report) {
        if !OFFICIAL.contains(&name) {
            let message = format!(
                "[{}] is no repository of Arch's archive: leave its packages out of server.toml, \
                 or take them from another",
                name.escape_debug()
            );
            report.decide(place(root, origin), message);
        } else if !self.repositories.iter().any(|known| known == name) {
            self.repositories.push(name.to_owned());
        }
    }

    /// Takes out a repository that is no more at this date.
    pub(super) fn as_of(&mut self, date: Date, conf: &str, report: &mut Report) {
        let (name, end) = MERGED;
        if date < end || !self.repositories.iter().any(|known| known == name) {
            return;
        }
        self.repositories.retain(|known| known != name);
        report.left(
            Left::Pacman,
            format!("[{name}], a part of extra since {end}"),
            Some(conf.to_owned()),
        );
    }
}

fn option(key: &str, origin: &Origin, root: &Path, report: &mut Report) {
    match OPTIONS.iter().find(|(name, _)| *name == key) {
        Some((_, instead)) => report.decide(place(root, origin), format!("{key}: {instead}")),
        None => {
            report.left(Left::Pacman, key.escape_debug().to_string(), Some(place(root, origin)))
        }
    }
}

/// The day in an address of the archive: `https://archive.archlinux.org/repos/2026/11/01/...`.
fn archived(server: &str) -> Option<Date> {
    let (_, rest) = server.split_once(ARCHIVE)?;
    let mut parts = rest.split('/');
    let mut next = |digits: usize| {
        let part = parts.next().filter(|part| part.len() == digits)?;
        part.parse::<i16>().ok()
    };
    let (year, month, day) = (next(4)?, next(2)?, next(2)?);
    Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (PacmanConf, Report) {
        let mut report = Report::default();
        (read(&Text::of(text), Path::new(""), &mut report), report)
    }

    #[test]
    fn repositories_are_those_of_the_archive_in_their_order() {
        let (mut conf, mut report) = parsed(
            "[options]\nColor\nIgnorePkg = x\n#[multilib]\n[extra]\nInclude = /x\n[core]\n[mine]\n\
             Server = file:///x\n[community]\n[core]\n",
        );
        assert_eq!(conf.repositories, ["extra", "core", "community"]);
        assert!(report.to_decide.iter().any(|d| d.place == "file:8" && d.message.contains("mine")));
        assert!(report.to_decide.iter().any(|d| d.place == "file:3"));
        conf.as_of(date(2023, 5, 21), "pacman.conf", &mut report);
        assert_eq!(conf.repositories.len(), 3);
        conf.as_of(date(2023, 5, 22), "pacman.conf", &mut report);
        assert_eq!(conf.repositories, ["extra", "core"]);
    }

    #[test]
    fn an_address_of_the_archive_says_the_day() {
        let server = |address: &str| parsed(&format!("[core]\nServer = {address}\n")).0.date;
        let day = server("https://archive.archlinux.org/repos/2026/11/01/$repo/os/$arch");
        assert_eq!(day, Some(date(2026, 11, 1)));
        for none in [
            "https://mirror.example.org/$repo",
            "https://archive.archlinux.org/repos/last/$repo",
            "https://archive.archlinux.org/repos/2026/13/01/x",
            "",
        ] {
            assert_eq!(server(none), None, "{none}");
        }
        // Of another's repository it says nothing.
        let (conf, _) = parsed("[x]\nServer = https://archive.archlinux.org/repos/2026/11/01/x\n");
        assert_eq!(conf.date, None);
    }
}
