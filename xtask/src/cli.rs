//! The command line: which commands there are. Each `--help` ends with an example. What a command
//! understands lies beside what it does.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::commands::{
    bench, boot, clean, compare_packages, deploy, doctor, flash, generations, image, install, list,
    lock, new, outdated, pin, rescue, rollback, vault, verify,
};
use crate::options::{Global, Json};

/// Servers as a Cargo workspace: a definition in git becomes the same image on any machine.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
#[command(after_help = "Example: cargo xtask image mailserver")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// What this process was asked for. What cannot be understood ends it, and so does `--help`.
    pub(crate) fn of_process() -> Self {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        // These messages come before anything is parsed, and are coloured as was asked all the same.
        let command = Self::command().color(color_of(&arguments));
        let parsed = command
            .try_get_matches_from(arguments)
            .and_then(|matches| Self::from_arg_matches(&matches));
        parsed.unwrap_or_else(|error| error.exit())
    }

    /// Does what was asked. The exit code is not zero when the answer is no.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let global = &self.global;
        match &self.command {
            Command::Image(arguments) => image::run(global, arguments),
            Command::Boot(arguments) => boot::run(global, arguments),
            Command::Verify(arguments) => verify::run(global, arguments),
            Command::Lock(arguments) => lock::run(global, arguments),
            Command::Pin(arguments) => pin::pin(global, arguments),
            Command::Unpin(arguments) => pin::unpin(global, arguments),
            Command::Outdated(arguments) => outdated::run(global, arguments),
            Command::Vault(arguments) => vault::run(global, arguments),
            Command::New(arguments) => new::run(global, arguments),
            Command::Deploy(arguments) => deploy::run(global, arguments),
            Command::Rollback(arguments) => rollback::run(global, arguments),
            Command::Generations(arguments) => generations::run(global, arguments),
            Command::Install(arguments) => install::run(global, arguments),
            Command::Flash(arguments) => flash::run(global, arguments),
            Command::Rescue(arguments) => rescue::run(global, arguments),
            Command::Clean(arguments) => clean::run(global, arguments),
            Command::List(arguments) => list::run(global, arguments),
            Command::Doctor(arguments) => doctor::run(arguments),
            Command::Bench(arguments) => bench::run(global, arguments),
            Command::ComparePackages(arguments) => compare_packages::run(global, arguments),
        }
    }
}

