//! A package that is made up, and its file: PKGINFO(5), `.MTREE` and `.INSTALL` as makepkg(8) of
//! pacman 6 writes them.

mod entry;
mod information;
mod mtree;
mod tar;

use std::collections::BTreeMap;

use crate::database;
use crate::keys::{DAY, EXPIRY, Keys, MADE, Signer};

pub use entry::{Entry, Kind};

/// What a package says and has, before it is packed.
#[derive(Clone, Debug)]
pub struct Package {
    pub(crate) name: String,
    pub(crate) base: Option<String>,
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) url: String,
    pub(crate) packager: String,
    pub(crate) arch: String,
    pub(crate) built: i64,
    pub(crate) licenses: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) depends: Vec<String>,
    pub(crate) optional: Vec<String>,
    pub(crate) provides: Vec<String>,
    pub(crate) conflicts: Vec<String>,
    pub(crate) replaces: Vec<String>,
    pub(crate) backup: Vec<String>,
    install: Option<String>,
    entries: BTreeMap<String, Entry>,
    signer: Signer,
    /// Fields that PKGINFO and the database get instead of the true ones.
    lies: Vec<(String, String)>,
}

/// A package file, with its signature and its entry in a database.
///
/// Everything can be changed, as a forger or a broken disk would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The package's name.
    pub name: String,
    /// Its version, with the epoch if there is one.
    pub version: String,
    /// `NAME-VERSION-ARCH.pkg.tar.zst`.
    pub file_name: String,
    /// The file itself.
    pub bytes: Vec<u8>,
    /// The detached signature, binary; `None` when the package is not signed.
    pub signature: Option<Vec<u8>>,
    /// The `desc` of repo-add(8).
    pub desc: String,
    /// Seconds since 1970 at which it was built.
    pub built: i64,
}

