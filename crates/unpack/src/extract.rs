//! Lays the members of one package.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::claims::Claims;
use crate::control::Control;
use crate::error::Cause;
use crate::laid::{Kind, Laid, Package};
use crate::members::{Member, MemberKind, Members};
use crate::name::Name;
use crate::rules::{Override, Rules};
use crate::tree::{self, Tree};
use crate::{Options, Owners};
use md5::{Digest, Md5};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Bytes that one package may unpack to: the largest of Debian have some 6 GB.
const LARGEST: u64 = 32 << 30;

/// One package on its way into the tree.
pub(crate) struct Extraction<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) options: &'a Options,
    pub(crate) claims: &'a Claims,
    /// The package's number.
    pub(crate) me: usize,
    buffer: Vec<u8>,
    /// The directory of the last member: the next is mostly there too.
    parent: Option<(PathBuf, OwnedFd)>,
    /// Regular files of this package, for its hard links; with the name of one that is laid aside.
    files: HashMap<PathBuf, Option<String>>,
    directory_xattrs: Vec<(PathBuf, String, Vec<u8>)>,
    total: u64,
    /// For a tree that lives.
    living: Option<Living<'a>>,
}

/// What is different in a tree in which scripts have run.
pub(crate) struct Living<'a> {
    pub(crate) rules: &'a Rules,
    /// The package's name.
    pub(crate) package: String,
}

/// What a file's content is wanted for.
#[derive(Clone, Copy)]
struct Wanted {
    hashed: bool,
    is_conffile: bool,
}

/// Which files' md5 dpkg's database wants.
struct Sums<'c> {
    all: bool,
    conffiles: HashSet<&'c str>,
}

impl<'a> Extraction<'a> {
    pub(crate) fn new(
        tree: &'a Tree,
        options: &'a Options,
        claims: &'a Claims,
        me: usize,
        living: Option<Living<'a>>,
    ) -> Self {
        Self {
            tree,
            options,
            claims,
            me,
            buffer: vec![0; 256 << 10],
            parent: None,
            files: HashMap::new(),
            directory_xattrs: Vec::new(),
            total: 0,
            living,
        }
    }

    /// Lays everything that `data`, a tar archive, has.
    pub(crate) fn run(mut self, control: Control, data: impl Read) -> Result<Package, Cause> {
        let sums = Sums {
            all: !control.files.contains_key("md5sums"),
            conffiles: control.conffiles().collect(),
        };
        let mut members = Vec::new();
        let mut archive = Members::new(data);
        while let Some(member) = archive.next_member()? {
            members.extend(self.member(member, &mut archive, &sums)?);
        }
        // To the very end: the compression's check of the whole stands there.
        io::copy(&mut archive.into_inner(), &mut io::sink())?;
        let directory_xattrs = self.directory_xattrs;
        Ok(Package { control, members, directory_xattrs })
    }

