//! A server that nobody can reach any more.

use anyhow::{Result, ensure};
use testbed::Online;

use crate::poor::Poor;
use crate::tried::Ground;

/// A vector of the specification of SHA-512 crypt, and its password.
pub(crate) const HASH: &str = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQ\
                               JuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1\n";
const PASSWORD: &str = "Hello world!";

/// How a menu begins.
const ALONE: &str = "First aid: there is no network";
const EMERGENCY: &str = "First aid: the server is in emergency mode";

/// Takes the network away in a moment: this connection ends in good order.
const CUT: &str = "systemd-run --on-active=2 systemctl stop systemd-networkd.socket \
                   systemd-networkd.service";

/// Consoles offer first aid when the network is lost and in emergency mode, and nothing before and
/// after; a shell is only for who has the password.
pub(crate) fn offered(ground: &Ground<'_>, poor: &Poor) -> Result<String> {
    let mut server = ground.start(poor)?;
    ensure!(menus(&server)? == "inactive inactive", "a healthy server offers something");
    server.run(CUT)?;
    server.wait_for_console(ALONE)?;
    server.type_on_console("9", ALONE)?;
    wrong_password(&mut server)?;
    right_password(&mut server)?;
    server.type_on_console("systemctl is-active heirloom-first-aid@tty1.service", "\nactive")?;
    server.type_on_console(
        "systemctl start systemd-networkd.socket systemd-networkd.service; exit",
        "The server can be reached again.",
    )?;
    server.wait_for_console("login:")?;
    server.settle()?;
    ensure!(menus(&server)? == "inactive inactive", "a healthy server offers something");

    server.run("systemd-run --on-active=2 systemctl emergency")?;
    server.wait_for_console(EMERGENCY)?;
    wrong_password(&mut server)?;
    right_password(&mut server)?;
    server.type_on_console("exit", EMERGENCY)?;
    server.type_on_console("c", "login:")?;
    server.settle()?;

    // What runs is not offered: there has to be another one.
    ground.update(&mut server)?;
    server.run(CUT)?;
    server.wait_for_console(ALONE)?;
    server.type_on_console("1", "generation 1 is tried now")?;
    server.come_up()?;
    ensure!(!server.has("/etc/next")?, "another generation runs");
    server.cut();
    Ok("the consoles offer generations and, with the password, a shell; in emergency mode too"
        .into())
}

/// The states of the menus on both consoles.
fn menus(server: &Online<'_>) -> Result<String> {
    let units = "heirloom-first-aid@ttyS0.service heirloom-first-aid@tty1.service";
    Ok(server.run(&format!("systemctl is-active {units} || true"))?.replace('\n', " "))
}

fn wrong_password(server: &mut Online<'_>) -> Result<()> {
    server.type_on_console("s", "password: ")?;
    server.type_on_console("hello world!", "that is not the password")
}

fn right_password(server: &mut Online<'_>) -> Result<()> {
    server.type_on_console("s", "password: ")?;
    server.type_on_console(PASSWORD, "#")?;
    server.type_on_console("echo $((6*7)) $(id -u)", "42 0")
}