impl Package {
    /// An empty package for `x86_64`, built a month after the keys were made and signed by a
    /// packager in good standing.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.into(),
            base: None,
            version: version.into(),
            description: format!("the package {name}"),
            url: format!("https://{name}.example.org/"),
            packager: "Packager <packager@example.org>".into(),
            arch: "x86_64".into(),
            built: i64::from(MADE + 30 * DAY),
            licenses: vec!["MIT".into()],
            groups: vec![],
            depends: vec![],
            optional: vec![],
            provides: vec![],
            conflicts: vec![],
            replaces: vec![],
            backup: vec![],
            install: None,
            entries: BTreeMap::new(),
            signer: Signer::Packager,
            lies: vec![],
        }
    }

    /// `any` or `x86_64`.
    pub fn arch(mut self, arch: &str) -> Self {
        self.arch = arch.into();
        self
    }

    /// The package that it was split from; itself if it is not set.
    pub fn base(mut self, base: &str) -> Self {
        self.base = Some(base.into());
        self
    }

    /// One line that says what it is.
    pub fn description(mut self, text: &str) -> Self {
        self.description = text.into();
        self
    }

    /// One more dependency: `glibc`, `sh>=5`, `libz.so=1-64`.
    pub fn depends(mut self, on: &str) -> Self {
        self.depends.push(on.into());
        self
    }

    /// One more optional dependency: `git: to clone`.
    pub fn optional(mut self, on: &str) -> Self {
        self.optional.push(on.into());
        self
    }

    /// One more name that it has: `sh`, `sh=5`.
    pub fn provides(mut self, name: &str) -> Self {
        self.provides.push(name.into());
        self
    }

    /// One more package that it cannot be installed with.
    pub fn conflicts(mut self, with: &str) -> Self {
        self.conflicts.push(with.into());
        self
    }

    /// One more package that it takes the place of in an upgrade.
    pub fn replaces(mut self, other: &str) -> Self {
        self.replaces.push(other.into());
        self
    }

    /// One more group that it is in.
    pub fn groups(mut self, group: &str) -> Self {
        self.groups.push(group.into());
        self
    }

    /// One more configuration file, whose changes are kept: `etc/hello.conf`.
    pub fn backup(mut self, path: &str) -> Self {
        self.backup.push(path.into());
        self
    }

    /// The text of `.INSTALL`: shell functions such as `post_install`.
    pub fn install(mut self, text: &str) -> Self {
        self.install = Some(text.into());
        self
    }

    /// A file, owned by root. Directories above it are made, 0755.
    pub fn file(self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) -> Self {
        self.entry(path, Entry::new(Kind::File(bytes.into()), mode))
    }

    /// A symbolic link to the text `target`.
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(path, Entry::new(Kind::Symlink(target.into()), 0o777))
    }

    /// Another name of the file `first`, which comes earlier by name.
    pub fn hard_link(self, path: &str, first: &str) -> Self {
        self.entry(path, Entry::new(Kind::HardLink(first.into()), 0o644))
    }

    /// A directory, owned by root.
    pub fn directory(self, path: &str, mode: u32) -> Self {
        self.entry(path, Entry::new(Kind::Directory, mode))
    }

    /// Anything, with owner, time and extended attributes as they are in `entry`. The path is
    /// relative to the root and is not looked at, so that it may be a hostile one.
    pub fn entry(mut self, path: &str, entry: Entry) -> Self {
        for (slash, _) in path.match_indices('/') {
            let parent = &path[..slash];
            if !parent.is_empty() && !parent.ends_with("..") {
                let directory = Entry::new(Kind::Directory, 0o755);
                self.entries.entry(parent.into()).or_insert(directory);
            }
        }
        self.entries.insert(path.into(), entry);
        self
    }

    /// A hook of alpm-hooks(5), `usr/share/libalpm/hooks/NAME`.
    pub fn hook(self, name: &str, text: &str) -> Self {
        self.file(&format!("usr/share/libalpm/hooks/{name}"), 0o644, text)
    }

    /// When it was built, in seconds since 1970: also the time of its files that have none of
    /// their own, and of its signature, as far as the signer's key lets it.
    pub fn built(mut self, seconds: i64) -> Self {
        self.built = seconds;
        self
    }

    /// Who signs it.
    pub fn signed_by(mut self, signer: Signer) -> Self {
        self.signer = signer;
        self
    }

    /// Says something else of a field in `.PKGINFO` than is true, and than the database says:
    /// `pkgver` is `2-1`.
    pub fn pkginfo(mut self, field: &str, value: &str) -> Self {
        self.lies.push((field.into(), value.into()));
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The same package in another version.
    pub fn with_version(mut self, version: &str) -> Self {
        self.version = version.into();
        self
    }

    /// What it depends on.
    pub fn dependencies(&self) -> &[String] {
        &self.depends
    }

    /// The names that it has besides its own.
    pub fn provisions(&self) -> &[String] {
        &self.provides
    }

    /// What is in it besides its own data, by path.
    pub fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = (&String, &mut Entry)> {
        self.entries.iter_mut()
    }

    /// The package file, signed.
    pub fn pack(&self, keys: &Keys) -> Packed {
        let bytes = self.bytes();
        let signature = keys.sign(self.signer, &bytes, self.signed());
        let file_name = format!("{}-{}-{}.pkg.tar.zst", self.name, self.version, self.arch);
        let desc = database::desc(self, &file_name, &bytes);
        let (name, version) = (self.name.clone(), self.version.clone());
        Packed { name, version, file_name, bytes, signature, desc, built: self.built }
    }

    /// When it is signed: when it is built, or when that makes the signer what it is.
    fn signed(&self) -> u32 {
        let built = u32::try_from(self.built).expect("a time that OpenPGP can say");
        match self.signer {
            Signer::Expired => built.max(EXPIRY + DAY),
            Signer::BeforeExpiry => built.min(EXPIRY - DAY),
            _ => built,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        // In the order in which makepkg has them: the dotted names sorted, then the files.
        let mut own = vec![(".BUILDINFO", self.buildinfo())];
        own.extend(self.install.clone().map(|text| (".INSTALL", text)));
        own.push((".PKGINFO", self.information()));
        let mut members: Vec<(String, Entry)> = own
            .into_iter()
            .map(|(name, text)| (name.to_owned(), Entry::new(Kind::File(text.into()), 0o644)))
            .collect();
        let listed = members.iter().map(|(name, entry)| (name.as_str(), entry));
        let listed = listed.chain(self.entries.iter().map(|(path, it)| (path.as_str(), it)));
        let mtree = Entry::new(Kind::File(mtree::compressed(listed, self.built)), 0o644);
        members.insert(members.len() - 1, (".MTREE".into(), mtree));
        let own = members.iter().map(|(name, entry)| (name.as_str(), entry));
        let all = own.chain(self.entries.iter().map(|(path, entry)| (path.as_str(), entry)));
        tar::compressed(all, self.built)
    }

    /// Bytes of all files.
    pub(crate) fn installed_size(&self) -> u64 {
        self.entries.values().map(|entry| entry.bytes().len() as u64).sum()
    }

    pub(crate) fn pkgbase(&self) -> &str {
        self.base.as_deref().unwrap_or(&self.name)
    }
}