    /// Lays one member. A link of the merged `/usr` is there anyway.
    fn member(
        &mut self,
        member: Member,
        content: &mut impl Read,
        sums: &Sums<'_>,
    ) -> Result<Option<Laid>, Cause> {
        let name = Name::new(&member.path, self.options.usr_merge)?;
        let shown = String::from_utf8_lossy(&name.listed).into_owned();
        self.total = self.total.saturating_add(member.size);
        if self.total > LARGEST {
            return Err(Cause::TooLarge { member: shown, size: member.size });
        }
        let Member { mut mode, mut uid, mut gid, mtime, link, xattrs, .. } = member;
        if let Some(stat) = self.living.as_ref().and_then(|it| it.rules.stat(&name.listed)) {
            Override { uid, gid, mode } = stat;
        }
        let kind = match member.kind {
            MemberKind::Directory => {
                self.make_merged(&name)?;
                // A script has made a link to another directory of it (base-files: /var/lock): dpkg
                // follows that, and finds the directory there.
                if self.living.is_none() || !self.tree.links_to_directory(&name.place) {
                    self.tree.directory(&name.place)?;
                    for (key, value) in xattrs {
                        self.directory_xattrs.push((name.place.clone(), key, value));
                    }
                }
                let Name { listed, place, .. } = name;
                let kind = Kind::Directory;
                return Ok(Some(Laid { kind, mode, uid, gid, mtime, md5: None, listed, place }));
            }
            MemberKind::Symlink if name.is_merged_root() => {
                self.merged_link(&name, &link)?;
                // A directory as far as the tree goes, so that nothing conflicts with it.
                let Name { listed, place, .. } = name;
                let (kind, mode) = (Kind::Directory, 0o755);
                return Ok(Some(Laid { kind, mode, uid, gid, mtime, md5: None, listed, place }));
            }
            MemberKind::Symlink => Kind::Symlink(OsStr::from_bytes(&link).into()),
            MemberKind::File => Kind::File(member.size),
            MemberKind::HardLink => {
                Kind::HardLink(self.diverted(Name::new(&link, self.options.usr_merge)?)?.place)
            }
            MemberKind::Special(kind) => return Err(Cause::Special { member: shown, kind }),
        };
        if name.place.as_os_str().is_empty() || name.is_merged_root() {
            return Err(Cause::Exists { path: shown, found: "the root or a link at it" });
        }
        self.make_merged(&name)?;
        let name = self.diverted(name)?;
        if self.living.as_ref().is_some_and(|it| it.rules.is_reserved(&name.place)) {
            return Err(Cause::Database(shown));
        }
        let is_conffile = sums.conffiles.contains(shown.as_str());
        let aside = self.claims.claim(self.me, &name.place);
        let Name { listed, place, .. } = name;
        let mut laid = Laid { kind, mode, uid, gid, mtime, md5: None, listed, place };
        match &laid.kind {
            Kind::File(_) => {
                let wanted = Wanted { hashed: sums.all || is_conffile, is_conffile };
                self.file(content, &mut laid, aside.as_deref(), &xattrs, wanted)?;
            }
            // One that is not aside is laid when everything else is there.
            Kind::Symlink(_) => {
                if let Some(name) = &aside {
                    let owners = self.options.owners;
                    tree::make_link(&self.tree.aside()?, OsStr::new(name), &laid, owners)
                        .map_err(|error| lay_failed(&laid.place, error))?;
                }
            }
            Kind::HardLink(target) => self.hard_link(&laid, aside.as_deref(), target)?,
            Kind::Directory => {}
        }
        if matches!(laid.kind, Kind::File(_) | Kind::HardLink(_)) {
            self.files.insert(laid.place.clone(), aside);
        }
        Ok(Some(laid))
    }

    fn file(
        &mut self,
        content: &mut impl Read,
        laid: &mut Laid,
        aside: Option<&str>,
        xattrs: &[(String, Vec<u8>)],
        wanted: Wanted,
    ) -> Result<(), Cause> {
        let lay = |source: Errno| Cause::Lay { path: laid.place.clone(), source: source.into() };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(0o600);
        let beside = wanted.is_conffile;
        let mut file = File::from(self.place(&laid.place, aside, beside, |parent, name| {
            rustix::fs::openat(parent, name, flags | OFlags::CLOEXEC, mode)
        })?);
        let mut md5 = wanted.hashed.then(Md5::new);
        loop {
            let read = content.read(&mut self.buffer)?;
            if read == 0 {
                break;
            }
            if let Some(md5) = &mut md5 {
                md5.update(&self.buffer[..read]);
            }
            file.write_all(&self.buffer[..read])
                .map_err(|source| Cause::Lay { path: laid.place.clone(), source })?;
        }
        match self.options.owners {
            Owners::Keep => {
                // This order: a change of owner takes set-id bits and capabilities away.
                tree::own(&file, laid).map_err(lay)?;
                rustix::fs::fchmod(&file, Mode::from_raw_mode(laid.mode)).map_err(lay)?;
                for (name, value) in xattrs {
                    tree::set_xattr(&file, &laid.place, name, value)?;
                }
            }
            Owners::Ignore => {
                let mode = Mode::from_raw_mode(laid.mode & 0o777 | 0o600);
                rustix::fs::fchmod(&file, mode).map_err(lay)?;
            }
        }
        rustix::fs::futimens(&file, &tree::times(laid.mtime)).map_err(lay)?;
        laid.md5 = md5.map(|md5| md5.finalize().into());
        Ok(())
    }

