//! A server of nothing but MariaDB, in a virtual machine, used by the ordinary client. Its packages
//! are no other server's, so it takes minutes.
//!
//! ```text
//! cargo test -p mariadb -F slow --test machine
//! ```

#![cfg(test)]

use std::path::Path;

use anyhow::{Result, ensure};
use testbed::{Online, Testbed};

/// What the ordinary client says to a statement, as `user` of the machine.
fn mariadb(server: &Online<'_>, user: &str, statement: &str) -> Result<String> {
    let client = "mariadb --batch --skip-column-names";
    server.run(&format!("runuser -u {user} -- {client} --execute \"{statement}\""))
}

#[test]
fn rows_outlive_a_reboot_and_the_state_of_another_major_version_is_refused() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/database");
    let testbed = Testbed::of(&folder)?;
    let machine = testbed.machine()?.disk_size(4 << 30).forward(22);
    let mut server = Online::start(&machine, testbed.clients())?;

    server.run("systemctl start mariadb-database@shop.service")?;
    mariadb(&server, "shop", "CREATE TABLE shop.items (name TEXT)")?;
    mariadb(&server, "shop", "INSERT INTO shop.items VALUES ('Grüße')")?;
    // Who is shop on the machine gets into its database, and nobody else.
    let user = "SELECT CURRENT_USER()";
    assert_eq!(mariadb(&server, "shop", user)?, "shop@localhost");
    assert!(server.run("runuser -u www-data -- mariadb --user shop --execute 'SELECT 1'").is_err());
    assert!(mariadb(&server, "shop", "SELECT * FROM mysql.global_priv").is_err());
    let version = server.run("cat /var/lib/mariadb-major/major")?;
    let running = mariadb(&server, "root", "SELECT VERSION()")?;
    assert!(running.starts_with(&format!("{version}.")), "{version} is recorded of {running}");
    let born = "stat --format %i /var/lib/mysql/ibdata1";
    let data = server.run(born)?;

    server.reboot()?;
    assert_eq!(server.run(born)?, data);
    assert_eq!(mariadb(&server, "shop", "SELECT name FROM shop.items")?, "Grüße");
    another_major(&mut server, &version)?;
    assert_eq!(mariadb(&server, "shop", "SELECT name FROM shop.items")?, "Grüße");

    back_to_the_dump(&mut server)?;
    server.power_off()
}

/// As a generation with `version` finds the state of an older one: it refuses it, until it is let.
fn another_major(server: &mut Online<'_>, version: &str) -> Result<()> {
    server.run(
        "systemctl stop mariadb.service mariadb-major.service && \
         echo 10.6 >/var/lib/mariadb-major/major",
    )?;
    let start = "systemctl start mariadb.service";
    assert!(server.run(start).is_err(), "it was started on the state of another version");
    let failed = server.run("systemctl --failed --plain --no-legend | cut -d ' ' -f 1")?;
    assert_eq!(failed, "mariadb-major.service");
    let why = format!(
        "mariadb: the state is of MariaDB 10.6, this generation has {version}: not started."
    );
    let said = server.run("journalctl --boot --no-pager --unit mariadb-major.service")?;
    ensure!(said.contains(&why), "{said}");
    ensure!(server.console().contains(&why), "the console does not say it");
    let unwell = server.run("/usr/lib/heirloom/health || true")?;
    ensure!(unwell.contains("mariadb-major.service is not active"), "{unwell}");

    server.run(&format!(
        "echo {version} >/var/lib/mariadb-major/to && systemctl reset-failed && {start}"
    ))?;
    assert_eq!(
        server.run("cd /var/lib/mariadb-major && cat major && ls")?,
        format!("{version}\nmajor")
    );
    server.settle()
}

/// What a move has dumped is what an empty data directory gets back.
fn back_to_the_dump(server: &mut Online<'_>) -> Result<()> {
    server.run("/usr/lib/mariadb-role/major move 99.0")?;
    mariadb(server, "shop", "INSERT INTO shop.items VALUES ('later')")?;
    server.run(
        "systemctl stop mariadb.service && find /var/lib/mysql -mindepth 1 -delete && \
         systemctl start mariadb.service && mariadb </var/lib/mariadb-major/dump.sql",
    )?;
    assert_eq!(mariadb(server, "shop", "SELECT name FROM shop.items")?, "Grüße");
    server.settle()
}
