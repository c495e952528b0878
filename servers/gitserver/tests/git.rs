//! gitserver as its users see it: the real image, in a virtual machine; on Debian with UEFI, on
//! Arch with BIOS.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use deploy::{Ending, Options, Verdict};
use testbed::{Clients, DAYS, Firmware, Online, Remote, Testbed};

/// Makes a commit in the clone `folder` and returns its id.
fn commit(clients: &Clients, folder: &str, file: &str, text: &str) -> Result<String> {
    fs::write(clients.folder().join(folder).join(file), text)?;
    clients.git(folder, &["add", file])?;
    clients.git(folder, &["commit", "--quiet", "--message", &format!("add {file}")])?;
    head(clients, folder)
}

fn head(clients: &Clients, folder: &str) -> Result<String> {
    Ok(clients.git(folder, &["rev-parse", "main"])?.trim_end().to_owned())
}

/// Clones `address` into `folder` and returns what is at the head.
fn clone(clients: &Clients, address: &str, folder: &str) -> Result<String> {
    clients.git(".", &["clone", "--quiet", address, folder])?;
    head(clients, folder)
}

/// The addresses of a repository: over ssh, over http.
fn addresses(server: &Online<'_>) -> Result<(String, String)> {
    Ok((
        format!("ssh://git@127.0.0.1:{}/~/project.git", server.port(22)?),
        format!("http://127.0.0.1:{}/project.git", server.port(80)?),
    ))
}

#[test]
fn what_was_pushed_can_be_cloned_before_and_after_a_reboot() -> Result<()> {
    let testbed = Testbed::new("gitserver")?;
    let server = serves_repositories(&testbed, Firmware::Uefi)?;
    assert!(server.has("/sys/firmware/efi")?, "this is not UEFI");
    server.power_off()
}

#[test]
fn on_arch_it_serves_as_well_and_moves_to_a_later_day_on_trial() -> Result<()> {
    let testbed = Testbed::new("gitserver")?.on_arch()?;
    testbed.edit("[packages]", "[health]\nwithin = \"300s\"\n\n[packages]")?;
    let mut server = serves_repositories(&testbed, Firmware::Bios)?;
    let [first, _, third] = testbed.git_versions()?;
    let has_git = |server: &Online<'_>, version: &str| {
        server.has(&format!("/var/lib/pacman/local/git-{version}/desc"))
    };
    assert!(has_git(&server, first)? && !has_git(&server, third)?);
    assert!(!server.has("/var/lib/dpkg/status")?, "this is Debian");

    testbed.edit(&DAYS[0].to_string(), &DAYS[2].to_string())?;
    let bundle = testbed.generation()?.bundle;
    let options = Options { boot: Duration::from_secs(450), ..Options::default() };
    let remote = Remote::new(testbed.clients(), server.port(22)?);
    let outcome = deploy::deploy(&bundle, &remote, &testbed.kept()?, &BTreeMap::new(), &options)?;
    ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{outcome:?}");
    assert!(has_git(&server, third)? && !has_git(&server, first)?);
    let (over_ssh, _) = addresses(&server)?;
    server.eventually("repository", || clone(testbed.clients(), &over_ssh, "after-the-update"))?;
    server.power_off()
}

/// Who may push reaches nothing else by ssh: no port in either direction, no terminal.
fn gets_nothing_of_ssh_but_git(clients: &Clients, port: u16) -> Result<()> {
    let to_web = |user: &str| clients.ssh_as_told(port, &["-W", "127.0.0.1:80", user]);
    to_web("root@127.0.0.1")?;
    let refused = to_web("git@127.0.0.1").err().map(|error| error.to_string());
    ensure!(
        refused.as_ref().is_some_and(|it| it.contains("administratively prohibited")),
        "a port is forwarded to whoever may push: {refused:?}"
    );
    let exit = "ExitOnForwardFailure=yes";
    let back = ["-o", exit, "-R", "8025:127.0.0.1:80", "git@127.0.0.1", "list"];
    let refused = clients.ssh_as_told(port, &back).err().map(|error| error.to_string());
    ensure!(
        refused.as_ref().is_some_and(|it| it.contains("remote port forwarding failed")),
        "the server listens for whoever may push: {refused:?}"
    );
    let refused = clients.ssh_as_told(port, &["-tt", "git@127.0.0.1", "list"]);
    let refused = refused.err().map(|error| error.to_string());
    ensure!(
        refused.as_ref().is_some_and(|it| it.contains("PTY allocation request failed")),
        "a terminal for whoever may push: {refused:?}"
    );
    Ok(())
}

/// What was pushed can be cloned, before the machine was off and afterwards; the server is on.
fn serves_repositories<'a>(testbed: &'a Testbed, firmware: Firmware) -> Result<Online<'a>> {
    testbed.authorize("git")?;
    let clients = testbed.clients();
    let machine = testbed.machine()?.firmware(firmware).forward(22).forward(80).disk_size(3 << 30);
    let server = Online::start(&machine, clients)?;

    let ssh = server.port(22)?;
    assert_eq!(clients.ssh(ssh, "git", "create project")?, "project.git\n");
    assert_eq!(clients.ssh(ssh, "git", "list")?, "project.git\n");
    for command in ["sh", "create ../project", "create project"] {
        let refused = clients.ssh(ssh, "git", command);
        assert!(refused.is_err(), "`{command}` was not refused: {refused:?}");
    }

    gets_nothing_of_ssh_but_git(clients, ssh)?;

    let (over_ssh, over_http) = addresses(&server)?;
    clients.git(".", &["init", "--quiet", "--initial-branch", "main", "work"])?;
    clients.git("work", &["remote", "add", "origin", &over_ssh])?;
    let first = commit(clients, "work", "one", "first\n")?;
    clients.git("work", &["push", "--quiet", "origin", "main"])?;
    assert_eq!(clone(clients, &over_ssh, "by-ssh")?, first);
    assert_eq!(clone(clients, &over_http, "by-http")?, first);
    commit(clients, "by-http", "two", "by nobody in particular\n")?;
    let pushed = clients.git("by-http", &["push", "--quiet", "origin", "main"]);
    ensure!(pushed.is_err(), "anybody can push over http");

    let before = server.identity()?;
    server.run("echo lost >/etc/undeclared")?;
    server.power_off()?;
    let mut server = Online::start(&machine, clients)?;
    assert_eq!(server.identity()?, before);
    assert!(!server.has("/etc/undeclared")?);
    let (over_ssh, over_http) = addresses(&server)?;
    assert_eq!(clone(clients, &over_ssh, "by-ssh-again")?, first);
    assert_eq!(clone(clients, &over_http, "by-http-again")?, first);

    let second = commit(clients, "by-ssh-again", "two", "second\n")?;
    clients.git("by-ssh-again", &["push", "--quiet", "origin", "main"])?;
    server.reboot()?;
    clients.git("by-http-again", &["pull", "--quiet"])?;
    assert_eq!(head(clients, "by-http-again")?, second);
    Ok(server)
}
