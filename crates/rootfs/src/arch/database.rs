//! The one repository that pacman installs from: exactly the locked packages, described in the form
//! of repo-add(8).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use unpack::PackageInfo;

use super::installed::DATABASE;
use super::survey::Surveyed;
use crate::error::Error;
use crate::tarball::{Header, Kind, Writer};

/// What the repository is called.
pub(super) const REPOSITORY: &str = "heirloom";

/// The fields of a description that come from `.PKGINFO`, in repo-add's order: before and behind
/// those of the file itself.
const BEFORE: [(&str, &str); 5] = [
    ("NAME", "pkgname"),
    ("BASE", "pkgbase"),
    ("VERSION", "pkgver"),
    ("DESC", "pkgdesc"),
    ("GROUPS", "group"),
];
const BEHIND: [(&str, &str); 10] = [
    ("URL", "url"),
    ("LICENSE", "license"),
    ("ARCH", "arch"),
    ("BUILDDATE", "builddate"),
    ("PACKAGER", "packager"),
    ("REPLACES", "replaces"),
    ("CONFLICTS", "conflict"),
    ("PROVIDES", "provides"),
    ("DEPENDS", "depend"),
    ("OPTDEPENDS", "optdepend"),
];

/// Writes the repository's database to where pacman keeps the synced ones.
pub(super) fn write(tree: &Path, packages: &[Surveyed]) -> Result<(), Error> {
    let path = tree.join(DATABASE).join("sync").join(format!("{REPOSITORY}.db"));
    let descriptions: BTreeMap<String, String> = packages
        .iter()
        .map(|package| (format!("{}/desc", package.package.label()), description(package)))
        .collect();
    let write = || -> io::Result<()> {
        let mut writer = Writer::new(BufWriter::new(File::create(&path)?));
        for (name, text) in &descriptions {
            let header = Header::new(name.as_str(), Kind::File(text.len() as u64), 0o644, 0);
            writer.append(&header, &mut text.as_bytes())?;
        }
        writer.finish().map(drop)
    };
    write().map_err(|source| Error::Write { path: path.clone(), source })
}

/// A package's `desc`.
fn description(package: &Surveyed) -> String {
    let info = &package.package.info;
    let mut text = String::new();
    put(&mut text, "FILENAME", [package.file_name.as_str()]);
    put_fields(&mut text, info, &BEFORE);
    put(&mut text, "CSIZE", [package.size.to_string().as_str()]);
    put(&mut text, "ISIZE", info.field("size"));
    put(&mut text, "SHA256SUM", [package.sha256.hex().as_str()]);
    put_fields(&mut text, info, &BEHIND);
    text
}

fn put_fields(text: &mut String, info: &PackageInfo, fields: &[(&str, &str)]) {
    for (name, key) in fields {
        put(text, name, info.all(key).filter(|value| !value.is_empty()));
    }
}

/// One field: its name, its values, an empty line; nothing where there is no value.
fn put<'v>(text: &mut String, name: &str, values: impl IntoIterator<Item = &'v str>) {
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "%{name}%");
    for value in values {
        let _ = writeln!(text, "{value}");
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use digest::Digest;
    use testarchive::{Keys, Package};
    use unpack::ArchPackage;

    #[test]
    fn a_description_is_that_of_repo_add() {
        let packed = Package::new("hello", "1:2.0-1")
            .depends("glibc>=2.38")
            .depends("libz.so=1-64")
            .optional("git: to clone")
            .provides("hi=2")
            .conflicts("hi")
            .replaces("hi")
            .groups("greetings")
            .file("usr/bin/hello", 0o755, "#!/bin/sh\n")
            .pack(&Keys::generate());
        let surveyed = Surveyed {
            package: ArchPackage::read(&packed.file_name, &packed.bytes[..]).unwrap(),
            file_name: packed.file_name.clone(),
            size: packed.bytes.len() as u64,
            sha256: Digest::of(&packed.bytes),
        };
        // Its own also has what pacman takes from the package itself: md5 and signature.
        let own = description(&surveyed);
        let fields = |text: &str| -> Vec<String> {
            let others = ["%MD5SUM%", "%PGPSIG%"];
            let fields = text.split("\n\n").map(str::to_owned);
            fields.filter(|field| !others.iter().any(|other| field.starts_with(other))).collect()
        };
        assert_eq!(fields(&own), fields(&packed.desc));
    }
}