/// What `--color`, which is given once at most, says among `arguments`.
fn color_of(arguments: &[OsString]) -> ColorChoice {
    let texts: Vec<_> = arguments.iter().map(|it| it.to_str().unwrap_or_default()).collect();
    let pairs = texts.windows(2).filter(|pair| pair[0] == "--color").map(|pair| pair[1]);
    let joined = texts.iter().filter_map(|text| text.strip_prefix("--color="));
    match pairs.chain(joined).next() {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a server's bootable image.
    #[command(after_help = "Example: cargo xtask image mailserver --format qcow2")]
    Image(image::Image),
    /// Start a server's image in QEMU, its serial console in this terminal.
    #[command(
        after_help = "Examples:\n  cargo xtask boot mailserver --forward 4190\n  cargo xtask boot mailserver --forward 2222:22\n  cargo xtask boot mailserver --disk nvme --memory 512 --qemu \"-smp 1\""
    )]
    Boot(boot::Boot),
    /// Build a server anew and compare with the digest recorded in server.digest.
    #[command(after_help = "Example: cargo xtask verify mailserver")]
    Verify(verify::Verify),
    /// Resolve a server's packages and write its lock.
    #[command(
        after_help = "Examples:\n  cargo xtask lock mailserver\n  cargo xtask lock mailserver --date 2026-11-22\n  cargo xtask lock mailserver --update postfix\n  cargo xtask lock --tools"
    )]
    Lock(lock::Lock),
    /// Hold one package at a version, whatever the date.
    #[command(
        after_help = "Example: cargo xtask pin mailserver postfix 3.7.11-0+deb12u1 --reason \"milters break in deb12u2\""
    )]
    Pin(pin::Pin),
    /// Let a pinned package follow the date again.
    #[command(after_help = "Example: cargo xtask unpin mailserver postfix")]
    Unpin(pin::Unpin),
    /// Show which locked packages have newer versions in the archive.
    #[command(after_help = "Example: cargo xtask outdated mailserver")]
    Outdated(outdated::Outdated),
    /// Copy exactly the files that a server's lock names into a folder.
    #[command(
        after_help = "Example: cargo xtask vault mailserver /mnt/backup/vault\n         cargo xtask image mailserver --offline --vault /mnt/backup/vault"
    )]
    Vault(vault::Vault),
    /// Write a new server that builds and boots as it is.
    #[command(
        after_help = "Examples:\n  cargo xtask new myserver && cargo xtask image myserver\n  cargo xtask new live --from-archiso ~/releng"
    )]
    New(new::New),
    /// Update a running server: build, send what changed, boot it on trial, wait for the verdict.
    #[command(
        after_help = "Examples:\n  cargo xtask deploy mailserver root@mail.example.org\n  cargo xtask deploy mailserver root@mail.example.org --dry-run\n  HEIRLOOM_SSH=\"ssh -p 2222\" cargo xtask deploy mailserver root@localhost"
    )]
    Deploy(deploy::Deploy),
    /// Boot an older generation of a server on trial.
    #[command(
        after_help = "Examples:\n  cargo xtask rollback mailserver root@mail.example.org\n  cargo xtask rollback mailserver root@mail.example.org 7"
    )]
    Rollback(rollback::Rollback),
    /// Show the generations that a server has.
    #[command(after_help = "Example: cargo xtask generations mailserver root@mail.example.org")]
    Generations(generations::Generations),
    /// Overwrite the disk of a machine that is in its rescue system with a server's image.
    #[command(
        after_help = "Example: cargo xtask install mailserver root@rescue.example.org --disk /dev/vda"
    )]
    Install(install::Install),
    /// Write a server's image to a card or disk of this machine, or to a file.
    #[command(
        after_help = "Examples:\n  cargo xtask flash --board pc mailserver /dev/sdb\n  cargo xtask flash --board pc mailserver mailserver.img"
    )]
    Flash(flash::Flash),
    /// Read the disk of a server that does not come up, without ever writing to it: generations,
    /// journal, state.
    #[command(
        after_help = "Examples:\n  cargo xtask rescue /dev/sdb\n  cargo xtask rescue old.qcow2 --journal\n  cargo xtask rescue disk.img --state /var/mail --to mail"
    )]
    Rescue(rescue::Rescue),
    /// Say what the caches hold, and remove what no lock of any workspace names.
    #[command(after_help = "Examples:\n  cargo xtask clean --dry-run\n  cargo xtask clean")]
    Clean(clean::Clean),
    /// Show the servers of this workspace.
    #[command(after_help = "Example: cargo xtask list --json")]
    List(Json),
    /// Check whether this machine can build images.
    #[command(after_help = "Example: cargo xtask doctor")]
    Doctor(Json),
    /// Time builds of a server against other tools for the same packages.
    #[command(after_help = "Example: cargo xtask bench mailserver")]
    Bench(bench::Bench),
    /// Measure package trees by what apt makes of the same packages.
    #[command(after_help = "Example: cargo xtask compare-packages bookworm --only databases")]
    ComparePackages(compare_packages::ComparePackages),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a line as a shell has them: quotes hold words together, assignments in front
    /// are the environment's.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (at, part) in line.split('"').enumerate() {
            match at % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _ if line.split('"').next().is_some_and(|it| it.ends_with('=')) && at == 1 => {
                    words.clear();
                }
                _ => words.push(part.to_owned()),
            }
        }
        words
    }

    #[test]
    fn every_example_is_understood() {
        let root = Cli::command();
        let commands = root.get_subcommands().map(|it| (it.get_name(), it.get_after_help()));
        for (name, help) in commands.chain([("image", root.get_after_help())]) {
            let help = help.map(ToString::to_string).unwrap_or_default();
            let mut examples = 0;
            for line in help.lines() {
                let line = line.trim_start_matches("Examples:").trim_start_matches("Example:");
                for example in line.split("&&").filter(|it| !it.trim().is_empty()) {
                    let words = words(example);
                    assert_eq!(words[..2], ["cargo", "xtask"], "{example}");
                    if let Err(error) = Cli::try_parse_from(&words[1..]) {
                        panic!("{example}: {error}");
                    }
                    examples += usize::from(words[2] == name);
                }
            }
            assert!(examples > 0, "{name} has no example of its own");
        }
    }

    #[test]
    fn colours_of_messages_about_the_command_line_are_known_before_it_is_parsed() {
        let of = |line: &str| color_of(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of("xtask --color always imag"), ColorChoice::Always);
        assert_eq!(of("xtask image x --color=never"), ColorChoice::Never);
        assert_eq!(of("xtask image x --color auto"), ColorChoice::Auto);
        assert_eq!(of("xtask always"), ColorChoice::Auto);
    }

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_an_example() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands() {
            let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.contains("cargo xtask"), "{} has no example", command.get_name());
        }
    }
}
