//! What people read.

use std::fmt::Write;

use transfer::report::{Hidden, Mirror, Status, TrialState};
use transfer::table::megabytes;

use crate::audit::{Audit, What};
use crate::memory;
use crate::scrub::Scrubbed;

/// So many names of what older state hides are shown.
const HIDDEN_NAMES: usize = 5;

/// `heirloom status`.
pub fn status(status: &Status) -> String {
    let mut text = String::new();
    let mut line = |what: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{what:<11} {value}");
    };
    let number = |number: Option<u64>| number.map_or("?".to_owned(), |number| number.to_string());
    let default = status.default;
    line("server", &format!("{} ({})", status.server, status.board));
    let role = if status.booted == default { "the default" } else { "not the default" };
    let booted = format!("{} ({role}), {}", number(status.booted), status.generation);
    line("generation", &booted);
    if status.booted != default {
        line("default", &number(default));
    }
    if let Some(trial) = &status.trial {
        let reason = trial.reason.as_deref().unwrap_or("no reason is known");
        let state = match trial.state {
            TrialState::Armed => "is to be tried at the next boot".to_owned(),
            TrialState::Running if trial.token.is_some() => {
                "is on trial, and waits for who deployed it to log in".to_owned()
            }
            TrialState::Running => "is on trial".to_owned(),
            TrialState::Confirmed => "was confirmed".to_owned(),
            TrialState::Failed => format!("failed: {reason}"),
        };
        line("last trial", &format!("generation {} {state}", trial.number));
        for detail in &trial.lines {
            line("", &format!("  {detail}"));
        }
    }
    match &status.health {
        None => line("health", "not looked at yet"),
        Some(health) if health.healthy => line("health", "healthy"),
        Some(health) => {
            line("health", if health.starting { "starting" } else { "NOT HEALTHY" });
            for detail in &health.lines {
                line("", &format!("  {detail}"));
            }
        }
    }
    for Hidden { path, names } in &status.hidden {
        let mut shown = names.iter().take(HIDDEN_NAMES).cloned().collect::<Vec<_>>().join(", ");
        if let Some(more @ 1..) = names.len().checked_sub(HIDDEN_NAMES) {
            shown = format!("{shown} and {more} more");
        }
        line("state", &format!("{path} is older than the image, which has {shown} there besides"));
    }
    for what in &status.corrupted {
        line("DAMAGED", what);
    }
    if let Some(mirror) = &status.disk.mirror {
        let what = if mirror.is_complete() { "mirror" } else { "MIRROR" };
        line(what, &mirrored(mirror));
    }
    for what in &status.disk.lost {
        line("DISK", what);
    }
    if let Some(check) = &status.disk.check {
        let when = if check.now { "at this boot" } else { "at an earlier boot" };
        let (asked, outcome, seconds) = (&check.asked, &check.outcome, check.seconds);
        line("checked", &format!("the data filesystem {when}, {seconds} s: {outcome}"));
        line("", &format!("  because {asked}"));
        for detail in &check.lines {
            line("", &format!("  {detail}"));
        }
        if check.more > 0 {
            line("", &format!("  and {} lines more", check.more));
        }
    }
    for note in &status.disk.notes {
        line("disk", note);
    }
    match &status.memory {
        Some(memory) if memory::is_full(memory) => line("ROOT", &memory::full(memory)),
        Some(memory) => {
            let used = memory.size.saturating_sub(memory.free);
            let (used, size) = (megabytes(used), megabytes(memory.size));
            line("memory", &format!("{used} of {size} for what is written and is not state"));
        }
        None => {}
    }
    line("up", &format!("{} s", status.uptime));
    text
}

/// What becomes of a mirror, in one line.
pub(crate) fn mirrored(mirror: &Mirror) -> String {
    let Mirror { whole, rebuilt, failed, percent, .. } = mirror;
    let mut text = whole.join(" and ");
    text += match mirror.is_complete() {
        true => ", complete",
        false => " alone",
    };
    if let (Some(disk), false) = (rebuilt.first(), mirror.is_complete()) {
        let _ = match percent {
            Some(percent) => write!(text, ", {disk} is rebuilt: {percent} %"),
            None => write!(text, ", {disk} waits to be rebuilt"),
        };
    } else if !mirror.is_complete() {
        text += ", a disk is missing: `heirloom mirror add DISK` gives it another";
    }
    if !failed.is_empty() {
        let _ = write!(text, "; {} has failed", failed.join(" and "));
    }
    text
}

/// `heirloom scrub`.
pub fn scrubbed(scrubbed: &Scrubbed) -> String {
    let Scrubbed { blobs, bytes, damaged } = scrubbed;
    let mut text = format!("{blobs} blobs read, {}\n", megabytes(*bytes));
    for blob in damaged {
        let _ = writeln!(text, "DAMAGED {blob}: the next deploy that has it sends it again");
    }
    text
}

