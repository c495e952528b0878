//! What every command has in common, and those that only show.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use digest::Digest;
use libtest_mimic::Trial;
use pipeline::Report;
use serde_json::Value;

use crate::workspace::{Ran, Workspace, cargo, has, same};
use crate::{SERVER, trial, undisturbed};

const COMMANDS: [&str; 20] = [
    "clean",
    "compare-packages",
    "image",
    "rescue",
    "boot",
    "verify",
    "lock",
    "pin",
    "unpin",
    "outdated",
    "vault",
    "new",
    "deploy",
    "rollback",
    "generations",
    "install",
    "flash",
    "list",
    "doctor",
    "bench",
];

pub(crate) fn all() -> Vec<Trial> {
    vec![
        trial("help_of_every_command_ends_with_an_example", help),
        trial("a_server_that_is_not_there_brings_the_one_that_was_meant", unknown_server),
        trial("a_wrong_host_or_medium_is_refused_before_anything_is_built", wrong_target),
        trial("colours_are_where_they_are_asked_for_in_every_message", colours),
        trial("a_lock_says_as_much_as_was_asked_for", verbosity_of_lock),
        trial("outside_of_a_workspace_it_is_said_that_there_is_none", outside),
        trial("lists_and_checks_are_json_when_asked_for", json),
        trial("image_prints_results_only_when_quiet_and_the_same_as_json", image),
        trial("timings_add_up_and_explain_names_the_file_that_changed", timings),
        trial("list_shows_the_servers_beside_a_broken_one_and_fails", broken_list),
        trial("a_new_server_is_listed_and_its_image_builds", new_server),
        trial("a_new_server_takes_no_name_that_is_taken", taken_name),
        trial("an_archiso_profile_becomes_a_server_that_is_listed", archiso_profile),
        trial("an_archiso_profile_with_a_mistake_leaves_nothing_behind", bad_profile),
    ]
}

fn help() -> Result<()> {
    let workspace = Workspace::new()?;
    let text = workspace.run(["--help"])?.succeeded()?;
    has(&text, &["Example: cargo xtask image mailserver"])?;
    for command in COMMANDS {
        has(&text, &[&format!("\n  {command} ")])?;
        let help = workspace.run([command, "--help"])?.succeeded()?;
        let (_, example) = help.rsplit_once("Example").unwrap_or_default();
        has(example, &[&format!("cargo xtask {command}")])?;
        has(&help, &["--offline", "--locked", "--quiet", "--verbose", "--color <WHEN>"])?;
        // `boot` ends when the machine does; `bench` is for people.
        let for_programs = !["boot", "bench"].contains(&command);
        ensure!(help.contains("--json") == for_programs, "{command} --json:\n{help}");
        ensure!(!help.contains("--plant-clock"), "what only tests use is shown:\n{help}");
    }
    let listed = text.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let listed = listed.filter(|line| !line.trim_start().starts_with('-')).count();
    // And `help`.
    ensure!(listed == COMMANDS.len() + 1, "a command is missing in this test:\n{text}");
    Ok(())
}

fn unknown_server() -> Result<()> {
    let workspace = Workspace::new()?;
    for arguments in [
        ["image", "wbeserver"].as_slice(),
        &["boot", "wbeserver"],
        &["verify", "wbeserver"],
        &["lock", "wbeserver"],
        &["pin", "wbeserver", "nginx", "1", "--reason", "x"],
        &["unpin", "wbeserver", "nginx"],
        &["outdated", "wbeserver"],
        &["vault", "wbeserver", "vault"],
        &["deploy", "wbeserver", "root@localhost"],
        &["rollback", "wbeserver", "root@localhost"],
        &["generations", "wbeserver", "root@localhost"],
        &["install", "wbeserver", "root@localhost", "--disk", "/dev/vda"],
        &["flash", "--board", "pc", "wbeserver", "card.img"],
    ] {
        same(
            &workspace.run(arguments)?.failed()?,
            "error: there is no server `wbeserver` in this workspace\n\
             help: did you mean `webserver`?",
        )?;
    }
    Ok(())
}

