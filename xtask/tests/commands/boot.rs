//! `boot`: a new server in QEMU, its console in pipes instead of a terminal.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::Trial;

use crate::workspace::{Workspace, has};
use crate::{trial, undisturbed};

/// Without KVM, and beside other work.
const PATIENCE: Duration = Duration::from_secs(300);

/// Ctrl-A X, which ends the machine.
const END: &[u8] = b"\x01x";

pub(crate) fn all() -> Vec<Trial> {
    vec![trial("a_new_server_boots_and_answers_where_boot_says", boot)]
}

/// `xtask boot`, at work.
struct Booting {
    child: Child,
    console: ChildStdin,
    said: Receiver<Said>,
    stdout: String,
    stderr: String,
    deadline: Instant,
}

enum Said {
    Stdout(Vec<u8>),
    Stderr(String),
}

impl Booting {
    fn start(workspace: &Workspace, more: &[&str]) -> Result<Self> {
        let mut child = workspace
            .xtask(["boot", "tiny"].iter().chain(more))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let console = child.stdin.take().context("no stdin")?;
        let mut stdout = child.stdout.take().context("no stdout")?;
        let stderr = BufReader::new(child.stderr.take().context("no stderr")?);
        let (send, said) = channel();
        let lines = send.clone();
        spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stdout.read(&mut buffer) {
                if send.send(Said::Stdout(buffer[..read].to_vec())).is_err() {
                    break;
                }
            }
        });
        spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if lines.send(Said::Stderr(line)).is_err() {
                    break;
                }
            }
        });
        let (stdout, stderr) = (String::new(), String::new());
        Ok(Self { child, console, said, stdout, stderr, deadline: Instant::now() + PATIENCE })
    }

    /// Listens until `done` finds what it looks for in what was said.
    fn listen<T>(&mut self, what: &str, done: impl Fn(&Self) -> Option<T>) -> Result<T> {
        loop {
            if let Some(found) = done(self) {
                return Ok(found);
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            match self.said.recv_timeout(left) {
                Ok(Said::Stdout(bytes)) => self.stdout.push_str(&String::from_utf8_lossy(&bytes)),
                Ok(Said::Stderr(line)) => self.stderr.push_str(&format!("{line}\n")),
                Err(_) => bail!("no {what}; it said\n{}\n{}", self.stdout, self.stderr),
            }
        }
    }

    /// Ends the machine as its owner does; what was said on standard error.
    fn end(mut self) -> Result<String> {
        self.console.write_all(END)?;
        self.console.flush()?;
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < self.deadline, "Ctrl-A X does not end it:\n{}", self.stdout);
            sleep(Duration::from_millis(100));
        }
        let status = self.child.wait()?;
        while let Ok(said) = self.said.recv() {
            if let Said::Stderr(line) = said {
                self.stderr.push_str(&format!("{line}\n"));
            }
        }
        ensure!(status.code() == Some(0), "it ended with {status}:\n{}", self.stderr);
        Ok(std::mem::take(&mut self.stderr))
    }
}

impl Drop for Booting {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and needs not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first line that an SSH server says. QEMU takes connections before anybody listens in the
/// machine, so what says nothing is asked again.
fn banner(port: u16, deadline: Instant) -> Result<String> {
    while Instant::now() < deadline {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut line = String::new();
        if let Ok(1..) = BufReader::new(stream).read_line(&mut line) {
            return Ok(line);
        }
        sleep(Duration::from_millis(500));
    }
    bail!("nobody answers at port {port}")
}

fn boot() -> Result<()> {
    let workspace = Workspace::new()?;
    workspace.run(["new", "tiny"])?.succeeded()?;
    workspace.update_cargo_lock()?;
    undisturbed::take_programs(&workspace)?;
    workspace.run(["image", "tiny"])?.succeeded()?;

    // A port that is taken is told before anything is started.
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let here = taken.local_addr()?.port();
    let forward = format!("{here}:22");
    let text = workspace.run(["boot", "tiny", "--forward", &forward])?.failed()?;
    has(&text, &[&format!("error: port {here} of this machine cannot be used"), "help: "])?;
    drop(taken);

    // Quiet, with a port of its owner's choice: the console is all that is shown.
    let mut machine = Booting::start(&workspace, &["--quiet", "--forward", &forward])?;
    machine.listen("console", |it| (!it.stdout.is_empty()).then_some(()))?;
    TcpStream::connect(("127.0.0.1", here)).context("the named port is not forwarded")?;
    let said = machine.end()?;
    ensure!(said.is_empty(), "quiet says\n{said}");

    let mut machine = Booting::start(&workspace, &[])?;
    let port = machine.listen("port", |it| {
        let mut lines = it.stderr.lines();
        let port = lines.find_map(|line| line.strip_prefix("port 22 of tiny is 127.0.0.1:"));
        port?.parse::<u16>().ok()
    })?;
    machine.listen("login", |it| it.stdout.contains("login:").then_some(()))?;
    let banner = banner(port, machine.deadline)?;
    ensure!(banner.starts_with("SSH-2.0-"), "{banner}");
    has(&machine.end()?, &["port 80 of tiny is 127.0.0.1:", "Ctrl-A X ends the machine"])
}
