//! A package file of Arch, as makepkg(8) and alpm-package-file-format(7) have it: one compressed tar
//! archive with metadata (`.PKGINFO`, `.MTREE`, `.INSTALL`, ...) first and then the files.
//!
//! It is not laid here: pacman does that, as root and by paths. So all of it is read beforehand, and
//! what pacman should never see is refused.

mod info;
mod links;

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub use info::PackageInfo;
pub use links::check_links;

use crate::compression;
use crate::error::{Cause, Error};
use crate::laid::{Kind, Laid};
use crate::members::{Member, MemberKind, Members};
use crate::name::{Name, shown};

/// Bytes that one package may unpack to: the largest of Arch have some 5 GB.
const LARGEST: u64 = 32 << 30;

/// No metadata is larger: the largest `.MTREE` has some 10 MB.
const LARGEST_METADATA: u64 = 64 << 20;

/// Where packages have their hooks, and how large those are at most: the rest are no hooks of anybody.
const HOOKS: [&str; 2] = ["usr/share/libalpm/hooks", "etc/pacman.d/hooks"];
const LARGEST_HOOK: u64 = 1 << 20;

/// What pacman takes for itself instead of laying it. It passes over all other names that begin with
/// a dot, so that a package with them would not be what it seems to be.
const METADATA: [&str; 5] = [".BUILDINFO", ".CHANGELOG", ".INSTALL", ".MTREE", ".PKGINFO"];

/// Directories in which the kernel or the running system makes everything: packages may have the
/// directories themselves.
const KERNELS: [&str; 3] = ["dev", "proc", "sys"];
/// Directories that are empty at each boot: a file that a package lays there would be gone.
const EMPTY: [&str; 2] = ["run", "tmp"];

/// A package that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchPackage {
    /// Its `.PKGINFO`.
    pub info: PackageInfo,
    /// Its files, links and directories, in the package's order. [`Laid::place`] is where pacman
    /// will lay it.
    pub members: Vec<Laid>,
    /// Its hooks (alpm-hooks(5)), which are among the members, too.
    pub hooks: Vec<Hook>,
}

/// A hook of a package: what pacman runs when paths or packages change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The name of its file, which ends in `.hook`.
    pub name: String,
    /// What is in it.
    pub text: String,
}

impl ArchPackage {
    /// Reads a package whose file is called `name`: `bash-5.2.026-2-x86_64.pkg.tar.zst`.
    ///
    /// # Errors
    /// When reading fails, when it is no package of Arch, when it is another package than its name
    /// says, or when it has a member that could reach out of the tree.
    pub fn read(name: &str, reader: impl Read) -> Result<Self, Error> {
        Reading::default().run(name, reader).map_err(|cause| Error::new(name, cause))
    }

    /// How messages and pacman's database call it: `name-version`.
    pub fn label(&self) -> String {
        format!("{}-{}", self.info.name(), self.info.version())
    }
}

/// The ending of a package's file name, behind `.pkg.tar`, and what is before.
fn split_name(name: &str) -> Option<(&str, &str)> {
    let (stem, ending) = name.rsplit_once(".pkg.tar")?;
    (!name.contains('/')).then_some((stem, ending))
}

/// What is known of a package while it is read.
#[derive(Default)]
struct Reading {
    info: Option<PackageInfo>,
    metadata: BTreeSet<String>,
    members: Vec<Laid>,
    hooks: Vec<Hook>,
    /// Every path so far.
    places: HashSet<PathBuf>,
    /// The regular files among them, for hard links.
    files: HashSet<PathBuf>,
    total: u64,
}

impl Reading {
    fn run(mut self, name: &str, reader: impl Read) -> Result<ArchPackage, Cause> {
        let (stem, ending) = split_name(name).ok_or(Cause::NotArch("its name is no package's"))?;
        let decoder = compression::decoder(ending, reader)?;
        let mut archive = Members::new(decoder.ok_or(Cause::Compression(name.to_owned()))?);
        while let Some(member) = archive.next_member()? {
            self.member(member, &mut archive)?;
        }
        // To the very end: the compression's check of the whole stands there.
        io::copy(&mut archive.into_inner(), &mut io::sink())?;
        let info = self.info.ok_or(Cause::NotArch("it has no .PKGINFO"))?;
        let expected = format!("{}-{}-{}", info.name(), info.version(), info.architecture());
        if expected != stem {
            return Err(Cause::OtherPackage(expected));
        }
        Ok(ArchPackage { info, members: self.members, hooks: self.hooks })
    }

