//! The lock of a server: read, made, moved, compared.

use std::path::Path;

use definition::edit::EditError;
use definition::{Distribution, Server};
use digest::Digest;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use lock::{Diff, Ids, Lock, Outdated, Request};
use sandbox::LockedGroup;
use store::Store;

use crate::{Error, Session, archive, own, replace, request};

/// A lock that was made.
#[derive(Debug)]
pub struct Relocked {
    /// The new lock.
    pub lock: Lock,
    /// What it changed.
    pub diff: Diff,
}

impl Relocked {
    fn new(previous: Option<&Lock>, lock: Lock) -> Self {
        for index in &lock.indexes {
            let signed = index.signed.to_zoned(TimeZone::UTC).date();
            let days = lock.date.since(signed).map_or(0, |span| span.get_days());
            let age = if days > 0 { format!(", {days} days before") } else { String::new() };
            progress::done("Index", format!("{}, signed {signed}{age}", index.suite));
        }
        let diff = Diff::between(previous, &lock);
        Self { lock, diff }
    }

    fn written(self, server: &Server) -> Result<Self, Error> {
        self.lock.write(&server.lock_path(), server.name.as_str())?;
        Ok(self)
    }
}

/// The lock to build `server` from: the one that is there, or a new one as Cargo would write it.
///
/// # Errors
/// [`Error::Unlocked`] and [`Error::Stale`] when the lock would have to change and `locked`
/// forbids it; else what keeps it from being read or resolved.
pub fn current(store: &Store, server: &Server, locked: bool) -> Result<Lock, Error> {
    let path = server.lock_path();
    let request = request::of(server);
    let name = server.name.to_string();
    own::keep(store, server)?;
    if !path.exists() {
        if locked {
            return Err(Error::Unlocked { server: name });
        }
        return Ok(relock(store, server, &[])?.lock);
    }
    let lock = Lock::read(&path)?;
    if lock.request == request.digest() {
        own::check_sources(server, &lock)?;
        return Ok(lock);
    }
    own::check_changed(server, &lock)?;
    if locked {
        return Err(Error::Stale { server: name });
    }
    // The definition asks for something else: what it does not touch stays where it was, unless
    // the day itself moved.
    let moved = lock.date != request.date();
    let relocked =
        if moved { relock(store, server, &[])? } else { keep_others(store, server, &lock)? };
    progress::done("Locked", format!("{name}: server.toml asks for something else now"));
    for line in relocked.diff.to_string().lines() {
        progress::done("", line);
    }
    Ok(relocked.lock)
}

/// The digest of what `server` asks of its archive: that of a lock which answers it.
pub fn asked(server: &Server) -> Digest {
    request::of(server).digest()
}

/// Resolves `server` anew, or only `update` and what it needs, and writes the lock.
///
/// # Errors
/// What keeps the request from being resolved; the lock is as it was then.
pub fn relock(store: &Store, server: &Server, update: &[String]) -> Result<Relocked, Error> {
    resolve(store, server, update)?.written(server)
}

/// Changes the server.toml of `name` by `edit`, and its lock by what `resolve` makes of the new
/// definition ([`resolve()`], [`resolve_pin`]). Both are written when both are ready, one rename
/// after the other.
///
/// # Errors
/// What keeps it from being resolved, [`Error::Edit`], and [`Error::Edited`] when somebody else
/// wrote server.toml meanwhile; both files are as they were then.
pub fn change(
    session: &Session,
    name: &str,
    edit: impl FnOnce(&str) -> Result<String, EditError>,
    resolve: impl FnOnce(&Store, &Server) -> Result<Relocked, Error>,
) -> Result<Relocked, Error> {
    // As it is, so that what is wrong with it is not put down to the change.
    let path = session.workspace.server(name)?.definition_path();
    let read = || std::fs::read_to_string(&path).map_err(Error::io("read", &path));
    let before = read()?;
    let after = edit(&before).map_err(|source| Error::Edit { path: path.clone(), source })?;
    let server = session.workspace.server_with(name, &after)?;
    let relocked = resolve(&session.store, &server)?;
    if read()? != before {
        return Err(Error::Edited { path });
    }
    let lock = relocked.lock.text(server.name.as_str());
    replace::all(&[(&path, &after), (&server.lock_path(), &lock)])?;
    Ok(relocked)
}

