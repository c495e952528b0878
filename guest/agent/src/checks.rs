//! Whether the server is healthy: what systemd and the server's own check program say.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};
use transfer::report::{Health, Mirror};

use crate::failed::last_words;
use crate::restarts::restarting;
use crate::{disk, memory, print};

/// The server's own check program.
pub const PROGRAM: &str = "/usr/lib/heirloom/health";

/// How long the program may take. One that does not end is not healthy.
const PATIENCE: Duration = Duration::from_secs(120);
const INTERVAL: Duration = Duration::from_millis(200);

/// The longest output that is kept, in bytes.
const MAX_OUTPUT: usize = 64 * 1024;

/// What to do with a service that nothing else requires: it is started when the boot is complete
/// (systemd.special(7)).
const COMPLETE: &str = "boot-complete.target";

/// What was seen.
pub struct Look {
    /// Whether the server is healthy.
    pub health: Health,
    /// Whether it is ill in a way that waiting does not mend: it has started to its end, and units
    /// have failed that nothing starts again.
    pub hopeless: bool,
}

/// Looks once. That one of the units `known` has failed says nothing.
pub fn look(known: &[String]) -> Look {
    let health = look_at_all(known);
    let hopeless = health.lines.first().is_some_and(|line| line == FAILED);
    let health = memory::judge(memory::report().ok(), health);
    let disk = disk::report();
    with(disk.mirror.as_ref(), without(disk.lost, Look { health, hopeless }))
}

/// A mirror that has lost a disk is said. It has all data, so the server is as healthy as it was: a
/// trial of a new generation has nothing to do with it.
fn with(mirror: Option<&Mirror>, mut look: Look) -> Look {
    if let Some(mirror) = mirror.filter(|mirror| !mirror.is_complete()) {
        look.health.lines.push(format!("mirror: {}", print::mirrored(mirror)));
    }
    look
}

/// A server that goes without its disk or a part of it is not healthy, and waiting mends nothing.
fn without(lost: Vec<String>, mut look: Look) -> Look {
    if !lost.is_empty() {
        look.hopeless |= !look.health.starting;
        look.health.healthy = false;
        look.health.lines.splice(0..0, lost);
    }
    look
}

/// What is said first when units have failed.
const FAILED: &str = "units have failed:";

/// The names of the units that have failed, or are restarted again and again.
pub fn failed_units() -> Vec<String> {
    let (failed, restarting) = (systemctl(&ALL_FAILED), restarting());
    names(&failed).chain(names(&restarting)).map(str::to_owned).collect()
}

const ALL_FAILED: [&str; 4] = ["--failed", "--plain", "--no-legend", "--full"];

/// The units that lines of systemctl(1) begin with.
fn names(lines: &str) -> impl Iterator<Item = &str> {
    lines.lines().filter_map(|line| line.split_whitespace().next())
}

/// The lines about units that are not among `known`.
fn unknown(lines: &str, known: &[String]) -> String {
    let is_known = |line: &&str| names(line).any(|name| known.iter().any(|known| known == name));
    lines.lines().filter(|line| !is_known(line)).map(|line| format!("{line}\n")).collect()
}

fn look_at_all(known: &[String]) -> Health {
    let state = systemctl(&["is-system-running"]);
    match state.as_str() {
        "running" => {}
        "degraded" => {
            let failed = unknown(&systemctl(&ALL_FAILED), known);
            if !failed.is_empty() || known.is_empty() {
                return of_units(FAILED, &failed);
            }
        }
        "initializing" | "starting" => {
            let jobs = systemctl(&["list-jobs", "--no-legend", "--full"]);
            return starting(&jobs);
        }
        other => return unhealthy(&format!("systemd says `{other}`"), ""),
    }
    let restarting = unknown(&restarting(), known);
    if !restarting.is_empty() {
        return of_units("units are restarted again and again:", &restarting);
    }
    systemctl(&["start", "--no-block", COMPLETE]);
    let complete = systemctl(&["is-active", COMPLETE]);
    if complete != "active" {
        return unhealthy(&format!("{COMPLETE} is not reached: {complete}"), "");
    }
    program(Path::new(PROGRAM), PATIENCE)
}

/// What the check program `path` says.
pub fn program(path: &Path, patience: Duration) -> Health {
    let (healthy, output) = match run(path, patience) {
        Ok((status, output)) => (status, output),
        Err(error) => return unhealthy(&format!("{} does not run: {error}", path.display()), ""),
    };
    let mut lines: Vec<String> = output.lines().map(str::to_owned).collect();
    if !healthy && lines.is_empty() {
        lines.push(format!("{} says no more than that", path.display()));
    }
    Health { healthy, starting: false, lines }
}

