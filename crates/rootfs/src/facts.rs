//! What later stages need to know of a package tree.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::accounts::Accounts;
use crate::error::Error;
use crate::ids::Ids;
use crate::secrets::Secret;
use crate::tarball::{Header, Kind};

/// `facts.json`, beside `tree.tar` and `paths.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The ids that users and groups have in `tree.tar`.
    pub ids: Ids,
    /// The account files of `tree.tar`.
    pub accounts: Accounts,
    /// The kernel, if the tree has one; the newest if it has several.
    pub kernel: Option<Kernel>,
    /// Bytes of all files.
    pub installed_size: u64,
    /// How many packages are installed.
    pub packages: u64,
    /// Secrets that packages' scripts made: what a package brings is public.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
}

/// A kernel in the tree. Paths are relative to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// As `uname -r` says it.
    pub version: String,
    /// The bootable image.
    pub vmlinuz: String,
    /// The modules, with `modules.dep`.
    pub modules: String,
}

impl Facts {
    /// Reads `facts.json`.
    pub fn read(path: &Path) -> Result<Self, Error> {
        read_json(path)
    }

    /// Writes `facts.json`.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        write_json(path, self)
    }
}

/// The newest kernel among the paths of a tree: an image in `boot` (Debian) or beside the modules
/// (Arch), with a directory of modules.
pub(crate) fn kernel(headers: &[Header]) -> Option<Kernel> {
    let paths: Vec<&str> = headers
        .iter()
        .filter(|header| !matches!(header.kind, Kind::Symlink(_)))
        .filter_map(|header| std::str::from_utf8(&header.path).ok())
        .collect();
    let has = |path: &str| paths.binary_search(&path).is_ok();
    let versions = paths.iter().filter_map(|path| {
        let version = path.strip_prefix("usr/lib/modules/")?;
        (!version.contains('/')).then_some(version)
    });
    let kernels = versions.filter_map(|version| {
        let modules = format!("usr/lib/modules/{version}");
        let images = [format!("boot/vmlinuz-{version}"), format!("{modules}/vmlinuz")];
        let vmlinuz = images.into_iter().find(|image| has(image))?;
        Some(Kernel { version: version.to_owned(), vmlinuz, modules })
    });
    kernels.max_by(|one, other| numbers(&one.version).cmp(&numbers(&other.version)))
}

/// The numbers in a version, which order kernels: 6.12.9 before 6.12.10.
fn numbers(version: &str) -> (Vec<u64>, &str) {
    let numbers = version.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok());
    (numbers.collect(), version)
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    let bytes = fs::read(path).map_err(read)?;
    serde_json::from_slice(&bytes).map_err(|error| read(error.into()))
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let write = |source| Error::Write { path: path.to_owned(), source };
    let mut file = BufWriter::new(fs::File::create(path).map_err(write)?);
    serde_json::to_writer(&mut file, value).map_err(|error| write(error.into()))?;
    file.write_all(b"\n").and_then(|()| file.flush()).map_err(write)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> Vec<Header> {
        let mut headers: Vec<Header> =
            paths.iter().map(|path| Header::new(*path, Kind::File(1), 0o644, 0)).collect();
        headers.sort_by(|one, other| one.path.cmp(&other.path));
        headers
    }

    #[test]
    fn the_newest_kernel_that_has_an_image_and_modules_is_taken() {
        let headers = tree(&[
            "boot/vmlinuz-6.12.9-amd64",
            "boot/vmlinuz-6.12.10-amd64",
            "boot/vmlinuz-7.0-amd64",
            "usr/lib/modules/6.12.9-amd64",
            "usr/lib/modules/6.12.10-amd64",
            "usr/lib/modules/6.12.10-amd64/modules.dep",
            "usr/lib/modules/8.0-amd64",
        ]);
        let kernel = kernel(&headers).unwrap();
        assert_eq!(kernel.version, "6.12.10-amd64");
        assert_eq!(kernel.vmlinuz, "boot/vmlinuz-6.12.10-amd64");
        assert_eq!(kernel.modules, "usr/lib/modules/6.12.10-amd64");
    }

    #[test]
    fn an_image_beside_its_modules_is_found() {
        let headers =
            tree(&["usr/lib/modules/6.9.1-arch1-1", "usr/lib/modules/6.9.1-arch1-1/vmlinuz"]);
        assert_eq!(kernel(&headers).unwrap().vmlinuz, "usr/lib/modules/6.9.1-arch1-1/vmlinuz");
        assert_eq!(kernel(&tree(&["etc/passwd"])), None);
    }
}
