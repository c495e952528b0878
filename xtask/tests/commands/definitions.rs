//! Mistakes in definitions, as the command line shows them: where, and what would be right.

use std::fs;

use anyhow::{Result, ensure};
use libtest_mimic::Trial;

use crate::workspace::{Workspace, has, same};
use crate::{SERVER, trial};

const SERVER_TOML: &str = "servers/webserver/server.toml";

pub(crate) fn all() -> Vec<Trial> {
    vec![
        trial("two_parts_that_claim_one_path_are_named", two_parts),
        trial("an_unknown_key_is_shown_with_the_one_that_was_meant", unknown_key),
        trial("a_board_that_is_not_there_is_shown_where_it_is_asked_for", missing_board),
        trial("a_day_that_is_none_is_shown_with_a_good_one", bad_date),
        trial("a_state_path_that_is_not_absolute_is_shown", relative_state),
        trial("a_permission_for_a_file_that_nothing_lays_is_refused", missing_file),
        trial("every_command_that_reads_a_definition_refuses_a_wrong_one", every_command),
    ]
}

/// What `image` complains of; no lock and no image may have come of it.
fn complaint(workspace: &Workspace) -> Result<String> {
    let lock = workspace.read("servers/webserver/server.lock")?;
    let text = workspace.run(["image", SERVER])?.failed()?;
    ensure!(workspace.read("servers/webserver/server.lock")? == lock, "the lock was changed");
    ensure!(!workspace.target().join("heirloom/images").exists(), "an image was made");
    Ok(text)
}

fn two_parts() -> Result<()> {
    let workspace = Workspace::new()?;
    for name in ["one", "two"] {
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
             [lib]\npath = \"lib.rs\"\n"
        );
        workspace.write(&format!("roles/{name}/Cargo.toml"), &manifest)?;
        workspace.write(&format!("roles/{name}/lib.rs"), "")?;
        workspace.write(&format!("roles/{name}/role.toml"), "")?;
        workspace.write(&format!("roles/{name}/rootfs/etc/motd"), name)?;
    }
    let health = "health.workspace = true";
    let both = format!(
        "one = {{ path = \"../../roles/one\" }}\ntwo = {{ path = \"../../roles/two\" }}\n{health}"
    );
    workspace.replace("servers/webserver/Cargo.toml", health, &both)?;
    same(
        &complaint(&workspace)?,
        "error: `/etc/motd` is laid by `one` and by `two`, neither of which depends on the other\n \
         --> roles/one/rootfs/etc/motd\n \
         --> roles/two/rootfs/etc/motd\n\
         help: what depends on a part may override it: add the dependency to Cargo.toml, or say it \
         once more in the server",
    )
}

fn unknown_key() -> Result<()> {
    let workspace = Workspace::new()?;
    workspace.replace(SERVER_TOML, "pockets = ", "pocket = ")?;
    has(
        &complaint(&workspace)?,
        &[
            "error: unknown key `pocket`",
            "\n --> servers/webserver/server.toml:7:1\n",
            "\n7 | pocket = [",
            "\n  | ^^^^^^\n",
            "\nhelp: did you mean `pockets`?",
        ],
    )
}

fn missing_board() -> Result<()> {
    let workspace = Workspace::new()?;
    workspace.replace(SERVER_TOML, "board = \"pc\"", "board = \"pcc\"")?;
    same(
        &complaint(&workspace)?,
        "error: there is no board `pcc`\n --> servers/webserver/server.toml:2:9\n  |\n\
         2 | board = \"pcc\"\n  |         ^^^^^\nhelp: did you mean `pc`?",
    )
}

fn bad_date() -> Result<()> {
    let workspace = Workspace::new()?;
    let day = workspace.read(SERVER_TOML)?;
    let day = day.lines().find(|line| line.starts_with("date = ")).unwrap_or_default();
    workspace.replace(SERVER_TOML, day, "date = \"2026-02-30\"")?;
    same(
        &complaint(&workspace)?,
        "error: `2026-02-30` is no day of the calendar\n --> servers/webserver/server.toml:8:8\n  |\n\
         8 | date = \"2026-02-30\"\n  |        ^^^^^^^^^^^^\n\
         help: a day as YYYY-MM-DD; as in `2026-11-22`",
    )
}

fn relative_state() -> Result<()> {
    let workspace = Workspace::new()?;
    workspace.replace(SERVER_TOML, "\"/srv/html\"", "\"srv/html\"")?;
    has(
        &complaint(&workspace)?,
        &[
            "error: `srv/html` is not absolute",
            "servers/webserver/server.toml:17:1",
            "^^^^^^^^^^",
            "help: an absolute path; as in `/var/mail`",
        ],
    )
}

fn missing_file() -> Result<()> {
    let workspace = Workspace::new()?;
    crate::undisturbed::take_programs(&workspace)?;
    let toml = workspace.read(SERVER_TOML)?;
    let line = toml.lines().count() + 3;
    let more = "\n[permissions]\n\"/etc/nginx/nginx.con\" = { mode = \"0600\" }\n";
    workspace.write(SERVER_TOML, &format!("{toml}{more}"))?;
    has(
        &complaint(&workspace)?,
        &[
            "`/etc/nginx/nginx.con`: neither the packages nor the definition",
            &format!("servers/webserver/server.toml:{line}:1"),
            "\nhelp: did you mean `/etc/nginx/nginx.conf`?",
        ],
    )
}

fn every_command() -> Result<()> {
    let workspace = Workspace::new()?;
    workspace.replace(SERVER_TOML, "board = \"pc\"", "board = 1")?;
    let before = fs::read(workspace.root().join(SERVER_TOML))?;
    for arguments in [
        ["image", SERVER].as_slice(),
        &["boot", SERVER],
        &["verify", SERVER],
        &["lock", SERVER],
        &["lock", SERVER, "--date", "2026-11-20"],
        &["pin", SERVER, "nginx", "1", "--reason", "x"],
        &["unpin", SERVER, "nginx"],
        &["outdated", SERVER],
        &["vault", SERVER, "vault"],
        &["deploy", SERVER, "root@localhost"],
        &["rollback", SERVER, "root@localhost"],
        &["generations", SERVER, "root@localhost"],
        &["install", SERVER, "root@localhost", "--disk", "/dev/vda", "--yes"],
        &["flash", "--board", "pc", SERVER, "card.img", "--yes"],
        &["bench", SERVER],
    ] {
        let text = workspace.run(arguments)?.failed()?;
        has(&text, &["servers/webserver/server.toml:2:9"])?;
        ensure!(fs::read(workspace.root().join(SERVER_TOML))? == before, "{arguments:?}");
    }
    Ok(())
}