fn wrong_target() -> Result<()> {
    let workspace = Workspace::new()?;
    let text = workspace.run(["boot", SERVER, "--disk", "megasass"])?.failed()?;
    has(&text, &["invalid value 'megasass' for '--disk <KIND>'", "exists: 'megasas'"])?;
    for (arguments, expected) in [
        (
            ["deploy", SERVER, "root@-oProxyCommand=x"].as_slice(),
            "error: `root@-oProxyCommand=x` is no host that ssh could reach",
        ),
        (
            &["flash", "--board", "rpi4", SERVER, "card.img"],
            "error: `webserver` is made for the board `pc`, not for `rpi4`",
        ),
        (
            &["flash", "--board", "pc", SERVER, "/dev/no-such-disk", "--yes"],
            "error: will not write /dev/no-such-disk: there is no such device",
        ),
        (
            &["flash", "--board", "pc", SERVER, "/dev/null", "--yes"],
            "error: will not write /dev/null: it is neither a disk nor a file",
        ),
        (
            &["install", SERVER, "root@localhost", "--disk", "vda", "--yes"],
            "error: will not write vda: it is no absolute path",
        ),
    ] {
        has(&workspace.run(arguments)?.failed()?, &[expected])?;
    }
    Ok(())
}

fn colours() -> Result<()> {
    let workspace = Workspace::new()?;
    // One of ours, and one that clap says before anything is parsed.
    for wrong in ["wbeserver", "--frmat"] {
        let with = |more: &[&str], no_color: &str| -> Result<String> {
            let arguments = ["image", wrong].into_iter().chain(more.iter().copied());
            let output = workspace.xtask(arguments).env("NO_COLOR", no_color).output()?;
            Ran::from(output).failed()
        };
        let plain = with(&["--color", "never"], "")?;
        ensure!(plain.starts_with("error: ") && !plain.contains('\x1b'), "{plain}");
        // What reads the messages here is no terminal.
        same(&with(&[], "")?, &plain)?;
        for always in [["--color", "always"].as_slice(), &["--color=always"]] {
            // Who says so wins over the environment.
            let coloured = with(always, "1")?;
            let head = coloured.split("error:").next().unwrap_or_default();
            ensure!(
                head.starts_with("\x1b[") && coloured.contains("error:\x1b[0m "),
                "{coloured:?}"
            );
        }
    }
    let text = workspace.run(["image", "wbeserver", "--color", "always"])?.failed()?;
    has(&text, &["\x1b[1;31merror:\x1b[0m there is no server", "\x1b[1;36mhelp:\x1b[0m did you"])
}

fn verbosity_of_lock() -> Result<()> {
    let workspace = Workspace::of_final_suite()?;
    let quiet = workspace.run(["lock", SERVER, "--quiet"])?;
    same(&quiet.stderr, "")?;
    let result = quiet.succeeded()?;
    let lines: Vec<_> = result.lines().collect();
    ensure!(lines.last().is_some_and(|it| it.starts_with("webserver: ")), "{result}");
    // Once more, for there is nothing new any longer: the last line is the same.
    let normal = workspace.run(["lock", SERVER])?;
    has(&normal.stderr, &["Index bookworm, signed 20", " days before\n"])?;
    same(&normal.succeeded()?, lines.last().unwrap_or(&""))?;
    let verbose = workspace.run(["lock", SERVER, "--verbose", "--color", "always"])?;
    has(&verbose.stderr, &["\x1b[1;32m       Index\x1b[0m bookworm, signed 20"])?;
    same(&verbose.succeeded()?, lines.last().unwrap_or(&""))?;
    let both = workspace.run(["lock", SERVER, "--verbose", "--quiet"])?.failed()?;
    has(&both, &["error: ", "--verbose", "cannot be used with", "--quiet"])
}

