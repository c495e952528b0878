//! e2fsck: the check of the data filesystem before it is mounted.
//!
//! The initramfs has it as a static program. `-p` repairs what is safe to repair without asking;
//! where that is not enough `-y` takes every repair that it offers, for there is nobody to ask, and
//! a server that says what it lost is worth more than one that does not come up. Exit codes: bits,
//! as e2fsck(8) has them.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use generation::filesystem::{Check, Outcome};

use crate::log::Log;
use crate::watchdog::Watchdog;

/// Where the initramfs has it.
pub(crate) const PROGRAM: &str = "/sbin/e2fsck";

/// The longest that both runs may take together. A full disk of 4 TB takes half of it.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Between two looks whether it has ended.
const INTERVAL: Duration = Duration::from_millis(50);
/// Between two words about how long it takes.
const STILL: Duration = Duration::from_secs(30);

/// So many lines may wait to be taken.
const WAITING: usize = 4096;
/// The longest line that is read, in bytes: what is damaged may be a name.
const LINE: u64 = 4096;

/// Checks the filesystem on the device `node`. `asked` says why.
pub(crate) fn check(node: &Path, asked: String, log: &Log, watchdog: &mut Watchdog) -> Check {
    log.warning(format_args!("the data filesystem is checked: {asked}"));
    let start = Instant::now();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let mut check = Check {
        boot: boot.trim().to_owned(),
        asked,
        outcome: Outcome::Absent,
        seconds: 0,
        lines: Vec::new(),
        more: 0,
    };
    let mut run = |how: &str, check: &mut Check| {
        let mut command = Command::new(PROGRAM);
        command.arg("-f").arg(how).arg(node);
        run(&mut command, start + LIMIT, check, log, watchdog)
    };
    check.outcome = match run("-p", &mut check) {
        Ended::Status(code) if !repaired(code) => {
            log.warning(format_args!("e2fsck -p ended with {code}: every repair is made now"));
            outcome(&run("-y", &mut check))
        }
        ended => outcome(&ended),
    };
    check.seconds = start.elapsed().as_secs();
    let (outcome, seconds) = (words(check.outcome), check.seconds);
    log.warning(format_args!("the check of the data filesystem took {seconds} s: {outcome}"));
    check
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// With this exit status; one that was killed by somebody else with -1.
    Status(i32),
    /// It was out of time and was killed.
    OutOfTime,
    /// It did not begin.
    NotStarted,
}

fn outcome(ended: &Ended) -> Outcome {
    match ended {
        Ended::Status(0) => Outcome::Clean,
        Ended::Status(code) if repaired(*code) => Outcome::Repaired,
        Ended::Status(_) => Outcome::Failed,
        Ended::OutOfTime => Outcome::Stopped,
        Ended::NotStarted => Outcome::Absent,
    }
}

/// Whether everything that is wrong was repaired: 1, and 2, which asks for a reboot because the
/// filesystem was mounted (it is not). 4 says that errors are left, 8 and more that it could not
/// do its work.
fn repaired(code: i32) -> bool {
    (0..4).contains(&code)
}

/// What came of it, for people.
pub(crate) fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Clean => "nothing is wrong",
        Outcome::Repaired => "what was wrong is repaired",
        Outcome::Failed => "not everything could be repaired",
        Outcome::Stopped => "it took too long and was stopped",
        Outcome::Absent => "e2fsck could not be started",
    }
}

/// Runs `command` until it ends or `deadline` has come; what it says goes to `check` and the log.
fn run(
    command: &mut Command,
    deadline: Instant,
    check: &mut Check,
    log: &Log,
    watchdog: &mut Watchdog,
) -> Ended {
    let (mut child, lines) = match start(command) {
        Ok(started) => started,
        Err(error) => {
            log.warning(format_args!("e2fsck does not start: {error}"));
            check.say(&format!("e2fsck does not start: {error}"));
            return Ended::NotStarted;
        }
    };
    let mut said = Instant::now();
    loop {
        lines.try_iter().for_each(|line| tell(&line, check, log));
        if let Ok(Some(status)) = child.try_wait() {
            // What it said last is still on its way.
            lines.iter().for_each(|line| tell(&line, check, log));
            return Ended::Status(status.code().unwrap_or(-1));
        }
        if Instant::now() >= deadline {
            stop(&mut child);
            return Ended::OutOfTime;
        }
        if said.elapsed() > STILL {
            said = Instant::now();
            log.warning("the check of the data filesystem goes on");
        }
        watchdog.sleep(INTERVAL);
    }
}

