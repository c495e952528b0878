//! Whether the server is healthy: what systemd and the server's own check program say.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use transfer::report::Health;

/// The server's own check program.
pub const PROGRAM: &str = "/usr/lib/heirloom/health";

/// How long the program may take. One that does not end is not healthy.
const PATIENCE: Duration = Duration::from_secs(120);
const INTERVAL: Duration = Duration::from_millis(200);

/// The longest output that is read, in bytes.
const MAX_OUTPUT: u64 = 64 * 1024;

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

/// Looks once.
pub fn look() -> Look {
    let health = look_at_all();
    let hopeless = health.lines.first().is_some_and(|line| line == FAILED);
    Look { health, hopeless }
}

/// What is said first when units have failed.
const FAILED: &str = "units have failed:";

fn look_at_all() -> Health {
    let state = systemctl(&["is-system-running"]);
    match state.as_str() {
        "running" => {}
        "degraded" => {
            let failed = systemctl(&["--failed", "--plain", "--no-legend", "--full"]);
            return unhealthy(FAILED, &failed);
        }
        "initializing" | "starting" => {
            let jobs = systemctl(&["list-jobs", "--no-legend", "--full"]);
            return unhealthy("the server is still starting:", &jobs);
        }
        other => return unhealthy(&format!("systemd says `{other}`"), ""),
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
    Health { healthy, lines }
}

/// Whether it ended well within `patience`, and what it printed.
fn run(path: &Path, patience: Duration) -> io::Result<(bool, String)> {
    let mut child = Command::new(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let output = child.stdout.take();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is what there is to show.
        let _ = output.map(|it| it.take(MAX_OUTPUT).read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            let seconds = patience.as_secs();
            return Err(io::Error::other(format!("it did not end within {seconds} s")));
        }
        thread::sleep(INTERVAL);
    };
    let output = reader.join().unwrap_or_default();
    Ok((status.success(), output))
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

fn systemctl(arguments: &[&str]) -> String {
    let asked = Command::new("systemctl").args(arguments).stdin(Stdio::null()).output();
    let text = |output: Output| String::from_utf8_lossy(&output.stdout).trim().to_owned();
    // An answer that is none is shown as it is.
    asked.map_or_else(|error| format!("no answer: {error}"), text)
}

fn unhealthy(what: &str, lines: &str) -> Health {
    let rest = lines.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty());
    Health { healthy: false, lines: std::iter::once(what.to_owned()).chain(rest).collect() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn script(text: &str) -> tempfile::TempPath {
        let file = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    #[test]
    fn a_program_is_healthy_when_it_says_so() {
        let well = program(&script("echo ok smtp"), PATIENCE);
        assert_eq!(well, Health { healthy: true, lines: vec!["ok smtp".into()] });
        let ill = program(&script("echo not ok smtp; exit 1"), PATIENCE);
        assert_eq!(ill, Health { healthy: false, lines: vec!["not ok smtp".into()] });
        assert!(!program(&script("exit 1"), PATIENCE).lines.is_empty());
    }

    #[test]
    fn a_program_that_is_not_there_or_does_not_end_is_not_healthy() {
        let none = program(Path::new("/nonexistent"), PATIENCE);
        assert!(!none.healthy && none.lines[0].contains("does not run"), "{none:?}");
        let slow = program(&script("exec sleep 60"), Duration::from_millis(50));
        assert!(!slow.healthy && slow.lines[0].contains("did not end"), "{slow:?}");
    }
}