/// Whether it ended well within `patience`, and what it printed.
///
/// It and all that it starts are a process group: whatever is left of that when it has ended, or is
/// out of time, is killed. What has left the group may still hold the pipe; nobody waits for it.
fn run(path: &Path, patience: Duration) -> io::Result<(bool, String)> {
    let mut child = Command::new(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let mut output = Output::of(child.stdout.take())?;
    let start = Instant::now();
    let status = loop {
        output.take_what_is_there();
        match child.try_wait() {
            Ok(None) if start.elapsed() <= patience => thread::sleep(INTERVAL),
            ended => break ended,
        }
    };
    end_group(&child);
    let Some(status) = status? else {
        child.wait()?;
        let seconds = patience.as_secs();
        return Err(io::Error::other(format!("it did not end within {seconds} s")));
    };
    // What it wrote last.
    output.take_what_is_there();
    Ok((status.success(), String::from_utf8_lossy(&output.bytes).into_owned()))
}

/// Kills what is left of the group that `child` leads.
fn end_group(child: &Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // None is left where it has ended with all that it started.
    let _ = group.map(|group| kill_process_group(group, Signal::KILL));
}

/// What a program prints, read without ever waiting for it.
struct Output {
    pipe: Option<ChildStdout>,
    bytes: Vec<u8>,
}

impl Output {
    fn of(pipe: Option<ChildStdout>) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            let flags = fcntl_getfl(pipe)?;
            fcntl_setfl(pipe, flags | OFlags::NONBLOCK)?;
        }
        Ok(Self { pipe, bytes: Vec::new() })
    }

    /// Reads as much as there is. Behind the longest output that is kept the rest is thrown away.
    fn take_what_is_there(&mut self) {
        let mut piece = [0; 4096];
        while let Some(read) = self.pipe.as_mut().map(|pipe| pipe.read(&mut piece)) {
            match read {
                Ok(read @ 1..) => {
                    let room = MAX_OUTPUT.saturating_sub(self.bytes.len());
                    self.bytes.extend_from_slice(&piece[..read.min(room)]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Its end; what was read before an error is what there is to show.
                Ok(0) | Err(_) => self.pipe = None,
            }
        }
    }
}

/// The state of the whole system, in systemd's words.
pub fn system_state() -> String {
    systemctl(&["is-system-running"])
}

/// Asks systemd to reboot; without its help when it does not.
pub fn reboot() -> io::Result<()> {
    for arguments in [&["reboot"][..], &["reboot", "--force"][..]] {
        let asked = Command::new("systemctl").args(arguments).stdin(Stdio::null()).status();
        if asked.is_ok_and(|status| status.success()) {
            return Ok(());
        }
    }
    rustix::fs::sync();
    Ok(rustix::system::reboot(rustix::system::RebootCommand::Restart)?)
}

/// What systemctl answers.
pub(crate) fn systemctl(arguments: &[&str]) -> String {
    let asked = Command::new("systemctl").args(arguments).stdin(Stdio::null()).output();
    let text = |output: process::Output| String::from_utf8_lossy(&output.stdout).trim().to_owned();
    // An answer that is none is shown as it is.
    asked.map_or_else(|error| format!("no answer: {error}"), text)
}

fn unhealthy(what: &str, lines: &str) -> Health {
    let rest = lines.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty());
    let lines = std::iter::once(what.to_owned()).chain(rest).collect();
    Health { healthy: false, starting: false, lines }
}

/// `units` are lines that begin with a unit's name; what each said last is added.
fn of_units(what: &str, units: &str) -> Health {
    let mut health = unhealthy(what, units);
    health.lines.extend(last_words(units));
    health
}

