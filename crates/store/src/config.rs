//! The user's configuration of mirrors: `~/.config/heirloom/config.toml`.
//!
//! ```toml
//! [mirrors]
//! debian = ["http://ftp.de.debian.org/debian"]
//! debian-security = ["http://security.debian.org/debian-security"]
//! archlinux = ["https://geo.mirror.pkgbuild.com"]
//! ```
//!
//! A mirror is an `http`, `https` or `file` URL of an archive's root: the folder that holds `dists`
//! and `pool` of Debian, or `core` and `extra` of Arch. Mirrors are asked in the order in which
//! they stand here.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use crate::source::{Mirrors, location};
use crate::{Error, Result};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    mirrors: Section,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Section {
    #[serde(default)]
    debian: Vec<String>,
    #[serde(default)]
    debian_security: Vec<String>,
    #[serde(default)]
    archlinux: Vec<String>,
}

/// The mirrors that `path` names; none when there is no such file.
pub(crate) fn read(path: &Path) -> Result<Mirrors> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Mirrors::default()),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

fn parse(text: &str, path: &Path) -> Result<Mirrors> {
    let file: File = toml::from_str(text)
        .map_err(|source| Error::Config { path: path.to_owned(), source: Box::new(source) })?;
    let Section { debian, debian_security, archlinux } = file.mirrors;
    let sections =
        [("debian", debian), ("debian-security", debian_security), ("archlinux", archlinux)];
    let mut mirrors = Mirrors::default();
    for (archive, urls) in sections {
        for url in urls {
            if let Err(why) = location(&url) {
                return Err(Error::Mirror { path: path.to_owned(), url, why });
            }
            mirrors.add(archive, &url);
        }
    }
    Ok(mirrors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> Result<Mirrors> {
        parse(text, Path::new("config.toml"))
    }

    #[test]
    fn mirrors_keep_their_order_and_lose_their_trailing_slash() {
        let mirrors = parse_text(
            "[mirrors]\ndebian = ['http://b/debian/', 'https://a/debian']\narchlinux = ['file:///srv/arch']\n",
        )
        .unwrap();
        assert_eq!(mirrors.of("debian"), ["http://b/debian", "https://a/debian"]);
        assert_eq!(mirrors.of("archlinux"), ["file:///srv/arch"]);
        assert!(mirrors.of("debian-security").is_empty());
    }

    #[test]
    fn a_file_that_is_not_there_names_no_mirrors() {
        assert!(read(Path::new("/nonexistent/config.toml")).unwrap().of("debian").is_empty());
    }

    #[test]
    fn a_misspelt_archive_or_key_is_an_error_with_its_line() {
        for text in ["[mirrors]\ndebain = []\n", "mirror = 1\n", "[mirrors]\ndebian = 'http://a'\n"]
        {
            let error = parse_text(text).unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(cause.contains("line"), "{cause}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn what_is_no_url_of_a_mirror_is_an_error() {
        for url in
            ["ftp.de.debian.org", "ftp://a/debian", "http://", "file:relative", "http://a/x?y"]
        {
            let error = parse_text(&format!("[mirrors]\ndebian = ['{url}']\n")).unwrap_err();
            assert!(error.to_string().contains(url), "{error}");
        }
    }
}
