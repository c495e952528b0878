//! The database of a repository, as repo-add(8) writes it.

use std::fmt::Write as _;

use digest::Digest;
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use crate::package::{Package, Packed};

/// A package's `desc`.
pub(crate) fn desc(package: &Package, file_name: &str, bytes: &[u8]) -> String {
    let one = |value: &str| vec![value.to_owned()];
    let fields = [
        ("FILENAME", one(file_name)),
        ("NAME", one(&package.name)),
        ("BASE", one(package.pkgbase())),
        ("VERSION", one(&package.version)),
        ("DESC", one(&package.description)),
        ("GROUPS", package.groups.clone()),
        ("CSIZE", one(&bytes.len().to_string())),
        ("ISIZE", one(&package.installed_size().to_string())),
        ("SHA256SUM", one(&Digest::of(bytes).hex())),
        ("URL", one(&package.url)),
        ("LICENSE", package.licenses.clone()),
        ("ARCH", one(&package.arch)),
        ("BUILDDATE", one(&package.built.to_string())),
        ("PACKAGER", one(&package.packager)),
        ("REPLACES", package.replaces.clone()),
        ("CONFLICTS", package.conflicts.clone()),
        ("PROVIDES", package.provides.clone()),
        ("DEPENDS", package.depends.clone()),
        ("OPTDEPENDS", package.optional.clone()),
    ];
    let mut text = String::new();
    for (name, values) in fields.iter().filter(|(_, values)| !values.is_empty()) {
        writeln!(text, "%{name}%\n{}\n", values.join("\n")).unwrap();
    }
    text
}

/// `REPOSITORY.db`: a directory `NAME-VERSION` with a `desc` for each package, sorted, each as old
/// as `added` says. Seconds since 1970.
pub(crate) fn database<'p>(packages: impl Iterator<Item = (&'p Packed, i64)>) -> Vec<u8> {
    let mut packages: Vec<(&Packed, i64)> = packages.collect();
    packages.sort_by(|one, other| one.0.file_name.cmp(&other.0.file_name));
    let gzip = GzBuilder::new().write(Vec::new(), Compression::default());
    let mut archive = Builder::new(gzip);
    for (package, added) in packages {
        let directory = format!("{}-{}/", package.name, package.version);
        append(&mut archive, &directory, EntryType::Directory, 0o755, b"", added);
        let file = format!("{directory}desc");
        append(&mut archive, &file, EntryType::Regular, 0o644, package.desc.as_bytes(), added);
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn append(
    archive: &mut Builder<impl std::io::Write>,
    path: &str,
    kind: EntryType,
    mode: u32,
    bytes: &[u8],
    time: i64,
) {
    let mut header = Header::new_ustar();
    header.set_path(path).unwrap();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(u64::try_from(time).unwrap());
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    archive.append(&header, bytes).unwrap();
}