/// Not healthy, and nothing is wrong: `jobs` are what systemd still has to do.
fn starting(jobs: &str) -> Health {
    Health { starting: true, ..unhealthy("the server is still starting:", jobs) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_server_that_goes_without_its_disk_is_not_healthy() {
        let health = Health { healthy: true, starting: false, lines: vec!["all is well".into()] };
        let look = without(Vec::new(), Look { health: health.clone(), hopeless: false });
        assert!(look.health.healthy && !look.hopeless);
        let look = without(vec!["no disk".into()], Look { health, hopeless: false });
        assert!(!look.health.healthy && look.hopeless);
        assert_eq!(look.health.lines, ["no disk", "all is well"]);
    }

    #[test]
    fn of_units_that_had_failed_before_nothing_is_said() {
        let failed = "a.service loaded failed failed The first\nb.service loaded failed failed\n";
        assert_eq!(names(failed).collect::<Vec<_>>(), ["a.service", "b.service"]);
        assert_eq!(unknown(failed, &[]), failed);
        let left = unknown(failed, &["a.service".into(), "c.service".into()]);
        assert_eq!(left, "b.service loaded failed failed\n");
        assert_eq!(unknown(failed, &["a.service".into(), "b.service".into()]), "");
    }

    #[test]
    fn a_mirror_that_has_lost_a_disk_is_said_and_fails_no_trial() {
        let health = Health { healthy: true, starting: false, lines: vec!["all is well".into()] };
        let look = || Look { health: health.clone(), hopeless: false };
        let (whole, wanted) = (vec!["vda".to_owned()], 2);
        let mut mirror = Mirror { whole, rebuilt: vec![], failed: vec![], wanted, percent: None };
        let told = with(Some(&mirror), look());
        assert!(told.health.healthy && !told.hopeless);
        let said = told.health.lines.last().unwrap();
        assert!(said.starts_with("mirror: vda alone, a disk is missing"), "{said}");
        mirror.whole.push("vdb".into());
        assert_eq!(with(Some(&mirror), look()).health.lines, ["all is well"]);
        assert_eq!(with(None, look()).health.lines, ["all is well"]);
    }

    fn script(text: &str) -> tempfile::TempPath {
        let file = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        // Written by another process: what another test's fork holds open to be written cannot be
        // run (ETXTBSY, execve(2)).
        let mut write = Command::new("sh");
        write.args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$0\""]).arg(&*file).arg(text);
        assert!(write.status().unwrap().success());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    fn said(healthy: bool, line: &str) -> Health {
        Health { healthy, starting: false, lines: vec![line.into()] }
    }

    #[test]
    fn a_program_is_healthy_when_it_says_so() {
        let well = program(&script("echo ok smtp"), PATIENCE);
        assert_eq!(well, said(true, "ok smtp"));
        let ill = program(&script("echo not ok smtp; exit 1"), PATIENCE);
        assert_eq!(ill, said(false, "not ok smtp"));
        assert!(!program(&script("exit 1"), PATIENCE).lines.is_empty());
    }

    #[test]
    fn a_program_that_is_not_there_or_does_not_end_is_not_healthy() {
        let none = program(Path::new("/nonexistent"), PATIENCE);
        assert!(!none.healthy && none.lines[0].contains("does not run"), "{none:?}");
        let slow = program(&script("exec sleep 60"), Duration::from_millis(50));
        assert!(!slow.healthy && slow.lines[0].contains("did not end"), "{slow:?}");
    }

    /// A script that starts another program, and that program's process id once it has run.
    fn leaves_behind(text: &str, patience: Duration) -> (Health, u32) {
        let directory = tempfile::tempdir().unwrap();
        let pid = directory.path().join("pid");
        let health = program(&script(&text.replace("PID", pid.to_str().unwrap())), patience);
        let pid = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        (health, pid)
    }

    fn runs(pid: u32) -> bool {
        // One that was killed is a zombie until somebody asks for it.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
    }

    fn ends(pid: u32) -> bool {
        (0..100).any(|_| {
            thread::sleep(Duration::from_millis(20));
            !runs(pid)
        })
    }

    #[test]
    fn what_a_program_leaves_behind_is_not_waited_for_and_ends_with_it() {
        let start = Instant::now();
        let left = "sleep 300 & echo $! >PID; echo ok smtp";
        let (health, pid) = leaves_behind(left, Duration::from_secs(60));
        assert_eq!(health, said(true, "ok smtp"));
        assert!(ends(pid), "what it left behind still runs");

        let stuck = "sleep 300 & echo $! >PID; wait";
        let (health, pid) = leaves_behind(stuck, Duration::from_millis(300));
        assert!(!health.healthy && health.lines[0].contains("did not end"), "{health:?}");
        assert!(ends(pid), "what it waited for still runs");

        // What has left the group keeps the pipe open, and hinders nobody.
        let escaped = "setsid sh -c 'echo $$ >PID; exec sleep 300' & sleep 1; echo ok smtp";
        let (health, pid) = leaves_behind(escaped, Duration::from_secs(60));
        assert_eq!(health, said(true, "ok smtp"));
        assert!(runs(pid));
        rustix::process::kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL).unwrap();
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_program_that_prints_without_end_is_heard_to_a_limit() {
        let health = program(&script("yes x | head -c 1000000"), Duration::from_secs(60));
        assert!(health.healthy, "{health:?}");
        assert_eq!(health.lines.len(), MAX_OUTPUT / 2);
    }
}
