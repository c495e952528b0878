//! Decides what a config layer holds: a pure function of definition, tree and ids.

use std::collections::BTreeMap;
use std::path::PathBuf;

use digest::Digest;

use super::resolve::{Found, Last, resolve};
use super::state::{self, Stated, is_within};
use super::{Base, Config, Permission, Source};
use crate::accounts::Accounts;
use crate::error::Error;
use crate::ids::Completed;
use crate::packages::{UPDATED, updated};
use crate::paths::{Entry, Kind, Paths};
use crate::similar::similar;
use crate::tarball::acl;

/// Seconds of a day: shadow(5) counts days.
const DAY: i64 = 86_400;

/// The paths of the layer, sorted, with no link on the way to any of them.
pub(super) type Plan = BTreeMap<String, Planned>;

/// One path of the layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// Owner, mode and kind.
    pub(super) entry: Entry,
    /// Where a file's content comes from.
    pub(super) content: Content,
    /// As the definition has the path, for messages.
    asked: String,
}

/// Where the content of a file comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// It has none.
    None,
    /// A file on disk.
    File(PathBuf, Digest),
    /// Here it is.
    Bytes(Vec<u8>),
    /// The same path of the package tree.
    Tree,
}

/// A place that state is mounted over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// As the definition has it.
    pub(super) asked: String,
    /// Where that is: relative to the root, with no link on the way.
    pub(super) place: String,
}

/// Directories that only root may enter (systemd.exec(5), DynamicUser=), where they are made here:
/// state may lie in them.
const PRIVATE: [&str; 3] = ["var/cache/private", "var/lib/private", "var/log/private"];

pub(super) fn plan(config: &Config, base: &Base<'_>) -> Result<(Plan, Vec<Mount>), Error> {
    let paths = base.paths.renumbered(&base.ids.renumbering);
    let mut planner = Planner {
        paths: &paths,
        ids: base.ids,
        epoch: config.epoch,
        plan: Plan::new(),
        mounts: Vec::new(),
        stated: BTreeMap::new(),
    };
    // Parents first, so that a link of the overlay counts for what lies behind it.
    let mut overlay: Vec<_> = config.overlay.iter().collect();
    overlay.sort_by(|one, other| one.path.cmp(&other.path));
    for item in overlay {
        planner.overlay(&item.path, &item.source)?;
    }
    planner.accounts(config, base.accounts)?;
    if let Some(hostname) = &config.hostname {
        planner.hostname(hostname)?;
    }
    planner.up_to_date()?;
    for mount in &config.mounts {
        planner.mount_point(mount)?;
    }
    for permission in &config.permissions {
        planner.permission(permission)?;
    }
    if let Some(lines) = state::tmpfiles(&planner.mounts, &planner.stated) {
        planner.made(state::TMPFILES, lines.into_bytes())?;
    }
    planner.parents();
    Ok((planner.plan, planner.mounts))
}

struct Planner<'a> {
    paths: &'a Paths,
    ids: &'a Completed,
    epoch: i64,
    plan: Plan,
    mounts: Vec<Mount>,
    /// What permissions say, by place.
    stated: BTreeMap<String, Stated>,
}

