//! The owner's own ssh: their configuration, agent and known hosts.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

use crate::transport::{Connection, Ended, Transport, Wait};
use crate::{Error, Result};

/// Says which ssh is run: a program and its arguments, divided by spaces.
pub(crate) const VARIABLE: &str = "HEIRLOOM_SSH";

/// How much of what ssh says on standard error is kept, in bytes.
const KEPT: usize = 8 << 10;

/// What we ask for beside what the owner configured: to notice within half a minute that the other
/// end is gone. Nothing that weakens how hosts are known. ssh_config(5).
const OPTIONS: [&str; 7] = [
    "-T",
    "-o",
    "ConnectTimeout=15",
    "-o",
    "ServerAliveInterval=10",
    "-o",
    "ServerAliveCountMax=3",
];

/// A machine that is reached by ssh.
#[derive(Clone, Debug)]
pub struct Ssh {
    program: String,
    arguments: Vec<String>,
    destination: String,
}

impl Ssh {
    /// `destination` is `host`, `user@host` or `ssh://user@host:port`, or a name of the owner's
    /// ssh_config.
    ///
    /// # Errors
    /// A destination that ssh would take for an option, or that is none.
    pub fn new(destination: &str) -> Result<Self> {
        Self::with(destination, std::env::var(VARIABLE).ok().as_deref())
    }

    fn with(destination: &str, variable: Option<&str>) -> Result<Self> {
        let wrong = |c: char| c.is_whitespace() || c.is_control();
        let host = without_user(destination.strip_prefix("ssh://").unwrap_or(destination));
        if [destination, host].iter().any(|it| it.is_empty() || it.starts_with('-'))
            || destination.contains(wrong)
        {
            return Err(Error::Destination { destination: destination.escape_debug().to_string() });
        }
        let mut words = variable.unwrap_or_default().split_ascii_whitespace().map(str::to_owned);
        let program = words.next().unwrap_or_else(|| "ssh".to_owned());
        let arguments = words.chain(OPTIONS.map(str::to_owned)).collect();
        Ok(Self { program, arguments, destination: destination.to_owned() })
    }

