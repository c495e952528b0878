//! Files beside a definition that it names: packages of one's own, keys.
//!
//! They are data of a repository and hostile until checked: a path stays below the directory of its
//! part, and no symlink is followed on the way.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use digest::Digest;
use serde::{Deserialize, Serialize};

use crate::names::{Refused, checked_text, shown};
use crate::span::Located;
use crate::{DistributionName, Error, Ignored, Origin, PartName, Problem, read};

checked_text! {
    /// A path below the directory of a part, of plain characters: it is written into locks.
    BesidePath, check_beside
}

fn check_beside(text: &str) -> Result<(), Refused> {
    let hint = "a path below the directory of this file; as in `pkgs/own_1.0_all.deb`";
    let allowed = |c: &char| c.is_ascii_alphanumeric() || "-._~+:@/".contains(*c);
    if let Some(wrong) = text.chars().find(|c| !allowed(c)) {
        return Err(Refused::new(format!("has {}", shown(wrong)), hint));
    }
    if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(Refused::new("does not stay below the directory of this file", hint));
    }
    match text.len() <= 255 {
        true => Ok(()),
        false => Err(Refused::new("is longer than 255 characters", hint)),
    }
}

/// A package file beside a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnFile {
    /// Its path below the directory of its part.
    pub name: BesidePath,
    /// The same for people: relative to the workspace where it lies in it.
    pub path: PathBuf,
    /// Where it lies.
    pub source: PathBuf,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// How many those are.
    pub size: u64,
    /// The part that names it.
    pub part: PartName,
    /// Where it is named.
    pub origin: Origin,
}

/// The paths of a list.
pub(crate) fn read_files(value: &read::Value<'_, '_>) -> Vec<Located<BesidePath>> {
    value.texts().unwrap_or_default()
}

/// No package file is larger than what a lock may say.
const LARGEST: u64 = 16 << 30;

/// How package files of a distribution end, and begin.
fn is_package(distribution: DistributionName, name: &str, start: &[u8]) -> Result<(), String> {
    let (ends, begins): (&[&str], &[&[u8]]) = match distribution {
        DistributionName::Debian => (&[".deb"], &[b"!<arch>\ndebian-binary"]),
        // zstd, xz, gzip (pacman's PKGEXT).
        DistributionName::Arch => (
            &[".pkg.tar.zst", ".pkg.tar.xz", ".pkg.tar.gz"],
            &[b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"\x1f\x8b"],
        ),
    };
    let what = match distribution {
        DistributionName::Debian => "a package of Debian (.deb)",
        DistributionName::Arch => "a package of Arch (.pkg.tar.zst, .pkg.tar.xz)",
    };
    let named = ends.iter().any(|end| name.ends_with(end));
    match named && begins.iter().any(|begin| start.starts_with(begin)) {
        true => Ok(()),
        false => Err(what.to_owned()),
    }
}

/// Reads the package files `files` of the part `part`, for a server of `distribution`.
pub(crate) fn read(
    files: &[Located<BesidePath>],
    distribution: DistributionName,
    (part, dir): (&PartName, &Path),
    shown: &dyn Fn(&Path) -> PathBuf,
    ignored: &Ignored,
    problems: &mut Vec<Problem>,
) -> Result<Vec<OwnFile>, Error> {
    let mut own = Vec::new();
    for file in files {
        let source = match beside(dir, file, LARGEST, ignored)? {
            Ok(source) => source,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let failed = |error: io::Error| Error::read(&source, error);
        let mut opened = File::open(&source).map_err(failed)?;
        let mut start = Vec::new();
        opened.by_ref().take(64).read_to_end(&mut start).map_err(failed)?;
        if let Err(what) = is_package(distribution, file.value.as_str(), &start) {
            let message = format!("`{}` is not {what}", file.value);
            let hint = format!(
                "`files` of [packages] are for every distribution: [packages.{distribution}] is for \
                 this one"
            );
            problems.push(Problem::new(&file.origin, message).hint(hint));
            continue;
        }
        let opened = File::open(&source).map_err(failed)?;
        let (sha256, size) = Digest::of_reader(opened).map_err(failed)?;
        let (path, part, origin) = (shown(&source), part.clone(), file.origin.clone());
        let name = file.value.clone();
        own.push(OwnFile { name, path, source, sha256, size, part, origin });
    }
    Ok(own)
}

/// The file at `path` below `dir`, or what is wrong with it.
pub(crate) fn beside(
    dir: &Path,
    path: &Located<BesidePath>,
    largest: u64,
    ignored: &Ignored,
) -> Result<Result<PathBuf, Problem>, Error> {
    let wrong = |message: String, hint: &str| {
        Ok(Err(Problem::new(&path.origin, message).hint(hint.to_owned())))
    };
    let mut at = dir.to_owned();
    let mut parts = path.value.as_str().split('/').peekable();
    while let Some(part) = parts.next() {
        at.push(part);
        let metadata = match fs::symlink_metadata(&at) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message = format!("there is no file `{}` beside this one", path.value);
                return wrong(message, "the path is relative to the directory of this file");
            }
            Err(error) => return Err(Error::read(&at, error)),
        };
        if metadata.is_symlink() {
            let message = format!("`{}` leads over a symlink", path.value);
            return wrong(message, "copy the file to where the link is: links are not followed");
        }
        let last = parts.peek().is_none();
        if last != metadata.is_file() {
            let message = format!("`{}` is not a file", path.value);
            return wrong(message, "name a file, below the directory of this one");
        }
        if last && (metadata.len() == 0 || metadata.len() > largest) {
            let message = format!("`{}` has {} bytes", path.value, metadata.len());
            return wrong(message, "that is no file of its kind");
        }
    }
    if ignored.has(&at) {
        let message = format!("git ignores `{}`", path.value);
        return wrong(message, "nobody else has it: `git add --force` it, or keep it elsewhere");
    }
    Ok(Ok(at))
}