impl Planner<'_> {
    fn look(&self, path: &str) -> Found {
        let planned = self.plan.get(path).map(|planned| &planned.entry);
        planned
            .or_else(|| self.paths.get(path))
            .map_or(Found::Nothing, |entry| Found::from(&entry.kind))
    }

    fn entry(&self, kind: Kind, mode: u32) -> Entry {
        Entry { kind, mode, uid: 0, gid: 0, mtime: self.epoch, xattrs: BTreeMap::new() }
    }

    fn overlay(&mut self, path: &str, source: &Source) -> Result<(), Error> {
        let place = resolve(path, Last::Keep, |path| self.look(path))?;
        let mode = |executable: bool| if executable { 0o755 } else { 0o644 };
        let (entry, content) = match source {
            Source::File { file, digest, executable } => {
                (self.entry(Kind::File, mode(*executable)), Content::File(file.clone(), *digest))
            }
            Source::Bytes { bytes, executable } => {
                (self.entry(Kind::File, mode(*executable)), Content::Bytes(bytes.clone()))
            }
            Source::Symlink(target) => {
                (self.entry(Kind::Symlink(target.clone()), 0o777), Content::None)
            }
            Source::Directory => return self.directory(path),
        };
        if let Some(other) = self.plan.get(&place) {
            return Err(wrong(path, format!("{} is the same place /{place}", other.asked), None));
        }
        if matches!(self.look(&place), Found::Directory) {
            let reason = format!("the packages have a directory at /{place}");
            return Err(wrong(path, reason, None));
        }
        self.plan.insert(place, Planned { entry, content, asked: path.to_owned() });
        Ok(())
    }

    /// Makes sure that there is a directory; one that the packages have stays as it is.
    fn directory(&mut self, path: &str) -> Result<(), Error> {
        let place = resolve(path, Last::Follow, |path| self.look(path))?;
        match self.look(&place) {
            Found::Directory => Ok(()),
            Found::Nothing => {
                let entry = self.entry(Kind::Directory, 0o755);
                let planned = Planned { entry, content: Content::None, asked: path.to_owned() };
                self.plan.insert(place, planned);
                Ok(())
            }
            Found::File | Found::Symlink(_) => {
                Err(wrong(path, format!("/{place} is no directory"), None))
            }
        }
    }

    /// State is what the image has at its path: a file where there is one, else a directory.
    fn mount_point(&mut self, path: &str) -> Result<(), Error> {
        let place = resolve(path, Last::Follow, |path| self.look(path))?;
        if place.is_empty() {
            return Err(wrong(path, "the root cannot be state".to_owned(), None));
        }
        for other in &self.mounts {
            if is_within(&place, &other.place) || is_within(&other.place, &place) {
                let reason = format!(
                    "it is /{place}, and the state {} is /{}: one lies in the other",
                    other.asked, other.place
                );
                let hint = "the outer one keeps both: leave the inner one out".to_owned();
                return Err(wrong(path, reason, Some(hint)));
            }
        }
        if !matches!(self.look(&place), Found::File) {
            self.directory(path)?;
        }
        self.mounts.push(Mount { asked: path.to_owned(), place });
        Ok(())
    }

    /// A file that the build makes: what the definition lays there itself wins.
    fn made(&mut self, path: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let place = resolve(path, Last::Keep, |path| self.look(path))?;
        if self.plan.contains_key(&place) {
            return Ok(());
        }
        self.overlay(path, &Source::Bytes { bytes, executable: false })
    }

    /// `/etc/hostname` has the name as it was declared: mail servers and certificates go by it, and
    /// what has no dot in it is no address of theirs.
    fn hostname(&mut self, name: &str) -> Result<(), Error> {
        let short = name.split('.').next().unwrap_or(name);
        let names = if short == name { name.to_owned() } else { format!("{name} {short}") };
        let hosts = format!("127.0.0.1 localhost\n127.0.1.1 {names}\n::1 localhost\n");
        self.made("/etc/hostname", format!("{name}\n").into_bytes())?;
        self.made("/etc/hosts", hosts.into_bytes())
    }

    /// A directory of this layer may make `/usr` look newer than what was brought up to date with
    /// it when the tree was made.
    fn up_to_date(&mut self) -> Result<(), Error> {
        for path in UPDATED {
            if self.paths.get(path).is_some() {
                self.made(&format!("/{path}"), updated(self.epoch).into_bytes())?;
            }
        }
        Ok(())
    }

    /// The account files, where the definition declares someone.
    fn accounts(&mut self, config: &Config, tree: &Accounts) -> Result<(), Error> {
        if config.users.is_empty() && config.groups.is_empty() {
            return Ok(());
        }
        let mut accounts = tree.renumbered(&self.ids.renumbering);
        let day = config.epoch.div_euclid(DAY);
        accounts.declare(&config.users, &config.groups, &self.ids.all, day)?;
        let files = [
            ("etc/passwd", accounts.passwd, 0o644),
            ("etc/group", accounts.group, 0o644),
            ("etc/shadow", accounts.shadow, 0o640),
            ("etc/gshadow", accounts.gshadow, 0o640),
        ];
        for (place, text, mode) in files {
            if let Some(planned) = self.plan.get(place) {
                let hint = "declare users and groups in the definition, and leave the file out";
                let reason = "the definition also declares users or groups".to_owned();
                return Err(wrong(&planned.asked, reason, Some(hint.to_owned())));
            }
            let entry = match self.paths.get(place) {
                Some(entry) => Entry { mtime: self.epoch, ..entry.clone() },
                None => self.entry(Kind::File, mode),
            };
            let content = Content::Bytes(text.into_bytes());
            let asked = format!("/{place}");
            self.plan.insert(place.to_owned(), Planned { entry, content, asked });
        }
        Ok(())
    }

    fn permission(&mut self, permission: &Permission) -> Result<(), Error> {
        let Permission { path, owner, group, mode } = permission;
        let uid = self.id(path, "user", owner.as_deref(), &self.ids.all.users)?;
        let gid = self.id(path, "group", group.as_deref(), &self.ids.all.groups)?;
        let place = resolve(path, Last::Follow, |path| self.look(path))?;
        if !self.plan.contains_key(&place) {
            let Some(entry) = self.paths.get(&place).cloned() else {
                return Err(self.nowhere(path, &place));
            };
            let content = if entry.kind == Kind::File { Content::Tree } else { Content::None };
            let planned = Planned { entry, content, asked: path.clone() };
            self.plan.insert(place.clone(), planned);
        }
        let stated = self.stated.entry(place.clone()).or_default();
        *stated =
            Stated { uid: uid.or(stated.uid), gid: gid.or(stated.gid), mode: mode.or(stated.mode) };
        if let Some(planned) = self.plan.get_mut(&place) {
            let entry = &mut planned.entry;
            entry.uid = uid.unwrap_or(entry.uid);
            entry.gid = gid.unwrap_or(entry.gid);
            if let Some(mode) = *mode {
                entry.mode = mode;
                acl::set_mode(&mut entry.xattrs, mode);
            }
        }
        Ok(())
    }

    fn id(
        &self,
        path: &str,
        kind: &str,
        name: Option<&str>,
        ids: &BTreeMap<String, u32>,
    ) -> Result<Option<u32>, Error> {
        let Some(name) = name else { return Ok(None) };
        if let Some(id) = ids.get(name) {
            return Ok(Some(*id));
        }
        let reason = format!("the {kind} `{name}` is neither the packages' nor declared");
        let hint = similar(name, ids.keys().map(String::as_str))
            .map(|similar| format!("did you mean `{similar}`?"));
        Err(wrong(path, reason, hint))
    }

    fn nowhere(&self, path: &str, place: &str) -> Error {
        let (parent, name) = place.rsplit_once('/').unwrap_or(("", place));
        let siblings = self.paths.iter().map(|(path, _)| path);
        let siblings = siblings.chain(self.plan.keys().map(String::as_str)).filter_map(|other| {
            let (other_parent, other_name) = other.rsplit_once('/').unwrap_or(("", other));
            (other_parent == parent).then_some(other_name)
        });
        let hint = similar(name, siblings).map(|similar| {
            format!(
                "did you mean `/{parent}{}{similar}`?",
                if parent.is_empty() { "" } else { "/" }
            )
        });
        wrong(path, "neither the packages nor the definition have such a path".to_owned(), hint)
    }

    /// Adds the directories that lead to what is planned, as the packages have them.
    fn parents(&mut self) {
        let places: Vec<String> = self.plan.keys().cloned().collect();
        let mut missing: Vec<String> = vec![String::new()];
        for place in places {
            missing.extend(place.match_indices('/').map(|(at, _)| place[..at].to_owned()));
        }
        for place in missing {
            let entry = match self.paths.get(&place) {
                Some(entry) if entry.kind == Kind::Directory => entry.clone(),
                _ if PRIVATE.contains(&place.as_str()) => self.entry(Kind::Directory, 0o700),
                _ => self.entry(Kind::Directory, 0o755),
            };
            let asked = format!("/{place}");
            let planned = Planned { entry, content: Content::None, asked };
            self.plan.entry(place).or_insert(planned);
        }
    }
}

fn wrong(path: &str, reason: String, hint: Option<String>) -> Error {
    Error::Path { path: path.to_owned(), reason, hint }
}
