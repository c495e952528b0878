//! One package as a database or its own `.PKGINFO` describes it.

use base64::Engine as _;
use digest::Digest;
use lock::arch::{is_name, is_version};

use super::relation::Relation;

/// No package file is larger: the largest of Arch has some 4 GB.
const LARGEST_PACKAGE: u64 = 16 << 30;
/// No detached signature is larger: three of RSA 4096 have 1.7 kB.
pub(crate) const LARGEST_SIGNATURE: usize = 16 << 10;

/// One version of a package.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) about: About,
    /// The name of the package file.
    pub(crate) file: String,
    pub(crate) size: u64,
    pub(crate) sha256: Digest,
    /// The detached signature, where the database repeats it.
    pub(crate) signature: Option<Vec<u8>>,
}

/// What a package says of itself, wherever it says it.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
    pub(crate) depends: Vec<Relation>,
    pub(crate) conflicts: Vec<Relation>,
    pub(crate) provides: Vec<Relation>,
    pub(crate) replaces: Vec<Relation>,
    pub(crate) groups: Vec<String>,
}

/// How package files end.
const ENDINGS: [&str; 4] = [".pkg.tar.zst", ".pkg.tar.xz", ".pkg.tar.gz", ".pkg.tar"];

impl Entry {
    /// Reads `desc`, with `depends` behind it where an old database has that as a file of its own:
    /// sections of `%NAME%`, a value a line, and an empty line (repo-add(8); libalpm's
    /// `be_sync.c`). `folder` is the entry's place in the database; `architecture` the one of the
    /// repository.
    ///
    /// # Errors
    /// What is wrong, where it is not one of Arch's packages for that architecture.
    pub(crate) fn parse(text: &str, folder: &str, architecture: &str) -> Result<Self, String> {
        let mut about = About::default();
        let (mut file, mut size, mut sha256, mut signature) = (None, None, None, None);
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line.is_empty() {
                continue;
            }
            let values: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            let single = || match values.as_slice() {
                [value] => Ok((*value).to_owned()),
                _ => Err(format!("`{line}` has {} values", values.len())),
            };
            match line {
                "%NAME%" => about.name = single()?,
                "%VERSION%" => about.version = single()?,
                "%ARCH%" => about.architecture = single()?,
                "%FILENAME%" => file = Some(single()?),
                "%CSIZE%" => size = Some(number(&single()?)?),
                "%SHA256SUM%" => {
                    let value = single()?;
                    let digest = Digest::from_hex(&value);
                    sha256 = Some(digest.map_err(|_| format!("`{value}` is not a sha256"))?);
                }
                "%PGPSIG%" => signature = Some(base64(&single()?)?),
                "%DEPENDS%" => about.depends = relations(&values)?,
                "%CONFLICTS%" => about.conflicts = relations(&values)?,
                "%PROVIDES%" => about.provides = relations(&values)?,
                "%REPLACES%" => about.replaces = relations(&values)?,
                "%GROUPS%" => about.groups = values.iter().map(|v| (*v).to_owned()).collect(),
                _ => {}
            }
        }
        about.check(architecture)?;
        if folder != format!("{}-{}", about.name, about.version) {
            return Err(format!("`{folder}` is not the place of {}", about.label()));
        }
        let file = file.ok_or("it has no `%FILENAME%`")?;
        about.check_file(&file)?;
        let size = size.ok_or("it has no `%CSIZE%`")?;
        let sha256 = sha256.ok_or("it has no `%SHA256SUM%`")?;
        Ok(Self { about, file, size, sha256, signature })
    }
}

impl About {
    /// Reads a `.PKGINFO`: `key = value` a line (makepkg(8); libalpm's `be_package.c`).
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn of_pkginfo(text: &str, architecture: &str) -> Result<Self, String> {
        let mut about = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let Some((key, value)) = line.split_once(" = ") else { continue };
            match key {
                "pkgname" => value.clone_into(&mut about.name),
                "pkgver" => value.clone_into(&mut about.version),
                "arch" => value.clone_into(&mut about.architecture),
                "depend" => about.depends.push(relation(value)?),
                "conflict" => about.conflicts.push(relation(value)?),
                "provides" => about.provides.push(relation(value)?),
                "replaces" => about.replaces.push(relation(value)?),
                "group" => about.groups.push(value.to_owned()),
                _ => {}
            }
        }
        about.check(architecture)?;
        Ok(about)
    }

    /// `bash 5.1.004-1`
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    fn check(&self, architecture: &str) -> Result<(), String> {
        let Self { name, version, architecture: own, .. } = self;
        if !is_name(name) {
            return Err(format!("{name:?} is not the name of a package"));
        }
        if !is_version(version) {
            return Err(format!("{version:?} is not a version"));
        }
        if own != architecture && own != "any" {
            return Err(format!("it is for {own:?}, not for {architecture}"));
        }
        Ok(())
    }

    /// A package file is called after what is in it.
    fn check_file(&self, file: &str) -> Result<(), String> {
        let stem = format!("{}-{}-{}", self.name, self.version, self.architecture);
        match file.strip_prefix(&stem) {
            Some(ending) if ENDINGS.contains(&ending) => Ok(()),
            _ => Err(format!("{file:?} is not the name of its package file")),
        }
    }
}

fn number(text: &str) -> Result<u64, String> {
    let size = text.parse().ok().filter(|size| (1..=LARGEST_PACKAGE).contains(size));
    size.ok_or_else(|| format!("{text:?} is not the size of a package file"))
}

fn base64(text: &str) -> Result<Vec<u8>, String> {
    let bytes = base64::prelude::BASE64_STANDARD.decode(text).unwrap_or_default();
    if bytes.is_empty() || bytes.len() > LARGEST_SIGNATURE {
        return Err("its `%PGPSIG%` is not a signature".to_owned());
    }
    Ok(bytes)
}

fn relations(values: &[&str]) -> Result<Vec<Relation>, String> {
    values.iter().map(|value| relation(value)).collect()
}

fn relation(value: &str) -> Result<Relation, String> {
    Relation::parse(value).ok_or_else(|| format!("{value:?} is not understood"))
}
