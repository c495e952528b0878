//! What a lock may say.

use crate::{FORMAT, Lock, OWN, Package, Signature, Source};

/// No package file is larger than that: the largest of Debian has some 2 GB.
const LARGEST_PACKAGE: u64 = 16 << 30;
/// No detached signature is larger.
const LARGEST_SIGNATURE: u64 = 16 << 10;

/// Where a lock is wrong: a path of keys and positions, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) place: Place,
    pub(crate) what: String,
}

/// A part of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Head,
    Index(usize),
    Source(usize),
    Package(usize),
    Users,
    Groups,
}

/// The first thing that is wrong with a lock.
pub(crate) fn check(lock: &Lock) -> Result<(), Fault> {
    let head = |what: String| Fault { place: Place::Head, what };
    check_form(lock.version).map_err(head)?;
    if !["debian", "arch"].contains(&&*lock.distribution) {
        return Err(head(format!("`{}` is not a distribution", lock.distribution)));
    }
    if !is_architecture(&lock.architecture) {
        return Err(head(format!("{:?} is not an architecture", lock.architecture)));
    }
    for (at, index) in lock.indexes.iter().enumerate() {
        if !is_word(&index.suite, "+-._") {
            let what = format!("{:?} is not the name of a suite", index.suite);
            return Err(Fault { place: Place::Index(at), what });
        }
        if let Some(name) = &index.archive
            && !lock.sources.iter().any(|source| source.name == *name)
        {
            let what = format!("{name:?} is not the name of a [[source]]");
            return Err(Fault { place: Place::Index(at), what });
        }
    }
    for (at, source) in lock.sources.iter().enumerate() {
        let wrong = |what| Fault { place: Place::Source(at), what };
        check_source(source).map_err(wrong)?;
        if lock.sources[..at].iter().any(|before| before.name == source.name) {
            return Err(wrong(format!("{} is there twice", source.name)));
        }
    }
    for (at, package) in lock.packages.iter().enumerate() {
        let beside = package.archive == OWN
            || lock.sources.iter().any(|source| source.name == package.archive);
        check_package(package, &lock.distribution, beside)
            .map_err(|what| Fault { place: Place::Package(at), what })?;
    }
    check_order(&lock.packages)?;
    for (place, ids) in [(Place::Users, &lock.users), (Place::Groups, &lock.groups)] {
        for (name, id) in ids {
            check_id(name, *id).map_err(|what| Fault { place, what })?;
        }
    }
    Ok(())
}

pub(crate) fn check_form(version: u32) -> Result<(), String> {
    if version == FORMAT {
        return Ok(());
    }
    Err(format!("this is a lock of form {version}, and this program knows form {FORMAT}"))
}

/// A source may not stand for an archive of the distribution, whose files are found by its name.
fn check_source(source: &Source) -> Result<(), String> {
    let Source { name, url } = source;
    if !is_word(name, "+-._") || [OWN, "debian", "debian-security", "archlinux"].contains(&&**name)
    {
        return Err(format!("{name:?} is not the name of an archive beside the distribution's"));
    }
    let scheme = ["https://", "http://", "file:///"].iter().find_map(|s| url.strip_prefix(s));
    let plain = |c: char| c.is_ascii_graphic() && !"\\?#\"'<>@{}".contains(c);
    if scheme.is_none_or(str::is_empty) || url.len() > 1024 || !url.chars().all(plain) {
        return Err(format!("{url:?} is not the URL of an archive"));
    }
    Ok(())
}

/// `beside`: of an archive that is not the distribution's.
fn check_package(package: &Package, distribution: &str, beside: bool) -> Result<(), String> {
    let Package { name, version, architecture, size, path, archive, signature, sha256: _ } =
        package;
    if !is_word(name, "+-._@") {
        return Err(format!("{name:?} is not the name of a package"));
    }
    if !is_word(version, "+-._~:") {
        return Err(format!("{version:?} is not a version"));
    }
    if !is_architecture(architecture) {
        return Err(format!("{architecture:?} is not an architecture"));
    }
    if !is_word(archive, "+-._") {
        return Err(format!("{archive:?} is not the name of an archive"));
    }
    if !(1..=LARGEST_PACKAGE).contains(size) {
        return Err(format!("{size} is not the size of a package file"));
    }
    if !is_path(path) {
        return Err(format!("{path:?} is not a path below the archive's root"));
    }
    match (signature, distribution) {
        (None, "arch") if !beside => {
            Err(format!("{name} has no `signature`: Arch signs every package"))
        }
        (Some(_), "debian") => Err(format!("{name} has a `signature`, which Debian has not")),
        (Some(Signature { size, .. }), _) if !(1..=LARGEST_SIGNATURE).contains(size) => {
            Err(format!("{size} is not the size of a signature"))
        }
        _ => Ok(()),
    }
}

/// Order is part of the form: a lock that a merge has shuffled is written anew rather than guessed
/// at, and what is built never depends on the order of lines that nobody looks at.
fn check_order(packages: &[Package]) -> Result<(), Fault> {
    for (at, pair) in packages.windows(2).enumerate() {
        let place = Place::Package(at + 1);
        let (name, architecture) = pair[1].key();
        match pair[0].key().cmp(&pair[1].key()) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => {
                return Err(Fault { place, what: format!("{name}:{architecture} is there twice") });
            }
            std::cmp::Ordering::Greater => {
                let what = format!("{name} stands after {}: packages are sorted", pair[0].name);
                return Err(Fault { place, what });
            }
        }
    }
    Ok(())
}

pub(crate) fn check_id(name: &str, id: u32) -> Result<(), String> {
    if !account::is_name(name) {
        return Err(format!("{name:?} is not the name of a user or group"));
    }
    // What is below and above is fixed by the distribution, and not recorded: with such an id a
    // service would be somebody else, root first of all.
    if !account::SYSTEM.contains(&id) && !account::PEOPLE.contains(&id) {
        return Err(format!(
            "`{name}` has the id {id}, which is not one of those that are given out ({} to {})",
            account::SYSTEM.start(),
            account::PEOPLE.end()
        ));
    }
    Ok(())
}

/// Letters, digits and some marks, not starting with a mark.
fn is_word(text: &str, marks: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= 255
        && text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}

fn is_architecture(text: &str) -> bool {
    is_word(text, "-_")
}

/// A relative path of plain characters with no empty, `.` or `..` part.
fn is_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !"\\?#%\"'<>".contains(c);
    text.len() <= 1024
        && text.chars().all(plain)
        && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