/// Starts `command`; what it says on either output comes line by line.
fn start(command: &mut Command) -> io::Result<(Child, Receiver<String>)> {
    let mut child = command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (sender, lines) = sync_channel(WAITING);
    let both = read_all(child.stdout.take(), sender.clone())
        .and_then(|()| read_all(child.stderr.take(), sender));
    match both {
        Ok(()) => Ok((child, lines)),
        Err(error) => {
            stop(&mut child);
            Err(error)
        }
    }
}

/// Sends all lines of `output`, until it ends or nobody takes them.
fn read_all(output: Option<impl Read + Send + 'static>, to: SyncSender<String>) -> io::Result<()> {
    let Some(output) = output else { return Ok(()) };
    let work = move || {
        let mut output = BufReader::new(output);
        while let Some(line) = next_line(&mut output) {
            if to.send(line).is_err() {
                break;
            }
        }
    };
    thread::Builder::new().spawn(work).map(drop)
}

/// The next line, or the first [`LINE`] bytes of it: a list of blocks may have megabytes.
fn next_line(output: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    output.by_ref().take(LINE).read_until(b'\n', &mut line).ok().filter(|read| *read > 0)?;
    if !line.ends_with(b"\n") {
        output.skip_until(b'\n').ok()?;
    }
    Some(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn tell(line: &str, check: &mut Check, log: &Log) {
    if line.is_empty() {
        return;
    }
    let before = check.lines.len();
    check.say(line);
    if let Some(line) = check.lines.get(before) {
        log.warning(format_args!("e2fsck: {line}"));
    }
}

fn stop(child: &mut Child) {
    // One that has ended meanwhile cannot be killed and need not be.
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check() -> Check {
        let asked = "test".to_owned();
        let (boot, lines) = (String::new(), Vec::new());
        Check { boot, asked, outcome: Outcome::Absent, seconds: 0, lines, more: 0 }
    }

    fn run_shell(script: &str, limit: Duration) -> (Ended, Check) {
        let (mut check, log) = (check(), Log::nowhere());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let deadline = Instant::now() + limit;
        let ended = run(&mut command, deadline, &mut check, &log, &mut Watchdog::asleep());
        (ended, check)
    }

    #[test]
    fn exit_codes_are_those_of_e2fsck() {
        for (code, expected) in [
            (0, Outcome::Clean),
            (1, Outcome::Repaired),
            (2, Outcome::Repaired),
            (3, Outcome::Repaired),
            (4, Outcome::Failed),
            (5, Outcome::Failed),
            (8, Outcome::Failed),
            (12, Outcome::Failed),
            (32, Outcome::Failed),
            (-1, Outcome::Failed),
        ] {
            assert_eq!(outcome(&Ended::Status(code)), expected, "{code}");
        }
        assert_eq!(outcome(&Ended::OutOfTime), Outcome::Stopped);
        assert_eq!(outcome(&Ended::NotStarted), Outcome::Absent);
    }

    #[test]
    fn what_it_says_is_kept_to_its_last_line() {
        let script = "echo one; echo two >&2; echo; printf three; exit 5";
        let (ended, check) = run_shell(script, Duration::from_secs(30));
        assert_eq!(ended, Ended::Status(5));
        // Of two outputs one may be the first.
        let mut lines = check.lines;
        lines.sort();
        assert_eq!(lines, ["one", "three", "two"]);
    }

    #[test]
    fn a_check_that_says_very_much_does_not_wait_for_its_reader() {
        let script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done";
        let (ended, check) = run_shell(script, Duration::from_secs(60));
        assert_eq!(ended, Ended::Status(0));
        assert_eq!(check.lines.len() as u64 + check.more, 20_000);
    }

    #[test]
    fn of_a_list_of_blocks_the_beginning_is_kept_and_what_follows_it() {
        let text = format!("differences: {}\n\nFixed.\nlast", "-(1--2) ".repeat(100_000));
        let mut text = text.as_bytes();
        let lines: Vec<_> = std::iter::from_fn(|| next_line(&mut text)).collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].len() <= LINE as usize && lines[0].starts_with("differences: -(1--2)"));
        assert_eq!(lines[1..], ["", "Fixed.", "last"]);
    }

    #[test]
    fn a_check_without_end_is_stopped() {
        let (ended, _) = run_shell("exec sleep 600", Duration::from_millis(300));
        assert_eq!(ended, Ended::OutOfTime);
    }

    #[test]
    fn where_there_is_none_that_is_said() {
        let (mut check, log) = (check(), Log::nowhere());
        let mut command = Command::new("/no/such/e2fsck");
        let deadline = Instant::now() + Duration::from_secs(1);
        let ended = run(&mut command, deadline, &mut check, &log, &mut Watchdog::asleep());
        assert_eq!(ended, Ended::NotStarted);
        assert!(check.lines[0].contains("does not start"), "{:?}", check.lines);
    }
}
