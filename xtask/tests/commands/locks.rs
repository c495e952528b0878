//! Locks that are moved: by date, by pin, and not at all when that fails.

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::Value;

use crate::workspace::{Workspace, has};
use crate::{SERVER, trial};

const SERVER_TOML: &str = "servers/webserver/server.toml";
const SERVER_LOCK: &str = "servers/webserver/server.lock";

pub(crate) fn all() -> Vec<Trial> {
    vec![
        trial("a_lock_goes_to_another_day_and_back", there_and_back),
        trial("a_pin_comes_and_goes_and_leaves_everything_as_it_was", pin),
        trial("what_cannot_be_locked_changes_neither_definition_nor_lock", failures),
        trial("a_day_that_has_not_come_is_refused", future),
        trial("outdated_writes_nothing", outdated),
        trial("with_locked_no_lock_is_written_or_changed", locked),
    ]
}

/// Definition and lock.
fn both(workspace: &Workspace) -> Result<(String, String)> {
    Ok((workspace.read(SERVER_TOML)?, workspace.read(SERVER_LOCK)?))
}

/// The value of a line `KEY = "VALUE"`.
fn value<'a>(toml: &'a str, key: &str) -> Result<&'a str> {
    let line = toml.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
    line.and_then(|line| line.split('"').next()).with_context(|| format!("no `{key}`"))
}

fn there_and_back() -> Result<()> {
    let workspace = Workspace::of_final_suite()?;
    // From what this program makes of the day: the lock of the repository may be of an older one.
    workspace.run(["lock", SERVER])?.succeeded()?;
    let before = both(&workspace)?;
    let day = value(&before.0, "date")?;
    let earlier = day.parse::<jiff::civil::Date>()?.yesterday()?.to_string();

    let text = workspace.run(["lock", SERVER, "--date", &earlier])?.succeeded()?;
    has(&text, &[&format!("packages of {earlier}")])?;
    let moved = both(&workspace)?;
    ensure!(value(&moved.0, "date")? == earlier && value(&moved.1, "date")? == earlier);
    ensure!(moved.0 == before.0.replace(day, &earlier), "more than the date was changed");

    workspace.run(["lock", SERVER, "--date", day])?.succeeded()?;
    ensure!(both(&workspace)? == before, "the way back does not lead to where it began");
    Ok(())
}

fn pin() -> Result<()> {
    let workspace = Workspace::of_final_suite()?;
    workspace.run(["lock", SERVER])?.succeeded()?;
    let before = both(&workspace)?;
    let (_, nginx) = before.1.split_once("name = \"nginx\"").context("nginx is not locked")?;
    let version = value(nginx, "version")?;

    workspace.run(["pin", SERVER, "nginx", version, "--reason", "a test"])?.succeeded()?;
    let pinned = both(&workspace)?;
    has(&pinned.0, &["name = \"nginx\"", &format!("version = \"{version}\""), "\"a test\""])?;
    let shown: Vec<Value> = workspace.run(["outdated", SERVER, "--json"])?.json()?;
    ensure!(shown.iter().all(|it| it["locked"] != it["available"]), "{shown:?}");

    workspace.run(["unpin", SERVER, "nginx"])?.succeeded()?;
    let after = both(&workspace)?;
    let meaning = |text: &str| toml::from_str::<toml::Table>(text);
    let (mut was, mut is) = (meaning(&before.0)?, meaning(&after.0)?);
    // An empty list of pins says what no list says.
    for table in [&mut was, &mut is] {
        if let Some(packages) = table.get_mut("packages").and_then(|it| it.as_table_mut()) {
            packages.remove("pin");
        }
    }
    ensure!(was == is, "server.toml is now\n{}", after.0);
    ensure!(after.1 == before.1, "the lock is now\n{}", after.1);
    let text = workspace.run(["unpin", SERVER, "nginx"])?.failed()?;
    has(&text, &["could not change", "server.toml", "`nginx` is not pinned"])
}

fn failures() -> Result<()> {
    let workspace = Workspace::of_final_suite()?;
    let before = both(&workspace)?;
    for (arguments, expected) in [
        (
            ["pin", SERVER, "nginx", "0.0.1", "--reason", "x"].as_slice(),
            "nginx has no version 0.0.1",
        ),
        (&["pin", SERVER, "nginx", "a version", "--reason", "x"], "a version"),
        (&["pin", SERVER, "no-such-package", "1", "--reason", "x"], "no-such-package"),
        (&["pin", SERVER, "nginx", "1", "--reason", ""], "reason"),
        (&["lock", SERVER, "--date", "1990-01-01"], "`1990-01-01` is before"),
        (&["lock", SERVER, "--update", "no-such-package"], "no-such-package"),
    ] {
        has(&workspace.run(arguments)?.failed()?, &["error: ", expected])?;
        ensure!(both(&workspace)? == before, "{arguments:?} changed something");
    }
    // Two packages that exclude one another: the chain is told.
    workspace.replace(SERVER_TOML, "[\"nginx\"]", "[\"postfix\", \"exim4-daemon-light\"]")?;
    let text = workspace.run(["lock", SERVER])?.failed()?;
    has(&text, &["postfix", "exim4-daemon-light", "mail-transport-agent"])?;
    ensure!(workspace.read(SERVER_LOCK)? == before.1);
    Ok(())
}

fn future() -> Result<()> {
    let workspace = Workspace::new()?;
    let before = both(&workspace)?;
    let text = workspace.run(["lock", SERVER, "--date", "2099-01-01"])?.failed()?;
    has(&text, &["error: ", "2099-01-01", "has not come yet", "help: "])?;
    ensure!(both(&workspace)? == before);
    Ok(())
}

fn outdated() -> Result<()> {
    let workspace = Workspace::new()?;
    let before = both(&workspace)?;
    let _: Vec<Value> = workspace.run(["outdated", SERVER, "--json"])?.json()?;
    ensure!(!workspace.run(["outdated", SERVER])?.succeeded()?.is_empty());
    ensure!(both(&workspace)? == before);
    Ok(())
}

fn locked() -> Result<()> {
    let workspace = Workspace::new()?;
    workspace.replace(SERVER_TOML, "[\"nginx\"]", "[\"nginx\", \"rsync\"]")?;
    let before = both(&workspace)?;
    let text = workspace.run(["image", SERVER, "--locked"])?.failed()?;
    has(
        &text,
        &[
            "error: server.lock of `webserver` does not answer what server.toml asks for",
            "help: `cargo xtask lock webserver` writes it",
        ],
    )?;
    for arguments in [
        ["lock", SERVER, "--locked"].as_slice(),
        &["pin", SERVER, "nginx", "1", "--reason", "x", "--locked"],
        &["vault", SERVER, "vault", "--locked"],
    ] {
        workspace.run(arguments)?.failed()?;
        ensure!(both(&workspace)? == before, "{arguments:?} changed something");
    }
    std::fs::remove_file(workspace.root().join(SERVER_LOCK))?;
    let text = workspace.run(["image", SERVER, "--locked"])?.failed()?;
    has(&text, &["error: `webserver` has no server.lock", "help: "])?;
    ensure!(!workspace.root().join(SERVER_LOCK).exists());
    Ok(())
}