fn outside() -> Result<()> {
    let workspace = Workspace::new()?;
    let output = workspace.xtask(["list"]).current_dir("/").output()?;
    let text = Ran::from(output).failed()?;
    has(&text, &["error: cargo cannot read the workspace in .", "could not find `Cargo.toml`"])
}

fn json() -> Result<()> {
    let workspace = Workspace::new()?;
    let servers: Vec<Value> = workspace.run(["list", "--json"])?.json()?;
    let names: Vec<_> = servers.iter().filter_map(|it| it["server"]["name"].as_str()).collect();
    ensure!(
        names == ["calendar", "gitserver", "homeserver", "mailserver", "webserver"],
        "{names:?}"
    );
    for server in &servers {
        let server = &server["server"];
        // The lock of the one on Arch is made where its archive can be reached.
        let arch = server["name"] == "homeserver";
        let distribution = if arch { "arch" } else { "debian" };
        ensure!(server["distribution"] == distribution && server["board"] == "pc", "{server}");
        ensure!(server["date"].as_str().is_some_and(|it| it.len() == 10), "{server}");
        ensure!(server["definition_bytes"].as_u64().is_some_and(|it| it > 0), "{server}");
        ensure!(server["locked"] != arch, "{server}");
    }

    let checks: Vec<Value> = workspace.run(["doctor", "--json"])?.json()?;
    ensure!(checks.len() > 3, "{checks:?}");
    for check in &checks {
        ensure!(check["name"].is_string() && check["ok"].is_boolean(), "{check}");
        ensure!(check["ok"] == true || check["hint"].is_string(), "no hint: {check}");
    }
    let shown = workspace.run(["doctor"])?.succeeded()?;
    ensure!(shown.lines().count() > checks.len(), "{shown}");

    // Who names the date need not have git, and who does not has to: this copy lies in a repository.
    let bin = workspace.root().join("bin");
    std::fs::create_dir(&bin)?;
    std::os::unix::fs::symlink(cargo(), bin.join("cargo"))?;
    let git = |command: &mut Command| -> Result<Value> {
        let output = command.env("PATH", &bin).output()?;
        let checks: Vec<Value> = serde_json::from_slice(&output.stdout)?;
        checks.into_iter().find(|it| it["name"] == "git").context("git is not looked for")
    };
    let named = git(&mut workspace.xtask(["doctor", "--json"]))?;
    ensure!(named["ok"] == true && named["detail"] == "not found; here it is not asked", "{named}");
    let asked = git(workspace.xtask(["doctor", "--json"]).env_remove("SOURCE_DATE_EPOCH"))?;
    let hint = "install git, or set SOURCE_DATE_EPOCH";
    ensure!(asked["ok"] == false && asked["hint"] == hint, "{asked}");
    Ok(())
}

fn image() -> Result<()> {
    let undisturbed = undisturbed::get()?;
    let twin = undisturbed.twin(&[])?;
    let quiet = twin.run(["image", SERVER, "--quiet"])?;
    same(&quiet.stderr, "")?;
    let printed = quiet.succeeded()?;
    let keys: Vec<_> = printed.lines().filter_map(|it| it.split_whitespace().next()).collect();
    ensure!(keys == ["image", "generation", "sizes", "made"], "{printed}");
    has(&printed, &[&undisturbed.report.generation.to_string(), "as server.digest has it"])?;
    has(&printed, &["nothing in ", "reused program, packages, layer, initramfs, config, disk"])?;

    let report: Report = twin.run(["image", SERVER, "--json"])?.json()?;
    ensure!(report.image == twin.target().join("heirloom/images/webserver.raw"));
    ensure!(report.generation == undisturbed.report.generation);
    ensure!(report.sizes == undisturbed.report.sizes);
    ensure!(report.stages.iter().all(|stage| stage.hit), "{:?}", report.stages);
    ensure!(report.artefacts.iter().all(|it| it.path.is_file()), "{:?}", report.artefacts);

    let card = twin.root().join("card.img");
    let flashed: Value =
        twin.run(["flash", "--board", "pc", SERVER, "card.img", "--json"])?.json()?;
    ensure!(flashed["server"] == SERVER && flashed["device"] == "card.img", "{flashed}");
    ensure!(flashed["generation"] == report.generation.to_string(), "{flashed}");
    ensure!(flashed["bytes"] == card.metadata()?.len(), "{flashed}");
    let digest = Digest::of_reader(std::fs::File::open(&card)?)?.0;
    ensure!(flashed["sha256"] == digest.hex(), "{flashed}");

    let explained = twin.run(["image", SERVER, "--explain", "--verbose"])?;
    has(&explained.stderr, &["reused  packages webserver", "Reused"])
}