/// What [`relock`] writes, not written.
///
/// # Errors
/// What keeps the request from being resolved.
pub fn resolve(store: &Store, server: &Server, update: &[String]) -> Result<Relocked, Error> {
    let path = server.lock_path();
    let before = Before::read(&path, update)?;
    let request = request::of(server);
    not_in_future(server, request.date())?;
    own::keep(store, server)?;
    let subject = server.name.as_str();
    let lock = match (&before.lock, update) {
        (Some(previous), [_, ..]) => archive::update(store, subject, request, previous, update)?,
        (None, [_, ..]) => return Err(Error::Unlocked { server: server.name.to_string() }),
        (previous, []) => archive::resolve(store, subject, request, previous.as_ref())?,
    };
    let lock = match before.ids {
        Some(Ids { users, groups }) => Lock { users, groups, ..lock },
        None => lock,
    };
    Ok(Relocked::new(before.lock.as_ref(), lock))
}

/// What a new lock begins with.
#[derive(Default)]
struct Before {
    lock: Option<Lock>,
    /// The ids of one that cannot be read.
    ids: Option<Ids>,
}

impl Before {
    /// Of the file at `path`, if there is one. A lock that cannot be read is made anew, unless only
    /// some packages are to move: what the others are is in it.
    fn read(path: &Path, update: &[String]) -> Result<Self, Error> {
        if !path.exists() {
            return Ok(Self::default());
        }
        match Lock::read(path) {
            Ok(lock) => Ok(Self { lock: Some(lock), ids: None }),
            Err(error @ lock::Error::Invalid { .. }) if update.is_empty() => {
                let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
                let ids = Ids::salvage(&text, path)?;
                let known = ids.users.len() + ids.groups.len();
                progress::warning(format!("{error}; locking anew, with the {known} ids in it"));
                Ok(Self { lock: None, ids: Some(ids) })
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Resolves `server` after a pin of `package` came or went: all else stays where it was.
///
/// # Errors
/// As [`resolve()`].
pub fn resolve_pin(store: &Store, server: &Server, package: &str) -> Result<Relocked, Error> {
    let path = server.lock_path();
    if !path.exists() {
        return resolve(store, server, &[]);
    }
    let previous = Lock::read(&path)?;
    let request = request::of(server);
    not_in_future(server, request.date())?;
    own::keep(store, server)?;
    let moving: Vec<_> = previous.package(package).map(|it| it.name.clone()).into_iter().collect();
    let lock = archive::update(store, server.name.as_str(), request, &previous, &moving)?;
    Ok(Relocked::new(Some(&previous), lock))
}

/// A lock of a day that has not come would have what there is now, and be another one that day.
fn not_in_future(server: &Server, date: Date) -> Result<(), Error> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    if date > today {
        return Err(Error::Future { server: server.name.to_string(), date });
    }
    Ok(())
}

fn keep_others(store: &Store, server: &Server, previous: &Lock) -> Result<Relocked, Error> {
    let request = request::of(server);
    let lock = archive::update(store, server.name.as_str(), request, previous, &[])?;
    Relocked::new(Some(previous), lock).written(server)
}

/// The newest day whose end the archive of `server` has, today being `today`. That of Arch gets the
/// folder of a day in the course of the day.
pub fn newest_day(server: &Server, today: Date) -> Date {
    match server.archive.distribution {
        Distribution::Debian(_) => today,
        Distribution::Arch(_) => today.yesterday().unwrap_or(today),
    }
}

/// What a lock of `date` would have in other versions. Nothing is written.
///
/// # Errors
/// What keeps the lock from being read or the request from being resolved.
pub fn outdated(store: &Store, server: &Server, date: Date) -> Result<Vec<Outdated>, Error> {
    let path = server.lock_path();
    if !path.exists() {
        return Err(Error::Unlocked { server: server.name.to_string() });
    }
    let lock = Lock::read(&path)?;
    let request = request::of(server);
    own::keep(store, server)?;
    let date = date.max(request.date());
    // What is pinned is out of date by intent and shown as such.
    let unpinned = request.unpinned_at(date);
    let newer = archive::resolve(store, server.name.as_str(), unpinned, Some(&lock))?;
    Ok(lock::outdated(&lock, &newer))
}

/// The lock that answers `request`, of no server; `subject` is what people call it.
///
/// # Errors
/// What keeps the request from being resolved.
pub fn of_request(store: &Store, subject: &str, request: Request) -> Result<Lock, Error> {
    archive::resolve(store, subject, request, None)
}

/// Resolves the tool root anew and writes tools.lock.
///
/// # Errors
/// What keeps tools.toml from being read or resolved; the lock is as it was then.
pub fn relock_tools(session: &Session) -> Result<Vec<LockedGroup>, Error> {
    sandbox::lock_tools(session.workspace.root(), |subject, request, previous| {
        archive::resolve(&session.store, subject, request, previous)
    })
}
