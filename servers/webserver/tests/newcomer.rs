//! A server as somebody writes it who has read the how-tos: packages whose units fail unless one does
//! what docs/how-to/failed-units.md says, and people who deploy without being root
//! (docs/how-to/log-in.md). In a virtual machine, of the archive as it is today; many minutes.
//!
//! ```text
//! cargo test -p webserver -F slow --test newcomer
//! ```

#![cfg(test)]

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use deploy::{Agent, Ending, Options, Outcome, Patience, Verdict};
use testbed::{Online, Remote, Testbed};

/// Today's date takes the place of this one.
const DEFINITION: &str = r#"
hostname = "newcomer"
board = "pc"

[archive]
distribution = "debian"
suite = "bookworm"
date = "2026-11-22"

[kernel]
package = "linux-image-cloud-amd64"

[packages]
install = ["dns-root-data", "openipmi", "podman", "sudo", "unbound"]

[state]
"/var/lib/containers" = { at = "containers", options = ["suid", "dev"] }
"/var/lib/private/starts" = "starts"
"/var/lib/unbound" = "unbound"

[users.ada]
home = "/home/ada"
shell = "/bin/bash"

[users.ci]
shell = "/bin/sh"

[permissions]
"/etc/sudoers.d/heirloom" = { mode = "0440" }

[health]
within = "300s"
"#;

const CHECKS: &str = "//! The checks of a server that was just made.

use std::process::ExitCode;

fn main() -> ExitCode {
    health::main(|report| {
        base::check(report);
        ssh::check(report);
    })
}
";

const SUDOERS: &str = "ada ALL=(root) NOPASSWD: /usr/bin/heirloom\n\
                       ci ALL=(root) NOPASSWD: /usr/bin/heirloom\n";

/// Units that have nothing to do on this machine.
const MASKED: [&str; 2] = ["openipmi.service", "unbound-resolvconf.service"];

/// systemd makes its user anew at each start, and gives it what it had.
const STARTS: &str = "[Service]\nType=oneshot\nRemainAfterExit=yes\nDynamicUser=yes\n\
                      StateDirectory=starts\nExecStart=/bin/sh -c 'echo one >>/var/lib/starts/list'\n";

/// What the last generation says of state that the server has by then.
const LATER: &str = "\"/var/lib/unbound\" = { mode = \"0750\" }\n";

const BOOT: Duration = Duration::from_secs(600);

fn written() -> Result<Testbed> {
    let testbed = Testbed::new("webserver")?;
    testbed.define(DEFINITION, CHECKS)?;
    testbed.move_to_today()?;
    testbed.write("etc/sudoers.d/heirloom", SUDOERS)?;
    for unit in MASKED {
        testbed.link(&format!("etc/systemd/system/{unit}"), "/dev/null")?;
    }
    testbed.write("etc/systemd/system/starts.service", STARTS)?;
    let wanted = "etc/systemd/system/multi-user.target.wants/starts.service";
    testbed.link(wanted, "../starts.service")?;
    testbed.authorize("ada")?;
    let key = testbed.clients().public_key();
    let forced = format!("restrict,command=\"heirloom deploy-only\" {key}");
    testbed.write("etc/ssh/authorized_keys/ci", &forced)?;
    Ok(testbed)
}

#[test]
fn what_the_how_tos_say_makes_a_healthy_server_and_lets_others_than_root_deploy() -> Result<()> {
    let testbed = written()?;
    let machine = testbed.machine()?.disk_size(4 << 30).memory(2048).forward(22);
    let mut server = Online::start(&machine, testbed.clients())?;
    // Not only not failed: they do what they are for.
    server.run("podman run --help >/dev/null && podman info >/dev/null")?;
    server.run("unbound-checkconf >/dev/null && test -s /var/lib/unbound/root.key")?;
    others_may_not(&testbed, &server)?;

    for user in ["ada", "ci"] {
        if user == "ci" {
            testbed.edit("[permissions]\n", &format!("[permissions]\n{LATER}"))?;
        }
        testbed.write("etc/motd", &format!("deployed by {user}\n"))?;
        let outcome = deployed(&testbed, &server, user)?;
        ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{user}: {outcome:?}");
        server.settle()?;
        ensure!(server.run("cat /etc/motd")? == format!("deployed by {user}"), "{user}");
    }
    ensure!(server.run("stat --format %a /var/lib/unbound")? == "750", "on state that was there");
    ensure!(server.run("cat /var/lib/starts/list")? == ["one"; 3].join("\n"));

    let remote = Remote::of(testbed.clients(), server.port(22)?, "ci");
    let agent = Agent::new(&remote);
    let patience = Patience::new(Duration::from_secs(300), BOOT);
    let (number, verdict) = agent.roll_back("newcomer", None, patience)?;
    ensure!(verdict == Some(Verdict::Confirmed), "{number}: {verdict:?}");
    ensure!(server.run("cat /etc/motd")? == "deployed by ada");
    let ada = Remote::of(testbed.clients(), server.port(22)?, "ada");
    ensure!(Agent::new(&ada).status()?.booted == Some(number));
    server.settle()?;
    server.power_off()
}

fn deployed(testbed: &Testbed, server: &Online<'_>, user: &str) -> Result<Outcome> {
    let bundle = testbed.generation()?.bundle;
    let options = Options { boot: BOOT, ..Options::default() };
    let remote = Remote::of(testbed.clients(), server.port(22)?, user);
    Ok(deploy::deploy(&bundle, &remote, &testbed.kept()?, &BTreeMap::new(), &options)?)
}

/// A key that deploys does nothing else, and sudo lets nobody be root otherwise.
fn others_may_not(testbed: &Testbed, server: &Online<'_>) -> Result<()> {
    let port = server.port(22)?;
    let refused = |user: &str, command: &str, why: &str| {
        let answer = testbed.clients().ssh(port, user, command);
        let said = answer.as_ref().err().map(ToString::to_string).unwrap_or_default();
        ensure!(said.contains(why), "{user}, `{command}`: {answer:?}");
        Ok(())
    };
    for command in ["sh", "id", "heirloom confirm", "scp -t /tmp"] {
        refused("ci", command, "this key may only deploy, not run")?;
    }
    // No shell reads it.
    refused("ci", "heirloom status; id", "there is no `heirloom status; id`")?;
    refused("ada", "sudo --non-interactive id", "password is required")?;
    let status = testbed.clients().ssh(port, "ci", "heirloom status --json")?;
    ensure!(status.contains("\"server\":\"webserver\""), "{status}");
    testbed.clients().ssh(port, "ada", "heirloom audit >/dev/null && heirloom list").map(drop)?;
    Ok(())
}