fn timings() -> Result<()> {
    let undisturbed = undisturbed::get()?;
    let twin = undisturbed.twin(&[])?;
    twin.run(["image", SERVER])?.succeeded()?;
    twin.write("servers/webserver/rootfs/etc/motd", "welcome\n")?;
    let ran = twin.run(["image", SERVER, "--timings", "--explain"])?;
    has(&ran.stdout, &["made        config, disk in "])?;
    let lines: Vec<_> = ran.stderr.lines().collect();
    let at = |part: &str| {
        let found = lines.iter().position(|line| line.contains(part));
        found.with_context(|| format!("`{part}` is not in\n{}", ran.stderr))
    };
    let config = at(" s  made    config webserver")?;
    let why: Vec<_> = lines[config + 1..]
        .iter()
        .map_while(|line| line.trim_start().strip_prefix("because "))
        .collect();
    ensure!(why.len() == 1 && why[0].contains("/etc/motd"), "{why:?}");
    for stage in ["program", "packages", "layer", "initramfs"] {
        at(&format!(" s  reused  {stage} "))?;
    }
    ensure!(lines.last().is_some_and(|line| line.ends_with(" s  other")), "{lines:?}");
    // The lines add up to what `made` says, to the last digit that is shown.
    let seconds = |text: &str| -> Result<f64> { Ok(text.trim().parse()?) };
    let sum: f64 = lines.iter().filter_map(|line| seconds(line.split_once(" s  ")?.0).ok()).sum();
    let (_, total) = ran.stdout.rsplit_once(" in ").context("no seconds")?;
    let total = seconds(total.split_once(" s; ").context("no seconds")?.0)?;
    ensure!((sum - total).abs() < 0.005, "{sum} is not {total}:\n{}", ran.stderr);

    // Nothing is said of it that was not asked for.
    let ran = twin.run(["image", SERVER, "--timings"])?;
    ensure!(!ran.stderr.contains("because") && ran.stderr.contains(" s  other"), "{}", ran.stderr);
    Ok(())
}

fn broken_list() -> Result<()> {
    let workspace = Workspace::new()?;
    workspace.replace("servers/mailserver/server.toml", "board = ", "bord = ")?;
    workspace.replace("servers/gitserver/server.toml", "board = ", "bord = ")?;
    let ran = workspace.run(["list"])?;
    ensure!(!ran.success, "a list that lacks servers is no success");
    has(&ran.stdout, &["webserver"])?;
    has(&ran.stderr, &["servers/mailserver/server.toml:2:1", "servers/gitserver/server.toml:2:1"])
}

fn new_server() -> Result<()> {
    let workspace = Workspace::new()?;
    let wrote = workspace.run(["new", "tiny"])?.succeeded()?;
    for line in wrote.lines().filter_map(|line| line.strip_prefix("wrote ")) {
        ensure!(workspace.root().join(line).is_file(), "{line} is not there");
    }
    has(&wrote, &["wrote servers/tiny/server.toml", "cargo xtask image tiny"])?;
    workspace.update_cargo_lock()?;
    let listed = workspace.run(["list"])?.succeeded()?;
    let line = listed.lines().find(|line| line.starts_with("tiny ")).unwrap_or_default();
    ensure!(line.ends_with(" no"), "a new server is not locked:\n{listed}");

    undisturbed::take_programs(&workspace)?;
    let report: Report = workspace.run(["image", "tiny", "--json"])?.json()?;
    ensure!(report.image.is_file() && report.recorded.is_none());
    ensure!(Path::new(&workspace.root()).join("servers/tiny/server.lock").is_file());
    let listed = workspace.run(["list"])?.succeeded()?;
    let line = listed.lines().find(|line| line.starts_with("tiny ")).unwrap_or_default();
    ensure!(line.ends_with(" yes") && line.contains(" MB "), "{listed}");
    // What `image` wrote is complete: nothing is left for a second run to add.
    workspace.run(["image", "tiny", "--locked", "--offline"])?.succeeded()?;
    Ok(())
}

