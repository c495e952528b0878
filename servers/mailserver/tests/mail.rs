//! mailserver as its users see it: the real image, in a virtual machine with BIOS.

use std::fs;

use anyhow::{Result, ensure};
use testbed::{Clients, Online, Testbed};

const PASSWORD: &str = "correct horse battery staple";

/// `openssl passwd -6` of it.
const HASH: &str = "$6$heirloomtestbed$i3oIVwY0Pk4NLISVBa4FnsyTleitEk9IGze8QiZBck.\
                    kk0us2z1IkIcCYZE3.42RCc3hKd.EcYoKKgUz7StwS0";

/// How the server's users reach it: by its name, with its own certificate.
struct Mail<'a> {
    clients: &'a Clients,
    smtp: u16,
    submission: u16,
    imaps: u16,
}

impl<'a> Mail<'a> {
    fn of(server: &Online<'_>, clients: &'a Clients) -> Result<Self> {
        let (smtp, submission) = (server.port(25)?, server.port(587)?);
        Ok(Self { clients, smtp, submission, imaps: server.port(993)? })
    }

    /// Delivers as another mail server does.
    fn deliver(&self, to: &str, subject: &str) -> Result<()> {
        self.send(self.smtp, "bob@elsewhere.test", to, subject, &[])
    }

    /// Sends as one of the server's users does.
    fn submit(&self, password: &str, to: &str, subject: &str) -> Result<()> {
        let login = format!("alice:{password}");
        let secure = ["--ssl-reqd", "--cacert", "/work/client/server.pem", "--user", &login];
        self.send(self.submission, "alice@example.org", to, subject, &secure)
    }

    fn send(&self, port: u16, from: &str, to: &str, subject: &str, more: &[&str]) -> Result<()> {
        let letter = format!("From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nHello.\r\n");
        fs::write(self.clients.folder().join("letter"), letter)?;
        let (host, address) = at("smtp", port);
        let letter = ["--resolve", &host, "--upload-file", "/work/client/letter"];
        let envelope = ["--mail-from", from, "--mail-rcpt", to, &address];
        self.clients.curl(&[&letter, more, &envelope].concat())?;
        Ok(())
    }

    /// The letter with `number` in alice's inbox.
    fn read(&self, password: &str, number: u32) -> Result<String> {
        let (host, address) = at("imaps", self.imaps);
        let login = format!("alice:{password}");
        let letter = format!("{address}/INBOX;MAILINDEX={number}");
        let secure = ["--resolve", &host, "--cacert", "/work/client/server.pem"];
        Ok(self.clients.curl(&[&secure[..], &["--user", &login, &letter]].concat())?)
    }
}

/// What curl is told of where the server is, and the server's address.
fn at(protocol: &str, port: u16) -> (String, String) {
    let name = "mail.example.org";
    (format!("{name}:{port}:127.0.0.1"), format!("{protocol}://{name}:{port}"))
}

fn has_subject(letter: &str, subject: &str) -> Result<()> {
    ensure!(letter.contains(&format!("Subject: {subject}\r\n")), "another letter:\n{letter}");
    Ok(())
}

#[test]
fn mail_is_taken_and_read_before_and_after_a_reboot() -> Result<()> {
    let testbed = Testbed::new("mailserver")?;
    let users = format!("postmaster:!\nalice:{{SHA512-CRYPT}}{HASH}\n");
    testbed.write("etc/dovecot/users", &users)?;
    let clients = testbed.clients();
    let machine =
        [22, 25, 587, 993].into_iter().fold(testbed.machine()?, |it, port| it.forward(port));
    let mut server = Online::start(&machine, clients)?;
    assert!(!server.has("/sys/firmware/efi")?, "this is not BIOS");
    let certificate = server.run("openssl x509 -in /var/lib/mail-tls/mail.pem")?;
    fs::write(clients.folder().join("server.pem"), &certificate)?;

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