    fn member(&mut self, member: Member, content: &mut impl Read) -> Result<(), Cause> {
        let display = String::from_utf8_lossy(&member.path).into_owned();
        self.total = self.total.saturating_add(member.size);
        if self.total > LARGEST {
            return Err(Cause::TooLarge { member: display, size: member.size });
        }
        // Pacman's reader may take what follows for content, and another member for the next.
        if member.stated_size != member.size {
            return Err(Cause::Content(display));
        }
        // Before anything else: what comes first decides how pacman's reader sees the whole file.
        let first = member.path.split(|byte| *byte == b'/').next().unwrap_or_default();
        if first.starts_with(b".") && ![&b"."[..], b".."].contains(&first) {
            return self.metadata(display, &member, content);
        }
        if self.metadata.is_empty() {
            return Err(Cause::NotArch("it does not begin with its metadata"));
        }
        let size = member.size;
        let laid = self.laid(member, display)?;
        if let Some(name) = hook_name(&laid)
            && size <= LARGEST_HOOK
        {
            let mut text = Vec::new();
            content.read_to_end(&mut text)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            self.hooks.push(Hook { name: name.to_owned(), text });
        }
        if !self.places.insert(laid.place.clone()) {
            return Err(Cause::Twice(shown(&laid.place)));
        }
        if !matches!(laid.kind, Kind::Directory | Kind::Symlink(_)) {
            self.files.insert(laid.place.clone());
        }
        self.members.push(laid);
        Ok(())
    }

    fn metadata(
        &mut self,
        name: String,
        member: &Member,
        content: &mut impl Read,
    ) -> Result<(), Cause> {
        if !METADATA.contains(&name.as_str()) || member.kind != MemberKind::File {
            return Err(Cause::Metadata(name));
        }
        if member.size > LARGEST_METADATA {
            return Err(Cause::TooLarge { member: name, size: member.size });
        }
        if name == ".PKGINFO" {
            let mut text = String::new();
            content.read_to_string(&mut text)?;
            self.info = Some(PackageInfo::read(&text)?);
        }
        if !self.metadata.insert(name.clone()) {
            return Err(Cause::Twice(name));
        }
        Ok(())
    }

    /// Checks a member and says where it goes.
    fn laid(&self, member: Member, display: String) -> Result<Laid, Cause> {
        let Name { listed, place, .. } = Name::new(&member.path, false)?;
        // pacman takes names as they are: any other spelling of one would be another path to it.
        if member.path.strip_suffix(b"/").unwrap_or(&member.path) != &listed[1..] {
            return Err(Cause::Name(display));
        }
        let Member { mode, uid, gid, mtime, link, .. } = member;
        let kind = match member.kind {
            MemberKind::Directory => Kind::Directory,
            MemberKind::File => Kind::File(member.size),
            MemberKind::Symlink => Kind::Symlink(OsStr::from_bytes(&link).into()),
            MemberKind::HardLink => {
                let target = Name::new(&link, false)?.place;
                if !self.files.contains(&target) {
                    let (member, target) = (shown(&place), shown(&target));
                    return Err(Cause::HardLink { member, target });
                }
                Kind::HardLink(target)
            }
            MemberKind::Special(kind) => return Err(Cause::Special { member: display, kind }),
        };
        check_place(&place, &kind)?;
        Ok(Laid { place, listed, kind, mode, uid, gid, mtime, md5: None })
    }
}

/// The file name of a hook, where a member is one.
fn hook_name(laid: &Laid) -> Option<&str> {
    let is_file = matches!(laid.kind, Kind::File(_));
    let name = laid.place.file_name()?.to_str()?;
    let parent = laid.place.parent()?;
    let is_there = HOOKS.iter().any(|hooks| parent == Path::new(hooks));
    (is_file && is_there && name.ends_with(".hook")).then_some(name)
}

/// Refuses what lies where nothing of a package can be.
fn check_place(place: &Path, kind: &Kind) -> Result<(), Cause> {
    let mut parts = place.components();
    let first = parts.next().and_then(|part| part.as_os_str().to_str()).unwrap_or_default();
    let is_top = parts.next().is_none();
    let refused = match (KERNELS.contains(&first), EMPTY.contains(&first)) {
        (true, _) => !is_top || *kind != Kind::Directory,
        (_, true) => *kind != Kind::Directory,
        _ => false,
    };
    if refused { Err(Cause::Reserved(shown(place))) } else { Ok(()) }
}
