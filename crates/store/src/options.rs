//! How a store is opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::proxy::Proxies;
use crate::roots::Certificates;
use crate::source::Mirrors;
use crate::{Error, Result, apt, config};

/// Base URLs of the archives that keep every day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dated {
    /// Below it: `<archive>/<YYYYMMDD>T<HHMMSS>Z/<path>`.
    pub debian: Option<String>,
    /// Below it: `repos/<YYYY>/<MM>/<DD>/<path>` and `packages/<initial>/<name>/<file>`.
    pub archlinux: Option<String>,
}

impl Dated {
    /// The public archives.
    pub fn public() -> Self {
        Self {
            debian: Some("https://snapshot.debian.org/archive".to_owned()),
            archlinux: Some("https://archive.archlinux.org".to_owned()),
        }
    }
}

/// Where files are kept, where they come from, and how patiently.
#[derive(Clone, Debug)]
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
        if let Some(path) = config_path() {
            options.mirrors = config::read(&path)?;
        }
        options.mirrors.append(&Mirrors::of_apt(&apt::read(Path::new("/etc/apt"))));
        options.dated = Dated::public();
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
    folder("HEIRLOOM_CACHE", "XDG_CACHE_HOME", ".cache").ok_or(Error::NoHome)
}

fn config_path() -> Option<PathBuf> {
    match std::env::var_os("HEIRLOOM_CONFIG").filter(|value| !value.is_empty()) {
        Some(path) => Some(path.into()),
        None => folder("", "XDG_CONFIG_HOME", ".config").map(|folder| folder.join("config.toml")),
    }
}

/// XDG Base Directory Specification: relative paths and empty values count as unset.
fn folder(own: &str, xdg: &str, below_home: &str) -> Option<PathBuf> {
    let variable = |name: &str| {
        let value = PathBuf::from(std::env::var_os(name)?);
        (!value.as_os_str().is_empty()).then_some(value)
    };
    if !own.is_empty()
        && let Some(path) = variable(own)
    {
        return std::path::absolute(path).ok();
    }
    let xdg = variable(xdg).filter(|path| path.is_absolute());
    let base = xdg.or_else(|| variable("HOME").map(|home| home.join(below_home)))?;
    Some(base.join("heirloom"))
}
