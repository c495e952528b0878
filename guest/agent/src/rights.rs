//! Whose command is carried out: root's, that of a user whom sudo lets be root, and of a key that
//! may deploy and nothing else the few commands which that takes.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process;

use crate::cli::{self, Call, Command};
use crate::{Error, Result};

/// Where an image has this program, and what a rule of sudo names.
const PROGRAM: &str = "/usr/bin/heirloom";
const SUDO: &str = "/usr/bin/sudo";

/// Returns for root. For anybody else sudo starts the same command anew, as root.
///
/// # Errors
/// There is no sudo. What sudo itself refuses it says on standard error.
pub fn become_root(arguments: &[OsString]) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    if !Path::new(SUDO).exists() {
        return Err(Error::NotRoot);
    }
    let mut sudo = process::Command::new(SUDO);
    if !io::stdin().is_terminal() {
        // Nobody is there to type a password.
        sudo.arg("--non-interactive");
    }
    Err(Error::io("start", SUDO)(sudo.arg("--").arg(PROGRAM).args(arguments).exec()))
}

/// The call that a key with the forced command `heirloom deploy-only` asks for, and its arguments.
/// `original` is what the client wanted to run (SSH_ORIGINAL_COMMAND of sshd(8)).
///
/// # Errors
/// It wants a shell, or anything but to see, send and try generations.
pub fn deploy_only(original: Option<&str>) -> Result<(Call, Vec<OsString>)> {
    let refused = || Error::DeployOnly(original.unwrap_or("a shell").to_owned());
    let mut words = original.unwrap_or_default().split_ascii_whitespace();
    if words.next() != Some("heirloom") {
        return Err(refused());
    }
    let arguments: Vec<OsString> = words.map(OsString::from).collect();
    let call = cli::parse(arguments.clone())?;
    match call.command {
        Command::Status
        | Command::List
        | Command::Stage
        | Command::Switch { .. }
        | Command::Acknowledge { .. } => Ok((call, arguments)),
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_for_deployments_may_do_what_deploy_does() {
        for command in [
            "heirloom status --json",
            "heirloom list --json",
            "heirloom stage",
            "heirloom switch 7 --json",
            "heirloom rollback --json",
            "heirloom switch 7 --acknowledge --json",
            "heirloom acknowledge 0f1e",
        ] {
            let (call, arguments) = deploy_only(Some(command)).unwrap();
            assert_eq!(cli::parse(arguments).unwrap(), call, "{command}");
        }
    }

    #[test]
    fn a_key_for_deployments_may_do_nothing_else() {
        for command in [
            None,
            Some(""),
            Some("sh"),
            Some("heirloom"),
            Some("heirloom confirm"),
            Some("heirloom gc"),
            Some("heirloom deploy-only"),
            Some("heirloom status; sh"),
            Some("/tmp/heirloom status"),
            Some("internal-sftp"),
        ] {
            assert!(deploy_only(command).is_err(), "{command:?}");
        }
    }
}
