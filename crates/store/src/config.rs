//! The user's configuration of mirrors: `~/.config/heirloom/config.toml`.
//!
//! ```toml
//! [mirrors]
//! debian = ["http://ftp.de.debian.org/debian"]
//! debian-security = ["http://security.debian.org/debian-security"]
//! archlinux = ["https://geo.mirror.pkgbuild.com"]
//!
//! [dated]
//! archlinux = ["https://arch-archive.example.org"]
//! ```
//!
//! A mirror is an `http`, `https` or `file` URL of an archive's root: the folder that holds `dists`
//! and `pool` of Debian, or `core` and `extra` of Arch. Mirrors are asked in the order in which
//! they stand here. What `[dated]` names has every day, laid out as the public dated archive, which is
//! asked after it.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use crate::options::Dated;
use crate::source::{Mirrors, location};
use crate::{Error, Result};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    mirrors: Section,
    #[serde(default)]
    dated: DatedSection,
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

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DatedSection {
    #[serde(default)]
    debian: Vec<String>,
    #[serde(default)]
    archlinux: Vec<String>,
}

/// The mirrors and the dated archives that `path` names; none when there is no such file.
pub(crate) fn read(path: &Path) -> Result<(Mirrors, Dated)> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(<_>::default()),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

fn parse(text: &str, path: &Path) -> Result<(Mirrors, Dated)> {
    let file: File = toml::from_str(text)
        .map_err(|source| Error::Config { path: path.to_owned(), source: Box::new(source) })?;
    let Section { debian, debian_security, archlinux } = file.mirrors;
    let sections =
        [("debian", debian), ("debian-security", debian_security), ("archlinux", archlinux)];
    let checked = |url: String| match location(&url) {
        Ok(_) => Ok(url.trim_end_matches('/').to_owned()),
        Err(why) => Err(Error::Mirror { path: path.to_owned(), url, why }),
    };
    let mut mirrors = Mirrors::default();
    for (archive, urls) in sections {
        for url in urls {
            mirrors.add(archive, &checked(url)?);
        }
    }
    let all = |urls: Vec<String>| urls.into_iter().map(checked).collect::<Result<_>>();
    let DatedSection { debian, archlinux } = file.dated;
    Ok((mirrors, Dated { debian: all(debian)?, archlinux: all(archlinux)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> Result<(Mirrors, Dated)> {
        parse(text, Path::new("config.toml"))
    }

    #[test]
    fn mirrors_keep_their_order_and_lose_their_trailing_slash() {
        let (mirrors, _) = parse_text(
            "[mirrors]\ndebian = ['http://b/debian/', 'https://a/debian']\narchlinux = ['file:///srv/arch']\n",
        )
        .unwrap();
        assert_eq!(mirrors.of("debian"), ["http://b/debian", "https://a/debian"]);
        assert_eq!(mirrors.of("archlinux"), ["file:///srv/arch"]);
        assert!(mirrors.of("debian-security").is_empty());
    }

    #[test]
    fn a_file_that_is_not_there_names_no_mirrors() {
        let (mirrors, dated) = read(Path::new("/nonexistent/config.toml")).unwrap();
        assert!(mirrors.of("debian").is_empty());
        assert_eq!(dated, Dated::default());
    }

    #[test]
    fn further_dated_archives_have_a_section_of_their_own() {
        let (_, dated) = parse_text("[dated]\narchlinux = ['http://a/', 'http://b']\n").unwrap();
        assert_eq!(dated.archlinux, ["http://a", "http://b"]);
        assert!(dated.debian.is_empty());
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
            for section in ["mirrors", "dated"] {
                let text = format!("[{section}]\ndebian = ['{url}']\n");
                let error = parse_text(&text).unwrap_err();
                assert!(error.to_string().contains(url), "{error}");
            }
        }
    }
}
