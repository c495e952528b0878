//! The ids of a new user namespace (user_namespaces(7)).

use std::fmt::Write as _;
use std::fs;
use std::io;

use crate::error::{Error, Result};
use crate::protocol::Step;

/// Users and groups of a server: 0 to 65,535.
const IDS: u32 = 65_536;

/// One line of `/proc/PID/uid_map`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    inside: u32,
    outside: u32,
    count: u32,
}

/// Makes the caller root of its own new user namespace, where nobody else exists.
///
/// `uid` and `gid` are the caller's ids before it entered.
pub(crate) fn map_single(uid: u32, gid: u32) -> io::Result<()> {
    // Without privileges a group map is only accepted when setgroups is given up.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// Gives the user namespace of process `pid` 65,536 users and groups. The caller is root there.
///
/// Root maps each id to itself; everyone else maps 0 to itself and the rest to the ranges of
/// `/etc/subuid` and `/etc/subgid`, through `newuidmap` and `newgidmap`.
pub(crate) fn map_range(pid: u32) -> Result<()> {
    let uid = rustix::process::geteuid().as_raw();
    if uid == 0 {
        return map_identity(pid);
    }
    let gid = rustix::process::getegid().as_raw();
    let user = User::of(uid);
    for (program, file, own) in
        [("newuidmap", "/etc/subuid", uid), ("newgidmap", "/etc/subgid", gid)]
    {
        let text = fs::read_to_string(file).unwrap_or_default();
        let segments = segments(own, &ranges(&text, &user))
            .ok_or_else(|| Error::NoIdRange { user: user.label(), file })?;
        run_mapper(program, pid, &segments)?;
    }
    Ok(())
}

fn map_identity(pid: u32) -> Result<()> {
    for file in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{pid}/{file}"), format!("0 0 {IDS}")).map_err(|source| {
            Error::Setup { step: Step::IdMap, what: format!("map {IDS} ids to themselves"), source }
        })?;
    }
    Ok(())
}

fn run_mapper(program: &'static str, pid: u32, segments: &[Segment]) -> Result<()> {
    let mut args = vec![pid.to_string()];
    for Segment { inside, outside, count } in segments {
        args.extend([inside.to_string(), outside.to_string(), count.to_string()]);
    }
    let output = duct::cmd(program, args)
        .stdin_null()
        .stdout_null()
        .stderr_capture()
        .unchecked()
        .run()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NoIdMapper { program },
            _ => Error::IdMapper { program, message: error.to_string() },
        })?;
    if output.status.success() {
        return Ok(());
    }
    let mut message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if message.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(message, "{}", output.status);
    }
    Err(Error::IdMapper { program, message })
}

/// Who calls, as `/etc/subuid` may name it.
struct User {
    uid: u32,
    name: Option<String>,
}

impl User {
    fn of(uid: u32) -> Self {
        let listed = fs::read_to_string("/etc/passwd").ok().and_then(|text| name(&text, uid));
        // Users of a directory service are not listed; newuidmap checks what the session says.
        let name = listed.or_else(|| std::env::var("USER").ok());
        Self { uid, name }
    }

    fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.uid.to_string())
    }
}

/// The name that a passwd(5) file gives to `uid`.
fn name(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// The ranges (first id, count) that a subuid(5) file gives to `user`.
fn ranges(text: &str, user: &User) -> Vec<(u32, u32)> {
    let number = user.uid.to_string();
    let own = |who: &str| who == number || user.name.as_deref() == Some(who);
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            fields.next().filter(|who| own(who))?;
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .collect()
}

/// Maps 0 to `own` and 1 to 65,535 to as many of `ranges` as it takes; `None` if there are too few.
fn segments(own: u32, ranges: &[(u32, u32)]) -> Option<Vec<Segment>> {
    let mut segments = vec![Segment { inside: 0, outside: own, count: 1 }];
    let mut next = 1;
    for &(first, count) in ranges {
        let count = count.min(IDS - next);
        if count > 0 {
            segments.push(Segment { inside: next, outside: first, count });
            next += count;
        }
    }
    (next == IDS).then_some(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> User {
        User { uid: 1000, name: Some("ada".into()) }
    }

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        let text = "eve:1:65536\nada:100000:65536\n\n1000:300000:7\nada:bad\n";
        assert_eq!(ranges(text, &ada()), [(100_000, 65_536), (300_000, 7)]);
    }

    #[test]
    fn every_id_is_mapped_once_and_root_is_the_caller() {
        let map = segments(1000, &[(100_000, 30_000), (200_000, 65_536)]).unwrap();
        assert_eq!(
            map,
            [
                Segment { inside: 0, outside: 1000, count: 1 },
                Segment { inside: 1, outside: 100_000, count: 30_000 },
                Segment { inside: 30_001, outside: 200_000, count: 35_535 },
            ]
        );
    }

    #[test]
    fn too_small_a_range_is_no_range() {
        assert_eq!(segments(1000, &[(100_000, 65_534)]), None);
        assert!(segments(1000, &[(100_000, 65_535)]).is_some());
        assert_eq!(segments(1000, &[]), None);
    }

    #[test]
    fn the_name_of_an_id_is_that_of_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!(name(passwd, 1000).as_deref(), Some("ada"));
        assert_eq!(name(passwd, 1001), None);
    }
}