fn taken_name() -> Result<()> {
    let workspace = Workspace::new()?;
    let text = workspace.run(["new", SERVER])?.failed()?;
    has(
        &text,
        &["`webserver`: it is a package of this workspace already", "help: `cargo xtask list`"],
    )?;
    let text = workspace.run(["new", "../elsewhere"])?.failed()?;
    has(&text, &["error: a server cannot be called `../elsewhere`", "help: "])?;
    ensure!(!workspace.root().join("elsewhere").exists());
    Ok(())
}

/// Profiles laid out as archiso's own.
const PROFILES: &str = "crates/definition/tests/archiso";

fn archiso_profile() -> Result<()> {
    let workspace = Workspace::new()?;
    let new = |name: &str, profile: &str, more: &[&str]| {
        let profile = format!("{PROFILES}/{profile}");
        let arguments = ["new", name, "--from-archiso", &profile, "--date", "2026-11-21"];
        workspace.run(arguments.iter().chain(more))
    };
    let said = new("live", "releng", &[])?.succeeded()?;
    has(
        &said,
        &[
            "wrote servers/live/server.toml\n",
            "left out, boot loader: ",
            "package syslinux (packages.x86_64:14)",
            "package mkinitcpio-archiso (packages.x86_64:12)",
            "for you to decide:\n",
            "airootfs/etc/passwd:1: root's shell is not /usr/bin/zsh",
            "nothing outlives a reboot but what [state] of servers/live/server.toml declares",
            "cargo xtask image live",
        ],
    )?;
    for line in said.lines().filter_map(|line| line.strip_prefix("wrote ")) {
        let path = line.split(", ").next().unwrap_or_default();
        ensure!(workspace.root().join(path).exists(), "{path} is not there");
    }
    let migration: Value = new("small", "baseline", &["--json"])?.json()?;
    ensure!(migration["server"] == "small" && migration["date"] == "2026-11-21", "{migration}");
    let left = migration["left_out"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_syslinux = |left: &&Value| left["what"] == "package syslinux";
    let syslinux = left.iter().find(is_syslinux).map(|left| &left["kind"]);
    ensure!(syslinux == Some(&Value::from("boot-loader")), "{migration}");

    workspace.update_cargo_lock()?;
    let listed = workspace.run(["list"])?.succeeded()?;
    for name in ["live", "small"] {
        let line = listed.lines().find(|line| line.starts_with(&format!("{name} ")));
        let line = line.unwrap_or_default();
        ensure!(line.contains(" arch ") && line.contains(" 2026-11-21 "), "{listed}");
    }
    Ok(())
}

fn bad_profile() -> Result<()> {
    let workspace = Workspace::new()?;
    let profile = format!("{PROFILES}/releng");
    workspace.replace(&format!("{profile}/profiledef.sh"), "[\"/root\"]", "[\"/root/../..\"]")?;
    let text = workspace.run(["new", "live", "--from-archiso", &profile])?.failed()?;
    let place = format!("--> {profile}/profiledef.sh:20:4");
    has(&text, &["error: `/root/../..` has the part `..`", &place, "help: "])?;
    ensure!(!workspace.root().join("servers/live").exists());
    let text = workspace.run(["new", "live", "--from-archiso", "servers"])?.failed()?;
    has(&text, &["error: servers is no archiso profile", "help: as in --from-archiso"])
}
