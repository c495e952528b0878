//! mailserver as its users see it: the real image, in a virtual machine with BIOS.

#![cfg(test)]

mod client;

use anyhow::Result;
use client::{Mail, PASSWORD, add_users, has_subject, keep_certificate};
use testbed::{Online, Testbed};

#[test]
fn mail_is_taken_and_read_before_and_after_a_reboot() -> Result<()> {
    let testbed = Testbed::new("mailserver")?;
    add_users(&testbed)?;
    let clients = testbed.clients();
    let machine =
        [22, 25, 587, 993].into_iter().fold(testbed.machine()?, |it, port| it.forward(port));
    let mut server = Online::start(&machine, clients)?;
    assert!(!server.has("/sys/firmware/efi")?, "this is not BIOS");
    keep_certificate(&server, clients)?;

    let mail = Mail::of(&server, clients)?;
    mail.deliver("alice@example.org", "from outside")?;
    let letter = server.eventually("letter", || mail.read(PASSWORD, 1))?;
    has_subject(&letter, "from outside")?;
    mail.submit(PASSWORD, "alice@example.org", "from inside")?;
    let letter = server.eventually("letter", || mail.read(PASSWORD, 2))?;
    has_subject(&letter, "from inside")?;

    // What RFC 5321 has for them, and curl's word for a refused login.
    for (answer, refused) in [
        ("554", mail.deliver("somebody@elsewhere.test", "for others")),
        ("550", mail.deliver("nobody@example.org", "for nobody")),
        ("Login denied", mail.submit("wrong", "alice@example.org", "forged")),
        ("Login denied", mail.read("wrong", 1).map(drop)),
    ] {
        let refused = format!("{:?}", refused.err());
        assert!(refused.contains(answer), "{answer} was expected: {refused}");
    }

    let before = server.identity()?;
    server.run("echo lost >/etc/undeclared")?;
    server.reboot()?;
    assert_eq!(server.identity()?, before);
    assert!(!server.has("/etc/undeclared")?);
    // The certificate is checked again: it is still the same.
    has_subject(&mail.read(PASSWORD, 1)?, "from outside")?;
    has_subject(&mail.read(PASSWORD, 2)?, "from inside")?;
    mail.deliver("alice+lists@example.org", "after the reboot")?;
    let letter = server.eventually("letter", || mail.read(PASSWORD, 3))?;
    has_subject(&letter, "after the reboot")?;
    server.power_off()
}