/// `heirloom audit`.
pub fn audit(audit: &Audit, all: bool) -> String {
    let mut text = String::new();
    let (anew, lost): (Vec<_>, Vec<_>) = audit.lost.iter().partition(|it| it.anew);
    for it in lost.iter().chain(anew.iter().filter(|_| all)) {
        let what = match it.what {
            What::Written => megabytes(it.size),
            What::Removed => "removed".into(),
            What::Directory => "directory".into(),
        };
        let anew = if it.anew { " (made anew)" } else { "" };
        let _ = writeln!(text, "{what:>10}  {}{anew}", it.path.display());
    }
    let _ = match lost.len() {
        0 => writeln!(text, "nothing is lost at the next boot"),
        count => writeln!(
            text,
            "{} at the next boot: what is to stay is declared under [state] in server.toml, \
             or comes from the server's rootfs/",
            if count == 1 { "1 path is lost".into() } else { format!("{count} paths are lost") }
        ),
    };
    if !anew.is_empty() {
        let count = anew.len();
        let (are, named) = match all {
            true => ("are", ""),
            false => ("more are", "; `--all` names them"),
        };
        let _ =
            writeln!(text, "{count} {are} made anew: caches, and what every boot writes{named}");
    }
    for name in &audit.unused {
        let _ = writeln!(text, "state/{name} is used by nothing in this generation; it stays");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use digest::Digest;
    use transfer::report::{Disk, DiskCheck, Health};

    use super::*;
    use crate::audit::Lost;

    fn said(health: Option<Health>) -> String {
        status(&of(health))
    }

    fn of(health: Option<Health>) -> Status {
        Status {
            server: "mail".into(),
            board: "pc".into(),
            booted: Some(2),
            generation: Digest::of("2"),
            default: Some(1),
            trial: None,
            health,
            hidden: Vec::new(),
            corrupted: Vec::new(),
            disk: Disk::default(),
            memory: None,
            acknowledges: true,
            uptime: 9,
        }
    }

    #[test]
    fn what_older_state_hides_is_named_in_one_line() {
        let names = |count: usize| (1..=count).map(|it| it.to_string()).collect();
        let hidden = |count| Hidden { path: "/srv/html".into(), names: names(count) };
        let said = |count| status(&Status { hidden: vec![hidden(count)], ..of(None) });
        let begin = "state       /srv/html is older than the image, which has 1, 2";
        assert!(said(2).contains(&format!("{begin} there besides\n")), "{}", said(2));
        let end = ", 3, 4, 5 and 3 more there besides\n";
        assert!(said(8).contains(&format!("{begin}{end}")), "{}", said(8));
    }

    #[test]
    fn a_root_that_is_full_is_said_and_one_that_is_not_is_measured() {
        let said = |free| {
            let memory = Some(transfer::report::Memory { size: 240_000_000, free });
            status(&Status { memory, ..of(None) })
        };
        assert!(said(0).contains("ROOT        the root is full: "), "{}", said(0));
        let measured = said(200_000_000);
        let line = "memory      40.0 MB of 240.0 MB for what is written and is not state\n";
        assert!(measured.contains(line), "{measured}");
    }

    #[test]
    fn a_server_that_is_still_starting_is_not_called_ill() {
        let health = |starting| Health { healthy: false, starting, lines: vec!["nginx".into()] };
        let starting = said(Some(health(true)));
        assert!(starting.contains("health      starting\n              nginx"), "{starting}");
        assert!(!starting.contains("NOT HEALTHY"));
        assert!(said(Some(health(false))).contains("NOT HEALTHY"));
        assert!(said(None).contains("not looked at yet"));
    }

    #[test]
    fn what_becomes_of_a_mirror_is_said() {
        let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let said = |whole: &[&str], rebuilt: &[&str], failed: &[&str], percent| {
            let (whole, rebuilt, failed) = (names(whole), names(rebuilt), names(failed));
            let mirror = Some(Mirror { whole, rebuilt, failed, wanted: 2, percent });
            status(&Status { disk: Disk { mirror, ..Disk::default() }, ..of(None) })
        };
        for (text, line) in [
            (said(&["sda", "sdb"], &[], &[], None), "mirror      sda and sdb, complete\n"),
            (
                said(&["sda"], &["sdb"], &[], Some(7)),
                "MIRROR      sda alone, sdb is rebuilt: 7 %\n",
            ),
            (
                said(&["sda"], &["sdb"], &[], None),
                "MIRROR      sda alone, sdb waits to be rebuilt\n",
            ),
            (said(&["sda"], &[], &["sdb"], None), "gives it another; sdb has failed\n"),
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn what_a_check_found_and_what_the_server_goes_without_is_said() {
        let check = DiskCheck {
            now: true,
            asked: "the kernel met an error in it".into(),
            outcome: "what was wrong is repaired".into(),
            seconds: 3,
            lines: vec!["Inode 12 has a bad block".into()],
            more: 2,
        };
        let disk = Disk {
            check: Some(check),
            lost: vec!["/var/mail is in memory".into()],
            notes: vec!["the boot partition has lost clusters".into()],
            ..Disk::default()
        };
        let text = status(&Status { disk, ..of(None) });
        for part in [
            "DISK        /var/mail is in memory\n",
            "checked     the data filesystem at this boot, 3 s: what was wrong is repaired\n",
            "  because the kernel met an error in it\n",
            "  Inode 12 has a bad block\n",
            "  and 2 lines more\n",
            "disk        the boot partition has lost clusters\n",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn what_is_lost_is_listed_with_what_to_do_and_noise_is_counted() {
        let lost =
            |path: &str, what, anew| Lost { path: Path::new(path).to_owned(), what, size: 5, anew };
        let all = vec![
            lost("/etc/new", What::Directory, false),
            lost("/etc/undeclared", What::Written, false),
            lost("/tmp/x", What::Written, true),
        ];
        let found = Audit { lost: all, unused: vec!["old".into()] };
        let text = super::audit(&found, false);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["directory", "/etc/new"]);
        assert_eq!(lines[1], "       5 B  /etc/undeclared");
        assert!(lines[2].starts_with("2 paths are lost at the next boot: "), "{}", lines[2]);
        assert!(lines[2].contains("[state] in server.toml"));
        assert!(lines[3].starts_with("1 more are made anew"), "{}", lines[3]);
        assert!(super::audit(&found, true).contains("  /tmp/x (made anew)\n"));
        assert!(lines[4].starts_with("state/old is used by nothing"));
        assert!(super::audit(&Audit::default(), false).starts_with("nothing is lost"));
    }
}