    fn hard_link(&mut self, laid: &Laid, aside: Option<&str>, target: &Path) -> Result<(), Cause> {
        let Some(target_aside) = self.files.get(target) else {
            return Err(Cause::HardLink {
                member: crate::name::shown(&laid.place),
                target: crate::name::shown(target),
            });
        };
        // Where this package has laid it, nobody else has anything.
        let (from, target_name) = match target_aside {
            Some(name) => (self.tree.aside()?, OsStr::new(name).to_owned()),
            None => {
                let above = target.parent().unwrap_or(Path::new(""));
                (self.tree.directory(above)?, target.file_name().unwrap_or_default().to_owned())
            }
        };
        self.place(&laid.place, aside, false, |parent, name| {
            rustix::fs::linkat(&from, &target_name, parent, name, AtFlags::empty())
        })
    }

    /// A member's name, at the place where diversions have it.
    fn diverted(&self, name: Name) -> Result<Name, Cause> {
        let Some(living) = &self.living else { return Ok(name) };
        let place = living.rules.divert(&living.package, name.clone(), self.options.usr_merge)?;
        Ok(Name { place, ..name })
    }

    /// Makes something new at a place, or aside. In a tree that lives, what is no package's and in
    /// the way is removed, or gets the new one `beside` it.
    fn place<T>(
        &mut self,
        place: &Path,
        aside: Option<&str>,
        beside: bool,
        make: impl Fn(&OwnedFd, &OsStr) -> Result<T, Errno>,
    ) -> Result<T, Cause> {
        let living = self.living.is_some();
        let made = |parent: &OwnedFd, name: &OsStr| {
            let mut result = make(parent, name);
            let directory = || tree::kind_at(parent, name) == Some(FileType::Directory);
            if matches!(result, Err(Errno::EXIST)) && living && !directory() {
                let mut other = name.to_owned();
                if beside {
                    other.push(".dpkg-new");
                } else {
                    rustix::fs::unlinkat(parent, name, AtFlags::empty())
                        .map_err(|error| lay_failed(place, error))?;
                }
                result = make(parent, &other);
            }
            result.map_err(|error| match error {
                Errno::EXIST => exists(parent, place, name),
                error => lay_failed(place, error),
            })
        };
        match aside {
            Some(name) => made(&self.tree.aside()?, OsStr::new(name)),
            None => made(self.parent(place)?, place.file_name().unwrap_or_default()),
        }
    }

    fn parent(&mut self, place: &Path) -> Result<&OwnedFd, Cause> {
        let directory = place.parent().unwrap_or(Path::new(""));
        let (_, open) = match self.parent.take() {
            Some(parent) if parent.0 == directory => self.parent.insert(parent),
            _ => {
                let open = self.tree.directory(directory)?;
                self.parent.insert((directory.to_owned(), open))
            }
        };
        Ok(open)
    }

    fn make_merged(&self, name: &Name) -> Result<(), Cause> {
        name.merged.map_or(Ok(()), |merged| self.tree.merge(merged))
    }

    /// base-files of newer releases brings the links of the merged `/usr` itself.
    fn merged_link(&self, name: &Name, link: &[u8]) -> Result<(), Cause> {
        let expected = name.place.as_os_str().as_bytes();
        if link.strip_prefix(b"/").unwrap_or(link) != expected {
            let path = String::from_utf8_lossy(&name.listed).into_owned();
            return Err(Cause::Exists { path, found: "a link of the merged /usr" });
        }
        self.make_merged(name)
    }
}

fn lay_failed(place: &Path, error: Errno) -> Cause {
    Cause::Lay { path: place.to_owned(), source: error.into() }
}

fn exists(parent: &OwnedFd, place: &Path, name: &OsStr) -> Cause {
    let found = tree::kind_at(parent, name).map_or("gone again", tree::what);
    Cause::Exists { path: crate::name::shown(place), found }
}
