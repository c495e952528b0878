//! calendar as its users see it: the real image, in a virtual machine.

use std::fs;

use anyhow::{Result, ensure};
use testbed::{Clients, Online, Testbed};

/// The host's name, to which its certificate is made.
const HOST: &str = "calendar.example.org";

const PASSWORD: &str = "of-the-test-only";

const EVENT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\n\
                     UID:1@test\r\nDTSTAMP:20261130T000000Z\r\nDTSTART:20261224T180000Z\r\n\
                     SUMMARY:Grüße\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// What the server answers to a request for `path` by `login`, its certificate verified.
fn https(server: &Online<'_>, clients: &Clients, path: &str, login: &str) -> Result<String> {
    asked(server, clients, path, &["--user", login])
}

fn asked(server: &Online<'_>, clients: &Clients, path: &str, more: &[&str]) -> Result<String> {
    let pem = server.run("cat /etc/ssl/certs/ssl-cert-snakeoil.pem")?;
    fs::write(clients.folder().join("server.pem"), pem + "\n")?;
    let port = server.port(443)?;
    let address = format!("https://{HOST}:{port}{path}");
    let resolve = format!("{HOST}:{port}:127.0.0.1");
    // The first request of a machine that is emulated beside other work.
    let patient = ["--max-time", "200"];
    let here = ["--cacert", "/work/client/server.pem", "--resolve", &resolve];
    Ok(clients.curl(&[&patient[..], &here[..], more, &[&address]].concat())?)
}

/// What the ordinary client says to a statement, as `user` of the machine.
fn psql(server: &Online<'_>, user: &str, statement: &str) -> Result<String> {
    server.run(&format!(
        "cd / && runuser -u {user} -- psql --no-psqlrc -qAt -c \"{statement}\" davical"
    ))
}

/// The names of all resources in calendars, of the database itself.
fn events(server: &Online<'_>) -> Result<String> {
    psql(server, "davical", "SELECT dav_name FROM caldav_data ORDER BY 1")
}

#[test]
fn an_event_outlives_a_reboot_and_the_state_of_another_major_version_is_refused() -> Result<()> {
    let testbed = Testbed::new("calendar")?;
    let clients = testbed.clients();
    let machine = testbed.machine()?.disk_size(4 << 30).forward(22).forward(443);
    let mut server = Online::start(&machine, clients)?;

    // Nobody has a password yet, not even the one that DAViCal's own script begins with.
    assert_eq!(psql(&server, "davical", "SELECT username, password FROM usr")?, "admin|!");
    for login in ["admin:nimda", "admin:!"] {
        let refused = https(&server, clients, "/caldav.php/admin/", login).unwrap_err().to_string();
        ensure!(refused.contains("401"), "{login}: {refused}");
    }
    let alice = format!("alice:{PASSWORD}");
    server.run(&format!("echo {PASSWORD} | calendar-user alice"))?;
    fs::write(clients.folder().join("event.ics"), EVENT)?;
    let (event, put) = ("/caldav.php/alice/calendar/1.ics", "/work/client/event.ics");
    let more = ["--user", &alice, "--header", "Content-Type: text/calendar", "--upload-file", put];
    asked(&server, clients, event, &more)?;
    assert_eq!(events(&server)?, "/alice/calendar/1.ics");
    let found = ["--user", &alice, "--request", "PROPFIND", "--header", "Depth: 1"];
    let found = asked(&server, clients, "/caldav.php/alice/calendar/", &found)?;
    ensure!(found.contains(&format!("<href>{event}</href>")), "{found}");

    // Who is davical on the machine gets into its database, and nobody else.
    assert_eq!(psql(&server, "davical", "SELECT current_user")?, "davical");
    assert!(server.run("cd / && runuser -u www-data -- psql -U davical -c '' davical").is_err());
    let version = server.run("cat /var/lib/postgresql/major")?;
    let running = psql(&server, "postgres", "SHOW server_version")?;
    assert!(running.starts_with(&format!("{version}.")), "{version} is recorded of {running}");
    let identifier = "SELECT system_identifier FROM pg_control_system()";
    let cluster = psql(&server, "postgres", identifier)?;

    server.reboot()?;
    assert_eq!(psql(&server, "postgres", identifier)?, cluster);
    assert_eq!(events(&server)?, "/alice/calendar/1.ics");
    ensure!(https(&server, clients, event, &alice)?.contains("SUMMARY:Grüße"));

    another_major(&mut server, &version)?;
    ensure!(https(&server, clients, event, &alice)?.contains("SUMMARY:Grüße"));
    assert_ne!(psql(&server, "postgres", identifier)?, cluster, "that is the old cluster");
    server.power_off()
}

/// As a generation with `version` finds the state of an older one: it refuses it; what was dumped on
/// the older one it begins with.
fn another_major(server: &mut Online<'_>, version: &str) -> Result<()> {
    server.run("/usr/lib/postgresql-role/major move 99")?;
    server.run(&format!(
        "systemctl stop postgresql.service postgresql-major.service && cd /var/lib/postgresql && \
         mv {version} 9 && echo 9 | tee major >9/main/PG_VERSION && mv move prepared"
    ))?;
    let start = "systemctl start php8.2-fpm.service";
    assert!(server.run(start).is_err(), "it was started on the state of another version");
    assert_eq!(server.run("ls /var/lib/postgresql")?, "9\nmajor\nprepared");
    let failed = server.run("systemctl --failed --plain --no-legend | cut -d ' ' -f 1")?;
    assert_eq!(failed, "postgresql-major.service");
    let why = format!(
        "postgresql: the state is of PostgreSQL 9, this generation has {version}: not started."
    );
    let said = server.run("journalctl --boot --no-pager --unit postgresql-major.service")?;
    ensure!(said.contains(&why), "{said}");
    ensure!(server.console().contains(&why), "the console does not say it");
    let unwell = server.run("/usr/lib/heirloom/health || true")?;
    ensure!(unwell.contains("the state is of PostgreSQL 9, which this generation"), "{unwell}");

    server.run(&format!(
        "cd /var/lib/postgresql && mv prepared move && echo 9 >move/from && \
         echo {version} >move/to && systemctl reset-failed && {start}"
    ))?;
    assert_eq!(server.run("cat /var/lib/postgresql/major")?, version);
    server.settle()
}