    /// What its owner types to get there as this program does: `ssh -p 2222 root@localhost`.
    pub fn command_line(&self) -> String {
        let words = [&self.program].into_iter().chain(self.own_arguments());
        words.chain([&self.destination]).map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// What `ssh-keygen -R` calls it, quoted for a shell: `localhost`, `'[localhost]:2222'`. What an
    /// ssh_config makes of a name is not known here.
    pub fn known_as(&self) -> String {
        let (host, port) = match self.destination.strip_prefix("ssh://") {
            Some(address) => {
                let host = without_user(address);
                match host.rsplit_once(':') {
                    Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
                    _ => (host, None),
                }
            }
            None => (without_user(&self.destination), None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match port.or_else(|| self.own_port()) {
            None | Some("22") => host.to_owned(),
            Some(port) => format!("'[{host}]:{port}'"),
        }
    }

    /// The arguments that the owner gave, without ours.
    fn own_arguments(&self) -> &[String] {
        &self.arguments[..self.arguments.len() - OPTIONS.len()]
    }

    /// The port of `-p 2222`.
    fn own_port(&self) -> Option<&str> {
        let own = self.own_arguments();
        let at = own.iter().position(|it| it.starts_with("-p"))?;
        match own[at].strip_prefix("-p") {
            Some("") => own.get(at + 1).map(String::as_str),
            port => port,
        }
    }

    /// Who logs in: as the destination says, or root, whose the server's generations are.
    pub fn user(&self) -> &str {
        let host = self.destination.strip_prefix("ssh://").unwrap_or(&self.destination);
        host.rsplit_once('@').map_or("root", |(user, _)| user)
    }
}

impl Transport for Ssh {
    fn name(&self) -> &str {
        &self.destination
    }

    fn start(&self, command: &str) -> Result<Connection> {
        let mut ssh = Command::new(&self.program);
        ssh.args(&self.arguments).args([&self.destination, command]);
        running(ssh).map_err(|source| Error::NoSsh { program: self.program.clone(), source })
    }
}

fn without_user(host: &str) -> &str {
    host.rsplit_once('@').map_or(host, |(_, host)| host)
}

/// Starts a program with pipes on all sides.
pub(crate) fn running(mut command: Command) -> io::Result<Connection> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (Some(input), Some(output), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("a program without pipes"));
    };
    let stderr = thread::spawn(move || end_of(stderr));
    let end = Box::new(Running { child, stderr: Some(stderr) });
    Ok(Connection { input: Box::new(input), output: Box::new(output), end })
}

/// A program that does not outlive who started it.
struct Running {
    child: Child,
    stderr: Option<JoinHandle<String>>,
}

impl Wait for Running {
    fn wait(mut self: Box<Self>) -> io::Result<Ended> {
        let status = self.child.wait()?;
        let stderr = self.stderr.take().and_then(|it| it.join().ok()).unwrap_or_default();
        Ok(Ended { code: status.code(), stderr })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and needs not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The end of everything that `reader` gives.
fn end_of(mut reader: impl Read) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = reader.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..read]);
        if kept.len() > 2 * KEPT {
            kept.drain(..kept.len() - KEPT);
        }
    }
    String::from_utf8_lossy(&kept[kept.len().saturating_sub(KEPT)..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_names_and_never_options() {
        for good in ["mail", "root@mail.example.org", "ssh://root@10.0.0.1:2222", "root@[::1]"] {
            let ssh = Ssh::with(good, None).unwrap();
            assert_eq!(ssh.user(), "root");
        }
        assert_eq!(Ssh::with("ssh://git@10.0.0.1:2222", None).unwrap().user(), "git");
        for bad in ["", "-oProxyCommand=x", "root@-oProxyCommand=x", "a b", "ssh://", "a\n"] {
            assert!(Ssh::with(bad, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_variable_says_which_ssh_and_nothing_trusts_strangers() {
        let ssh = Ssh::with("h", Some("ssh2  -p 22 -i key")).unwrap();
        assert_eq!(
            (ssh.program.as_str(), &ssh.arguments[..4]),
            ("ssh2", &["-p", "22", "-i", "key"].map(String::from)[..])
        );
        assert!(!ssh.arguments.iter().any(|it| it.contains("HostKey")));
    }

    #[test]
    fn what_a_person_is_told_to_type_gets_there_too() {
        for (destination, variable, line, known) in [
            ("mail", None, "ssh mail", "mail"),
            ("root@mail", None, "ssh root@mail", "mail"),
            ("root@[::1]", None, "ssh root@[::1]", "::1"),
            ("ssh://root@h:22", None, "ssh ssh://root@h:22", "h"),
            ("ssh://root@[::1]:2222", None, "ssh ssh://root@[::1]:2222", "'[::1]:2222'"),
            ("ssh://root@[::1]", None, "ssh ssh://root@[::1]", "::1"),
            ("root@h", Some("ssh -p 2222 -i key"), "ssh -p 2222 -i key root@h", "'[h]:2222'"),
            ("root@h", Some("ssh -p2222"), "ssh -p2222 root@h", "'[h]:2222'"),
        ] {
            let ssh = Ssh::with(destination, variable).unwrap();
            assert_eq!((ssh.command_line().as_str(), ssh.known_as().as_str()), (line, known));
        }
    }

    #[test]
    fn a_command_gets_its_input_and_its_status_is_seen() {
        // Runs the last of its arguments, as ssh would have the other end's shell do.
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("ssh");
        std::fs::write(&script, "for last; do :; done\nexec sh -c \"$last\"\n").unwrap();
        let ssh = Ssh::with("h", Some(&format!("sh {}", script.display()))).unwrap();
        assert_eq!(ssh.run("echo $((3 + 4))").unwrap(), "7\n");
        let error = ssh.run("echo 'error: full' >&2; exit 1").unwrap_err();
        assert_eq!(error.to_string(), "h: full");
        let error = ssh.run("echo 'x: Permission denied (publickey).' >&2; exit 255").unwrap_err();
        assert!(error.to_string().contains("refused the login"), "{error}");
        let error = ssh.run("heirloom status --json").unwrap_err();
        assert!(matches!(error, Error::NoAgent { .. }), "{error}");
    }

    #[test]
    fn no_ssh_is_one_clear_error() {
        let ssh = Ssh::with("h", Some("/nonexistent/ssh")).unwrap();
        let error = ssh.run("true").unwrap_err();
        assert!(matches!(error, Error::NoSsh { .. }), "{error}");
        assert!(error.hint().unwrap().contains(VARIABLE));
    }
}
