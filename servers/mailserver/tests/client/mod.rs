//! The mail server's users: how they reach it, what they send and read.

use std::fs;

use anyhow::{Result, ensure};
use testbed::{Clients, Online, Testbed};

/// alice's.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// `openssl passwd -6` of it.
const HASH: &str = "$6$heirloomtestbed$i3oIVwY0Pk4NLISVBa4FnsyTleitEk9IGze8QiZBck.\
                    kk0us2z1IkIcCYZE3.42RCc3hKd.EcYoKKgUz7StwS0";

/// How the server's users reach it: by its name, with its own certificate.
pub(crate) struct Mail<'a> {
    clients: &'a Clients,
    smtp: u16,
    submission: u16,
    imaps: u16,
}

impl<'a> Mail<'a> {
    pub(crate) fn of(server: &Online<'_>, clients: &'a Clients) -> Result<Self> {
        let (smtp, submission) = (server.port(25)?, server.port(587)?);
        Ok(Self { clients, smtp, submission, imaps: server.port(993)? })
    }

    /// Delivers as another mail server does.
    pub(crate) fn deliver(&self, to: &str, subject: &str) -> Result<()> {
        self.send(self.smtp, "bob@elsewhere.test", to, subject, &[])
    }

    /// Sends as one of the server's users does.
    pub(crate) fn submit(&self, password: &str, to: &str, subject: &str) -> Result<()> {
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
    pub(crate) fn read(&self, password: &str, number: u32) -> Result<String> {
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

/// Whether it is the letter with this subject.
pub(crate) fn has_subject(letter: &str, subject: &str) -> Result<()> {
    ensure!(letter.contains(&format!("Subject: {subject}\r\n")), "another letter:\n{letter}");
    Ok(())
}

/// Gives the server its users.
pub(crate) fn add_users(testbed: &Testbed) -> Result<()> {
    let users = format!("postmaster:!\nalice:{{SHA512-CRYPT}}{HASH}\n");
    testbed.write("etc/dovecot/users", &users)
}

/// Keeps the server's own certificate, so that it is checked from now on.
pub(crate) fn keep_certificate(server: &Online<'_>, clients: &Clients) -> Result<()> {
    let certificate = server.run("openssl x509 -in /var/lib/mail-tls/mail.pem")?;
    Ok(fs::write(clients.folder().join("server.pem"), &certificate)?)
}
