//! Locks that are moved: by date, by pin, and not at all when that fails.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use jiff::civil::Date;
use libtest_mimic::Trial;
use lock::Lock;
use pipeline::Report;
use serde_json::{Value, json};

use crate::workspace::{Ran, Workspace, has, same};
use crate::{SERVER, results, trial, undisturbed};

const SERVER_TOML: &str = "servers/webserver/server.toml";
const SERVER_LOCK: &str = "servers/webserver/server.lock";

pub(crate) fn all() -> Vec<Trial> {
    vec![
        trial("a_lock_goes_to_another_day_and_back", there_and_back),
        trial("a_pin_comes_and_goes_and_leaves_everything_as_it_was", pin),
        trial("another_version_is_pinned_seen_and_let_go_and_nothing_else_moves", other_versions),
        trial("what_cannot_be_locked_changes_neither_definition_nor_lock", failures),
        trial("a_day_that_has_not_come_is_refused", future),
        trial("outdated_writes_nothing", outdated),
        trial("with_locked_no_lock_is_written_or_changed", locked),
        trial("with_locked_a_lock_without_ids_is_refused_and_without_it_completed", lacking_ids),
        trial("a_lock_that_a_merge_has_broken_is_made_anew_with_its_ids", merged),
        trial("a_vault_is_all_that_a_build_needs_and_nothing_less", vault),
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
    let again: Value = workspace.run(["lock", SERVER, "--date", &earlier, "--json"])?.json()?;
    let lock = lock_of(&workspace)?;
    let (packages, bytes) = (lock.packages.len(), lock.size());
    ensure!(
        again
            == json!({
                "server": SERVER, "date": earlier, "packages": packages, "bytes": bytes,
                "added": [], "removed": [], "changed": [],
            }),
        "{again}"
    );
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

fn lock_of(workspace: &Workspace) -> Result<Lock> {
    Ok(Lock::read(&workspace.root().join(SERVER_LOCK))?)
}

/// The locked version of a package.
fn locked_version(workspace: &Workspace, package: &str) -> Result<String> {
    let lock = lock_of(workspace)?;
    Ok(lock.package(package).with_context(|| format!("{package} is not locked"))?.version.clone())
}

/// The version of `package` that the suites have beside the one that is locked: who pins one that
/// is not there is told.
fn other_version(workspace: &Workspace, package: &str) -> Result<String> {
    let locked = locked_version(workspace, package)?;
    let text = workspace.run(["pin", SERVER, package, "0", "--reason", "x"])?.failed()?;
    let there = text.lines().find_map(|line| line.strip_prefix("help: there is "));
    let there = there.and_then(|line| line.split(';').next()).with_context(|| text.clone())?;
    let Some(other) = there.split(", ").find(|version| *version != locked) else {
        bail!("there is one version of {package} only: {there}");
    };
    Ok(other.to_owned())
}

/// Which packages a command that locks says that it changed: name, from, to. What they need may
/// come and go with them.
fn changed(workspace: &Workspace, arguments: &[&str]) -> Result<Vec<[String; 3]>> {
    let said: Value = workspace.run(arguments.iter().chain(&["--json"]))?.json()?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let changed = said["changed"].as_array().context("nothing is said of what changed")?;
    Ok(changed.iter().map(|it| ["name", "from", "to"].map(|key| text(&it[key]))).collect())
}

/// Packages of which bookworm has one version and its backports another.
fn other_versions() -> Result<()> {
    let workspace = Workspace::new()?;
    let today = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).date();
    let day = value(&workspace.read(SERVER_TOML)?, "date")?.to_owned();
    workspace.replace(SERVER_TOML, &day, &today.to_string())?;
    workspace.replace(SERVER_TOML, "[\"nginx\"]", "[\"nginx\", \"iproute2\", \"tmux\"]")?;
    let locked: Value = workspace.run(["lock", SERVER, "--json"])?.json()?;
    ensure!(locked["server"] == SERVER && locked["date"] == today.to_string(), "{locked}");
    let added = locked["added"].as_array().context("nothing is said of what came")?;
    let tmux = locked_version(&workspace, "tmux")?;
    let entry = json!({"name": "tmux", "architecture": "amd64", "version": tmux});
    ensure!(added.contains(&entry), "{locked}");
    let before = both(&workspace)?;
    let outdated = || -> Result<Vec<Value>> {
        let said: Value = workspace.run(["outdated", SERVER, "--json"])?.json()?;
        let date: Date = said["date"].as_str().context("no date")?.parse()?;
        ensure!(date >= today && said["server"] == SERVER, "{said}");
        Ok(said["packages"].as_array().context("no packages")?.clone())
    };
    ensure!(outdated()?.is_empty(), "what was just locked is out of date");

    // Each pin moves its package, and no other.
    let iproute2 = locked_version(&workspace, "iproute2")?;
    let packages = [("iproute2", iproute2.as_str()), ("tmux", &tmux)];
    let packages = packages.map(|(name, was)| Ok((name, was, other_version(&workspace, name)?)));
    let packages = packages.into_iter().collect::<Result<Vec<_>>>()?;
    for (name, was, other) in &packages {
        let moved = changed(&workspace, &["pin", SERVER, name, other, "--reason", "a test"])?;
        ensure!(moved == [[*name, was, other].map(str::to_owned)], "{moved:?}");
        ensure!(locked_version(&workspace, name)? == *other);
    }
    let pinned = both(&workspace)?;
    let expected: Vec<_> = packages
        .iter()
        .map(|(name, was, other)| {
            json!({"name": name, "architecture": "amd64", "locked": other, "available": was})
        })
        .collect();
    // What only the pinned version needs is out of date, too: it would go.
    let (of_today, would_go): (Vec<_>, Vec<_>) =
        outdated()?.into_iter().partition(|it| expected.contains(it));
    ensure!(of_today == expected && would_go.iter().all(|it| it["available"].is_null()));
    let text = workspace.run(["outdated", SERVER])?.succeeded()?;
    for (name, was, other) in &packages {
        has(&text, &[&format!("{name} {other} -> {was}\n")])?;
    }
    ensure!(both(&workspace)? == pinned, "outdated wrote something");

    // One is let go by `unpin`, the other by hand and then by `--update`.
    let (iproute2, tmux) = (&packages[0], &packages[1]);
    let moved = changed(&workspace, &["unpin", SERVER, "tmux"])?;
    ensure!(moved == [["tmux", &tmux.2, tmux.1].map(str::to_owned)], "{moved:?}");
    workspace.write(SERVER_TOML, &before.0)?;
    let moved = changed(&workspace, &["lock", SERVER, "--update", "tmux"])?;
    ensure!(moved.is_empty(), "{moved:?}");
    ensure!(locked_version(&workspace, "iproute2")? == iproute2.2);
    let moved = changed(&workspace, &["lock", SERVER, "--update", "iproute2"])?;
    ensure!(moved == [["iproute2", &iproute2.2, iproute2.1].map(str::to_owned)], "{moved:?}");
    ensure!(both(&workspace)? == before, "the way back does not lead to where it began");
    Ok(())
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
    let said: Value = workspace.run(["outdated", SERVER, "--json"])?.json()?;
    let packages = said["packages"].as_array().context("no packages")?;
    let shown = workspace.run(["outdated", SERVER])?.succeeded()?;
    match said["date"].as_str() {
        Some(day) if packages.is_empty() => {
            has(&shown, &["everything is as new as the archive of ", day])?;
        }
        _ => ensure!(shown.lines().count() == packages.len(), "{shown}\n{said}"),
    }
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

fn merged() -> Result<()> {
    let workspace = Workspace::of_final_suite()?;
    workspace.run(["lock", SERVER])?.succeeded()?;
    let whole = workspace.read(SERVER_LOCK)?;
    let ids = lock_of(&workspace)?.ids();
    ensure!(!ids.users.is_empty(), "the lock has no ids to be lost");
    let marks = "<<<<<<< HEAD\n=======\n>>>>>>> another branch\n[[package]]";
    let broken = whole.replacen("[[package]]", marks, 1);
    workspace.write(SERVER_LOCK, &broken)?;
    has(&workspace.run(["image", SERVER])?.failed()?, &["error: ", "server.lock:", "help: "])?;
    // What the other packages are is not known.
    workspace.run(["lock", SERVER, "--update", "nginx"])?.failed()?;
    ensure!(workspace.read(SERVER_LOCK)? == broken, "it was changed");
    let ran = workspace.run(["lock", SERVER])?;
    has(&ran.stderr, &["warning: ", "server.lock:", "locking anew"])?;
    ran.succeeded()?;
    ensure!(workspace.read(SERVER_LOCK)? == whole, "another lock than before the merge");
    Ok(())
}

fn lacking_ids() -> Result<()> {
    let workspace = undisturbed::get()?.twin(&[])?;
    let whole = workspace.read(SERVER_LOCK)?;
    let lock = lock_of(&workspace)?;
    let (without, _) = whole.split_once("\n[users]\n").context("the lock has no users")?;
    workspace.write(SERVER_LOCK, without)?;
    // Each once, though users and their groups have one name.
    let names: BTreeSet<_> = lock.users.keys().chain(lock.groups.keys()).cloned().collect();
    ensure!(names.len() < lock.users.len() + lock.groups.len(), "{names:?}");
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    same(
        &workspace.run(["image", SERVER, "--locked", "--quiet"])?.failed()?,
        &format!(
            "error: server.lock of `webserver` lacks the ids of {names}\n\
             help: `cargo xtask image webserver` without --locked records them"
        ),
    )?;
    ensure!(workspace.read(SERVER_LOCK)? == without, "the lock was changed");
    workspace.run(["image", SERVER, "--quiet"])?.succeeded()?;
    ensure!(workspace.read(SERVER_LOCK)?.contains("\n[users]\n"), "nothing was recorded");
    Ok(())
}

fn vault() -> Result<()> {
    let undisturbed = undisturbed::get()?;
    // Also one program is compiled anew, which takes the tools that the vault has for that.
    let workspace = undisturbed.before("program")?;
    for stage in ["packages", "layer", "initramfs", "config", "disk"] {
        std::fs::remove_dir_all(workspace.stages().join(stage))?;
    }
    let folder = workspace.root().join("vault");
    let made: Value = workspace.run(["vault", SERVER, "vault", "--json"])?.json()?;
    ensure!(made["server"] == SERVER && made["dir"] == "vault" && made["kept"] == 0, "{made}");
    let packages = lock_of(&workspace)?.packages.len() as u64;
    ensure!(made["copied"].as_u64().is_some_and(|copied| copied > packages), "{made}");
    let again: Value = workspace.run(["vault", SERVER, "vault", "--json"])?.json()?;
    ensure!(again["copied"] == 0 && again["kept"] == made["copied"], "{again}");
    ensure!(again["bytes"] == made["bytes"], "{again}");

    let image = ["image", SERVER, "--json", "--quiet", "--offline", "--locked"];
    let in_empty_cache = |more: &[&str]| -> Result<Ran> {
        let cache = workspace.target().join("cache");
        let arguments = image.iter().chain(more);
        let output = workspace.xtask(arguments).env("HEIRLOOM_CACHE", cache).output()?;
        Ok(output.into())
    };
    let nothing = in_empty_cache(&[])?.failed()?;
    has(&nothing, &["not in the store, and `--offline` was given", "help: "])?;
    let report: Report = in_empty_cache(&["--vault", "vault"])?.json()?;
    ensure!(report.stages.iter().filter(|it| !it.hit).count() == undisturbed::OF_AN_IMAGE);
    ensure!(report.generation == undisturbed.report.generation, "another generation");
    ensure!(results::digests(&report)? == undisturbed.digests, "other bytes");

    // One file less, and it is missed by its name.
    let lock = lock_of(&workspace)?;
    let nginx = lock.package("nginx").context("nginx is not locked")?;
    let hex = nginx.sha256.hex();
    std::fs::remove_file(folder.join("sha256").join(&hex[..2]).join(&hex))?;
    std::fs::remove_dir_all(workspace.target().join("cache"))?;
    std::fs::remove_dir_all(workspace.stages().join("packages"))?;
    let missing = in_empty_cache(&["--vault", "vault"])?.failed()?;
    has(&missing, &["1 file is not in the store", "nginx_"])
}
