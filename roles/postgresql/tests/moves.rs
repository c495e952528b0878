//! Databases that move from one release of Debian to the next, in a virtual machine: PostgreSQL from
//! 15 to 17, MariaDB from 10.11 to 11.8, of the archive as it is today. It takes half an hour.
//!
//! ```text
//! cargo test -p postgresql -F slow --test moves
//! ```

#![cfg(test)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use deploy::{Agent, Ending, Kept, Options, Outcome, Patience, Verdict};
use testbed::{Online, Remote, Testbed};

/// What a generation of trixie says of the state of bookworm.
const REFUSALS: [&str; 2] = [
    "postgresql: the state is of PostgreSQL 15, this generation has 17: not started. Go back to a \
     generation with 15, and there `/usr/lib/postgresql-role/major move 17`: \
     docs/how-to/postgresql.md",
    "mariadb: the state is of MariaDB 10.11, this generation has 11.8: not started. Go back to a \
     generation with 10.11, and there `/usr/lib/mariadb-role/major move 11.8`: \
     docs/how-to/mariadb.md",
];

/// The longest that an emulated machine takes to boot.
const BOOT: Duration = Duration::from_secs(600);

/// The programs of both databases that answer `shop`.
const CLIENTS: [&str; 2] =
    ["psql --no-psqlrc -qAt shop -c", "mariadb --batch --skip-column-names shop --execute"];

/// What both say to a statement.
fn both(server: &Online<'_>, statements: [&str; 2]) -> Result<[String; 2]> {
    let ask = |at: usize| {
        let (client, statement) = (CLIENTS[at], statements[at]);
        server.run(&format!("cd / && runuser -u shop -- {client} \"{statement}\""))
    };
    Ok([ask(0)?, ask(1)?])
}

/// Both run the expected versions, have what was written and take more.
fn run(server: &Online<'_>, versions: [&str; 2], row: &str) -> Result<()> {
    let running = both(server, ["SHOW server_version", "SELECT VERSION()"])?;
    for (running, version) in running.iter().zip(versions) {
        ensure!(running.starts_with(&format!("{version}.")), "{running} runs, not {version}");
    }
    let recorded = "cat /var/lib/postgresql/major /var/lib/mariadb-major/major";
    ensure!(server.run(recorded)? == versions.join("\n"), "another version is recorded");
    let first = "SELECT name FROM items ORDER BY id LIMIT 1";
    ensure!(both(server, [first; 2])? == ["Grüße"; 2], "the first row is not there");
    let more = format!("INSERT INTO items (name) VALUES ('{row}')");
    both(server, [more.as_str(); 2]).map(drop)
}

/// How many rows there are.
fn rows(server: &Online<'_>) -> Result<[String; 2]> {
    both(server, ["SELECT count(*) FROM items"; 2])
}

/// Makes `shop` a table in either database, with a row.
fn fill(server: &Online<'_>) -> Result<()> {
    server.run("systemctl start postgresql-database@shop.service mariadb-database@shop.service")?;
    both(
        server,
        [
            "CREATE TABLE items (id serial PRIMARY KEY, name text)",
            "CREATE TABLE items (id int AUTO_INCREMENT PRIMARY KEY, name text)",
        ],
    )?;
    both(server, ["INSERT INTO items (name) VALUES ('Grüße')"; 2]).map(drop)
}

fn deployed(testbed: &Testbed, kept: &Kept, server: &Online<'_>) -> Result<Outcome> {
    let bundle = testbed.generation()?.bundle;
    let options = Options { boot: BOOT, ..Options::default() };
    let remote = Remote::new(testbed.clients(), server.port(22)?);
    Ok(deploy::deploy(&bundle, &remote, kept, &BTreeMap::new(), &options)?)
}

/// Says on a terminal what a test of half an hour is doing.
fn doing(what: &str) {
    eprintln!("{what}");
}

#[test]
fn databases_move_to_the_next_release_when_they_are_told_to_and_not_before() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/databases");
    let testbed = Testbed::of(&folder)?;
    testbed.move_to_today()?;
    let machine = testbed.machine()?.disk_size(6 << 30).forward(22);
    doing("bookworm boots");
    let mut server = Online::start(&machine, testbed.clients())?;
    fill(&server)?;
    run(&server, ["15", "10.11"], "of bookworm")?;
    let kept = testbed.kept()?;
    kept.add(&testbed.generation()?.bundle)?;

    doing("trixie is locked, built and refused");
    testbed.edit("suite = \"bookworm\"", "suite = \"trixie\"")?;
    refused(&deployed(&testbed, &kept, &server)?, &REFUSALS)?;
    for why in REFUSALS {
        ensure!(server.console().contains(why), "the console does not say: {why}");
    }
    server.settle()?;
    run(&server, ["15", "10.11"], "after the refusal")?;

    doing("the move of both");
    let said = server
        .run("/usr/lib/postgresql-role/major move 17 && /usr/lib/mariadb-role/major move 11.8")?;
    ensure!(said.contains("with 17 may start now") && said.contains("with 11.8 may"), "{said}");
    let before = rows(&server)?;
    let outcome = deployed(&testbed, &kept, &server)?;
    ensure!(outcome.ending == Ending::Tried(Verdict::Confirmed), "{outcome:?}");
    server.settle()?;
    ensure!(rows(&server)? == before, "rows were lost or doubled: {before:?}");
    run(&server, ["17", "11.8"], "of trixie")?;

    doing("the second start of trixie");
    server.reboot()?;
    run(&server, ["17", "11.8"], "after the reboot")?;
    ensure!(server.run("ls /var/lib/postgresql")? == "15\n17\nmajor", "the move is not complete");

    doing("bookworm is refused now");
    back_to_bookworm(&testbed, &mut server)?;
    run(&server, ["17", "11.8"], "at the end")?;
    server.power_off()
}

/// The server has gone back by itself, and says why.
fn refused(outcome: &Outcome, refusals: &[&str]) -> Result<()> {
    let Ending::Tried(Verdict::FellBack { reason, lines }) = &outcome.ending else {
        bail!("it was not refused: {outcome:?}");
    };
    ensure!(reason.contains("units have failed"), "{reason}");
    for why in refusals {
        let is_said = lines.iter().any(|line| line.contains(why));
        ensure!(is_said, "deploy does not say `{why}`: {lines:#?}");
    }
    Ok(())
}

/// The older generation on trial finds newer files: the server comes back from it.
fn back_to_bookworm(testbed: &Testbed, server: &mut Online<'_>) -> Result<()> {
    let remote = Remote::new(testbed.clients(), server.port(22)?);
    let patience = Patience::new(Duration::from_secs(400), BOOT);
    let agent = Agent::new(&remote);
    let (_, verdict) = agent.roll_back("databases", None, patience)?;
    let Some(Verdict::FellBack { lines, .. }) = verdict else {
        bail!("bookworm runs on the state of trixie: {verdict:?}");
    };
    let why = "the state is of PostgreSQL 17, this generation has 15: not started";
    ensure!(lines.iter().any(|line| line.contains(why)), "{lines:#?}");
    server.settle()?;
    let status = agent.status()?;
    ensure!(status.booted == status.default, "{status:?}");
    Ok(())
}
