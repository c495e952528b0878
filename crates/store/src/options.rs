//! How a store is opened.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::proxy::Proxies;
use crate::roots::Certificates;
use crate::source::Mirrors;
use crate::{Error, Result, apt, config};

/// Base URLs of the archives that keep every day, in the order in which they are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dated {
    /// Below each: `<archive>/<YYYYMMDD>T<HHMMSS>Z/<path>`.
    pub debian: Vec<String>,
    /// Below each: `repos/<YYYY>/<MM>/<DD>/<path>` and `packages/<initial>/<name>/<file>`.
    pub archlinux: Vec<String>,
}

impl Dated {
    /// The public archives.
    pub fn public() -> Self {
        Self {
            debian: vec!["https://snapshot.debian.org/archive".to_owned()],
            archlinux: vec!["https://archive.archlinux.org".to_owned()],
        }
    }

    /// Adds all of `other` behind these.
    fn append(&mut self, mut other: Self) {
        self.debian.append(&mut other.debian);
        self.archlinux.append(&mut other.archlinux);
    }
}

/// Where files are kept, where they come from, and how patiently. Another process of the same
/// command is sent them whole: they may have passwords of proxies.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// The cache folder: the store is `store/` in it.
    pub cache: PathBuf,
    /// Whether the network is left alone.
    pub offline: bool,
    /// Folders made by [`vault::make`](crate::vault::make), asked first.
    pub vaults: Vec<PathBuf>,
    /// The archives that keep every day, asked last.
    pub dated: Dated,
    /// How many files are downloaded at a time. Servers stall at 16 and more.
    pub connections: usize,
    /// How long a server may say nothing.
    pub patience: Duration,
    /// How long to wait before the second try; doubled for each further one.
    pub pause: Duration,
    pub(crate) mirrors: Mirrors,
    pub(crate) proxies: Proxies,
    pub(crate) certificates: Certificates,
}

impl Options {
    /// What the environment, the user's configuration and the host's apt say: HEIRLOOM_CACHE,
    /// HEIRLOOM_CONFIG (else `heirloom/config.toml` in XDG_CONFIG_HOME or `~/.config`),
    /// `/etc/apt`, http_proxy and its kin, SSL_CERT_FILE, SSL_CERT_DIR.
    ///
    /// # Errors
    /// When there is no cache folder, or the configuration or a proxy address cannot be understood.
    pub fn from_environment() -> Result<Self> {
        let mut options = Self::bare(cache_dir()?);
        if let Some(path) = config_path_of(&of_process) {
            (options.mirrors, options.dated) = config::read(&path)?;
        }
        options.mirrors.append(&Mirrors::of_apt(&apt::read(Path::new("/etc/apt"))));
        options.dated.append(Dated::public());
        options = options.environment(|name| std::env::var(name).ok())?;
        Ok(options)
    }

    /// A store in `cache` that knows no sources: what tests start from.
    pub fn bare(cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            offline: false,
            vaults: Vec::new(),
            dated: Dated::default(),
            connections: 8,
            patience: Duration::from_secs(30),
            pause: Duration::from_secs(1),
            mirrors: Mirrors::default(),
            proxies: Proxies::default(),
            certificates: Certificates::default(),
        }
    }

    /// Adds a mirror, behind those there are. `archive` as in [`Item::archive`](crate::Item);
    /// `url` of the archive's root, `http`, `https` or `file`.
    pub fn mirror(mut self, archive: &str, url: &str) -> Self {
        self.mirrors.add(archive, url);
        self
    }

    /// Adds a vault, behind those there are.
    pub fn vault(mut self, folder: impl Into<PathBuf>) -> Self {
        self.vaults.push(folder.into());
        self
    }

    /// Whether the network is left alone.
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Asks the public dated archives last.
    pub fn dated_archives(mut self) -> Self {
        self.dated = Dated::public();
        self
    }

    /// Takes proxies and certificates from variables as `variable` gives them.
    ///
    /// # Errors
    /// When a proxy address cannot be understood.
    pub fn environment(mut self, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        self.proxies = Proxies::from_variables(&variable)?;
        self.certificates = Certificates::from_variables(&variable);
        Ok(self)
    }
}

/// The cache folder: `$HEIRLOOM_CACHE`, `$XDG_CACHE_HOME/heirloom` or `~/.cache/heirloom`.
///
/// # Errors
/// When none of the three variables is set.
pub fn cache_dir() -> Result<PathBuf> {
    cache_dir_of(&of_process).ok_or(Error::NoHome)
}

fn of_process(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn cache_dir_of(variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    named(variable, "HEIRLOOM_CACHE").or_else(|| folder(variable, "XDG_CACHE_HOME", ".cache"))
}

fn config_path_of(variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    named(variable, "HEIRLOOM_CONFIG").or_else(|| {
        folder(variable, "XDG_CONFIG_HOME", ".config").map(|folder| folder.join("config.toml"))
    })
}

/// A path that is given for Heirloom alone, where it is relative, from the working directory.
fn named(variable: &impl Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    std::path::absolute(variable(name)?).ok()
}

/// XDG Base Directory Specification: relative paths and empty values count as unset.
fn folder(
    variable: &impl Fn(&str) -> Option<OsString>,
    xdg: &str,
    below_home: &str,
) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(xdg).or_else(|| absolute("HOME").map(|home| home.join(below_home)))?;
    Some(base.join("heirloom"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(variables: &[(&str, &str)]) -> Option<PathBuf> {
        cache_dir_of(&|name| variables.iter().find(|(key, _)| *key == name).map(|(_, v)| v.into()))
    }

    #[test]
    fn heirloom_s_own_variable_wins_over_xdg_and_xdg_over_home() {
        let home = ("HOME", "/home/a");
        let xdg = ("XDG_CACHE_HOME", "/var/cache/a");
        let own = ("HEIRLOOM_CACHE", "/big/disk");
        assert_eq!(cache(&[home]), Some("/home/a/.cache/heirloom".into()));
        assert_eq!(cache(&[home, xdg]), Some("/var/cache/a/heirloom".into()));
        assert_eq!(cache(&[home, xdg, own]), Some("/big/disk".into()));
    }

    #[test]
    fn what_is_empty_or_relative_counts_as_unset() {
        let unset = [("HEIRLOOM_CACHE", ""), ("XDG_CACHE_HOME", "cache"), ("HOME", "/home/a")];
        assert_eq!(cache(&unset), Some("/home/a/.cache/heirloom".into()));
        assert_eq!(cache(&[("HOME", "")]), None);
    }

    #[test]
    fn the_configuration_lies_where_xdg_says() {
        let of = |variables: &'static [(&str, &str)]| {
            config_path_of(&|name| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, v)| v.into())
            })
        };
        assert_eq!(of(&[("HOME", "/h")]), Some("/h/.config/heirloom/config.toml".into()));
        assert_eq!(of(&[("HEIRLOOM_CONFIG", "/c.toml")]), Some("/c.toml".into()));
    }
}
