//! Kinds of packages that the real databases of one day do not have.

use std::fs;
use std::path::Path;

use libtest_mimic::Failed;
use lock::arch::KEYRING;

use crate::choices::{Databases, choose_of, compare, sorted};
use crate::pacman::Pacman;

/// A package: name, version, what it provides, what it depends on.
type Entry = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const PACKAGES: &[Entry] = &[
    (KEYRING, "1-1", &[], &[]),
    // As ghc 7.8.3-2, java-openjfx and perl-datetime did.
    ("tool", "2-1", &["tool=1-1"], &[]),
    ("one", "1-1", &[], &["tool"]),
    ("two", "1-1", &[], &["tool=1-1"]),
    ("both", "1-1", &[], &["one", "two"]),
    ("other", "2-1", &["other=1-1"], &[]),
    ("other-old", "1-1", &["other=1-1"], &[]),
    ("wants-other", "1-1", &[], &["other=1-1"]),
    // Names.
    ("hunspell-en_US", "2020.12.07-1", &["WIREGUARD-MODULE"], &["libsigc++"]),
    ("libsigc++", "2.10.6-1", &[], &["r@2.0_x"]),
    ("r@2.0_x", "1-1", &[], &[]),
    ("wants-module", "1-1", &[], &["WIREGUARD-MODULE"]),
    // Versions.
    ("epoch", "2:1.0-1.1", &["api=1:3-1.1", "libapi.so=3-64"], &[]),
    ("wants-api", "1-1", &[], &["api>=1:2"]),
    ("wants-old-api", "1-1", &[], &["api<1:2"]),
    ("wants-plain-api", "1-1", &[], &["api=3"]),
    ("wants-soname", "1-1", &[], &["libapi.so=3-64"]),
    ("wants-release", "1-1", &[], &["epoch=2:1.0-1.1"]),
    ("wants-less", "1-1", &[], &["epoch<2:1.0-1.2"]),
    ("wants-any-release", "1-1", &[], &["epoch=2:1.0"]),
    ("wants-no-epoch", "1-1", &[], &["epoch=1.0-1.1"]),
];

const SETS: &[&[&str]] = &[
    &["both"],
    &["one", "two"],
    &["tool", "two"],
    &["wants-other"],
    &["other", "wants-other"],
    &["hunspell-en_US"],
    &["WIREGUARD-MODULE"],
    &["wants-module"],
    &["wants-api", "wants-soname"],
    &["wants-old-api"],
    &["wants-plain-api"],
    &["wants-release", "wants-less", "wants-any-release"],
    &["wants-no-epoch"],
];

pub(crate) fn kinds_of_names_and_versions_are_chosen_as_by_pacman() -> Result<(), Failed> {
    let pacman = Pacman::shared()?;
    let folder = pacman.folder().join("made-up");
    fs::create_dir_all(folder.join("local"))?;
    fs::create_dir_all(folder.join("sync"))?;
    fs::write(folder.join("local/ALPM_DB_VERSION"), "9\n")?;
    write(&folder.join("sync/core.db"), PACKAGES)?;
    write(&folder.join("sync/extra.db"), &PACKAGES[..1])?;
    let sets: Vec<_> = SETS.iter().map(|set| sorted(set)).collect();
    let answers = pacman.would_install_of("made-up", &sets)?;
    let databases = Databases(|name: &str| folder.join(format!("sync/{name}.db")));
    let mut differences = String::new();
    for (set, answer) in SETS.iter().zip(answers) {
        let difference = match (choose_of(&databases, set), answer) {
            (Ok(ours), Some(pacman)) => compare(&ours, &pacman).err(),
            (Err(_), None) => None,
            (ours, pacman) => Some(format!("we take {ours:?}, pacman {pacman:?}\n")),
        };
        differences.extend(difference.map(|text| format!("{set:?}:\n{text}")));
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.into()) }
}

/// A database of these packages, as repo-add(8) writes it.
fn write(path: &Path, packages: &[Entry]) -> std::io::Result<()> {
    let mut archive = tar::Builder::new(fs::File::create(path)?);
    for (name, version, provides, depends) in packages {
        let file = format!("{name}-{version}-any.pkg.tar.zst");
        let sum = digest::Digest::of(file.as_bytes()).hex();
        let mut text = format!(
            "%FILENAME%\n{file}\n\n%NAME%\n{name}\n\n%VERSION%\n{version}\n\n%CSIZE%\n1000\n\n\
             %SHA256SUM%\n{sum}\n\n%ARCH%\nany\n\n"
        );
        for (field, values) in [("PROVIDES", provides), ("DEPENDS", depends)] {
            if !values.is_empty() {
                text.push_str(&format!("%{field}%\n{}\n\n", values.join("\n")));
            }
        }
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_600_000_000);
        archive.append_data(&mut header, format!("{name}-{version}/desc"), text.as_bytes())?;
    }
    archive.into_inner().map(drop)
}
