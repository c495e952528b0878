//! The command line: what can be asked for. Each `--help` ends with an example.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;
use machine::DiskKind;

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

/// Flags that mean what they mean in cargo.
#[derive(Args, Clone)]
pub(crate) struct Global {
    /// Use no network: everything must be in the store or in a vault.
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) offline: bool,
    /// Refuse to change a lock; it must be there and be complete.
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) locked: bool,
    /// A vault to take files from before any mirror (`cargo xtask vault` makes one).
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub(crate) vault: Vec<PathBuf>,
    /// Say nothing but results and errors.
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// Also say which stages ran, which were reused, and what a lock was made from.
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub(crate) verbose: bool,
    /// Colour the messages: on a terminal (unless NO_COLOR is set), always or never.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Global options"
    )]
    pub(crate) color: Color,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a server's bootable image.
    #[command(after_help = "Example: cargo xtask image mailserver --format qcow2")]
    Image(Image),
    /// Start a server's image in QEMU, its serial console in this terminal.
    #[command(
        after_help = "Examples:\n  cargo xtask boot mailserver --forward 4190\n  cargo xtask boot mailserver --forward 2222:22\n  cargo xtask boot mailserver --disk nvme --memory 512 --qemu \"-smp 1\""
    )]
    Boot(Boot),
    /// Build a server anew and compare with the digest recorded in server.digest.
    #[command(after_help = "Example: cargo xtask verify mailserver")]
    Verify(Verify),
    /// Resolve a server's packages and write its lock.
    #[command(
        after_help = "Examples:\n  cargo xtask lock mailserver\n  cargo xtask lock mailserver --date 2026-11-22\n  cargo xtask lock mailserver --update postfix\n  cargo xtask lock --tools"
    )]
    Lock(Lock),
    /// Hold one package at a version, whatever the date.
    #[command(
        after_help = "Example: cargo xtask pin mailserver postfix 3.7.11-0+deb12u1 --reason \"milters break in deb12u2\""
    )]
    Pin(Pin),
    /// Let a pinned package follow the date again.
    #[command(after_help = "Example: cargo xtask unpin mailserver postfix")]
    Unpin(Unpin),
    /// Show which locked packages have newer versions in the archive.
    #[command(after_help = "Example: cargo xtask outdated mailserver")]
    Outdated(Outdated),
    /// Copy exactly the files that a server's lock names into a folder.
    #[command(
        after_help = "Example: cargo xtask vault mailserver /mnt/backup/vault\n         cargo xtask image mailserver --offline --vault /mnt/backup/vault"
    )]
    Vault(Vault),
    /// Write a new server that builds and boots as it is.
    #[command(
        after_help = "Examples:\n  cargo xtask new myserver && cargo xtask image myserver\n  cargo xtask new live --from-archiso ~/releng"
    )]
    New(New),
    /// Update a running server: build, send what changed, boot it on trial, wait for the verdict.
    #[command(
        after_help = "Examples:\n  cargo xtask deploy mailserver root@mail.example.org\n  cargo xtask deploy mailserver root@mail.example.org --dry-run\n  HEIRLOOM_SSH=\"ssh -p 2222\" cargo xtask deploy mailserver root@localhost"
    )]
    Deploy(Deploy),
    /// Boot an older generation of a server on trial.
    #[command(
        after_help = "Examples:\n  cargo xtask rollback mailserver root@mail.example.org\n  cargo xtask rollback mailserver root@mail.example.org 7"
    )]
    Rollback(Rollback),
    /// Show the generations that a server has.
    #[command(after_help = "Example: cargo xtask generations mailserver root@mail.example.org")]
    Generations(Generations),
    /// Overwrite the disk of a machine that is in its rescue system with a server's image.
    #[command(
        after_help = "Example: cargo xtask install mailserver root@rescue.example.org --disk /dev/vda"
    )]
    Install(Install),
    /// Write a server's image to a card or disk of this machine, or to a file.
    #[command(
        after_help = "Examples:\n  cargo xtask flash --board pc mailserver /dev/sdb\n  cargo xtask flash --board pc mailserver mailserver.img"
    )]
    Flash(Flash),
    /// Read the disk of a server that does not come up, without ever writing to it: generations,
    /// journal, state.
    #[command(
        after_help = "Examples:\n  cargo xtask rescue /dev/sdb\n  cargo xtask rescue old.qcow2 --journal\n  cargo xtask rescue disk.img --state /var/mail --to mail"
    )]
    Rescue(Rescue),
    /// Say what the caches hold, and remove what no lock of any workspace names.
    #[command(after_help = "Examples:\n  cargo xtask clean --dry-run\n  cargo xtask clean")]
    Clean(Clean),
    /// Show the servers of this workspace.
    #[command(after_help = "Example: cargo xtask list --json")]
    List(Json),
    /// Check whether this machine can build images.
    #[command(after_help = "Example: cargo xtask doctor")]
    Doctor(Json),
    /// Time builds of a server against other tools for the same packages.
    #[command(after_help = "Example: cargo xtask bench mailserver")]
    Bench(Bench),
    /// Measure package trees by what apt makes of the same packages.
    #[command(after_help = "Example: cargo xtask compare-packages bookworm --only databases")]
    ComparePackages(ComparePackages),
}

#[derive(Args)]
pub(crate) struct Json {
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Image {
    /// The server, by the name of its crate.
    pub(crate) server: String,
    /// What to make.
    #[arg(long, default_value = "raw")]
    pub(crate) format: Format,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Show each stage with its seconds, and whether it was reused.
    #[arg(long)]
    pub(crate) timings: bool,
    /// Show which changed input made each stage run.
    #[arg(long)]
    pub(crate) explain: bool,
    /// Build in surroundings that no image may depend on (used by `verify`).
    #[arg(long, hide = true)]
    pub(crate) strange_surroundings: bool,
    /// Let the config layer see the clock (used by tests of `verify`).
    #[arg(long, hide = true)]
    pub(crate) plant_clock: bool,
    /// Make nothing but the package tree, with results in DIR, and print where it is (used when a
    /// lock is new).
    #[arg(long, hide = true, value_name = "DIR")]
    pub(crate) only_packages: Option<PathBuf>,
    /// Leave server.digest as it is (used by `verify`).
    #[arg(long, hide = true)]
    pub(crate) no_record: bool,
}

/// What an image is written as.
#[derive(Clone, Copy, ValueEnum, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// A disk image, sparse.
    Raw,
    /// A disk image for QEMU and many clouds.
    Qcow2,
    /// A hybrid ISO that boots live, with its state in memory.
    Iso,
    /// The server's root as a tar archive.
    Tar,
    /// The server's root as a container image for podman or docker.
    Oci,
}

#[derive(Args)]
pub(crate) struct Boot {
    /// The server, by the name of its crate.
    pub(crate) server: String,
    /// Start it with UEFI firmware instead of a BIOS.
    #[arg(long)]
    pub(crate) uefi: bool,
    /// Forward a further port of the server to a free one of this machine, or to HERE. The usual
    /// ones (ssh, mail, web) go to free ones, and are said, unless they are named here.
    #[arg(long, value_name = "[HERE:]THERE")]
    pub(crate) forward: Vec<Forward>,
    /// Memory in MiB.
    #[arg(long, default_value_t = 1024)]
    pub(crate) memory: u32,
    /// What the disk hangs on.
    #[arg(long, value_name = "KIND", default_value = "virtio", value_parser = disk_kinds())]
    pub(crate) disk: DiskKind,
    /// Tell QEMU more, behind all that it is told anyway: an option, with its value in the same
    /// ARG (`--qemu "-smp 1"`) or in the next. May be given several times. `-serial` takes the
    /// place of our serial port, and `-nic none` takes the network card away. QEMU sees no files of this machine.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) qemu: Vec<String>,
}

/// A parser that lists the kinds of disks, and knows their longer names.
fn disk_kinds() -> impl TypedValueParser<Value = DiskKind> {
    let values = DiskKind::ALL.map(|kind| {
        let aliases = kind.names().iter().skip(1).copied();
        PossibleValue::new(kind.name()).aliases(aliases).help(kind.description())
    });
    PossibleValuesParser::new(values).try_map(|name| name.parse())
}

/// A port of the server, and where on this machine it is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Forward {
    /// None: wherever it is free.
    pub(crate) here: Option<u16>,
    pub(crate) there: u16,
}

impl FromStr for Forward {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = |text: &str| match text.parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err("a port is a number from 1 to 65535"),
        };
        match text.split_once(':') {
            Some((here, there)) => Ok(Self { here: Some(port(here)?), there: port(there)? }),
            None => Ok(Self { here: None, there: port(text)? }),
        }
    }
}

#[derive(Args)]
pub(crate) struct Verify {
    /// The server, by the name of its crate.
    pub(crate) server: String,
    /// Let the config layer see the clock, which has to be found (used by tests).
    #[arg(long, hide = true)]
    pub(crate) plant_clock: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Lock {
    /// The server, by the name of its crate.
    #[arg(required_unless_present = "tools")]
    pub(crate) server: Option<String>,
    /// Lock the tool root instead (tools.toml to tools.lock).
    #[arg(long, conflicts_with = "server")]
    pub(crate) tools: bool,
    /// Move the server to this day of the archive; server.toml is changed too.
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with = "tools")]
    pub(crate) date: Option<Date>,
    /// Move only this package, and what it needs.
    #[arg(long, value_name = "PACKAGE", conflicts_with = "tools")]
    pub(crate) update: Vec<String>,
    /// Print the result as JSON: day, number of packages, bytes; what is added, removed, changed.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Pin {
    /// The server, by the name of its crate.
    pub(crate) server: String,
    /// The package.
    pub(crate) package: String,
    /// The version to hold it at.
    pub(crate) version: String,
    /// Why; it is kept in server.toml.
    #[arg(long)]
    pub(crate) reason: String,
    /// Print the result as JSON: day, number of packages, bytes; what is added, removed, changed.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Unpin {
    /// The server, by the name of its crate.
    pub(crate) server: String,
    /// The package.
    pub(crate) package: String,
    /// Print the result as JSON: day, number of packages, bytes; what is added, removed, changed.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Outdated {
    /// The server, by the name of its crate.
    pub(crate) server: String,
    /// Print the result as JSON: the day that was looked at, and the packages.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Vault {
    /// The server, by the name of its crate.
    pub(crate) server: String,
    /// The folder; what it has already is kept.
    pub(crate) dir: PathBuf,
    /// Print the result as JSON: files copied and kept, bytes of both.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct New {
    /// The server's name: its crate, its folder, its host name.
    pub(crate) name: String,
    /// Take packages, files, users and permissions from an archiso profile; what no longer
    /// applies is listed.
    #[arg(long, value_name = "PROFILE")]
    pub(crate) from_archiso: Option<PathBuf>,
    /// The day of the archive; without, today, of Arch yesterday.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) date: Option<Date>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Deploy {
    /// The server, by the name of its crate.
    pub(crate) server: String,
    /// Where it runs: `root@host`, `ssh://root@host:port`, or a name of ssh_config.
    pub(crate) host: String,
    /// Say what would be sent, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Leave the generation on the server, and do not boot it.
    #[arg(long)]
    pub(crate) no_reboot: bool,
    /// The longest time that the machine takes to boot, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    pub(crate) boot_time: u64,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Rollback {
    /// The server, by the name of its crate.
    pub(crate) server: String,
    /// Where it runs.
    pub(crate) host: String,
    /// Which generation; without, the one that was confirmed before.
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) number: Option<u64>,
    /// The longest time that the machine takes to boot, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    pub(crate) boot_time: u64,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Generations {
    /// The server, by the name of its crate.
    pub(crate) server: String,
    /// Where it runs.
    pub(crate) host: String,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Install {
    /// The server, by the name of its crate.
    pub(crate) server: String,
    /// The machine in its rescue system: `root@host`.
    pub(crate) host: String,
    /// The disk to overwrite, as the rescue system names it. Named twice, with two disks: the
    /// server is mirrored on both, and boots from either alone.
    #[arg(long = "disk", value_name = "DEVICE", required = true)]
    pub(crate) disks: Vec<String>,
    /// Do not ask before overwriting.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print the result as JSON: what was written where, and how much was sent.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Flash {
    /// The board that the medium is for; the server has to be made for it.
    #[arg(long)]
    pub(crate) board: String,
    /// The server, by the name of its crate.
    pub(crate) server: String,
    /// A block device, or a file that is made or replaced.
    pub(crate) device: PathBuf,
    /// Do not ask before overwriting a device.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print the result as JSON: what was written where, and its sha256.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Rescue {
    /// An image file, raw or qcow2, a device, or its data partition.
    pub(crate) disk: PathBuf,
    /// Show the end of the journal.
    #[arg(long, conflicts_with_all = ["state", "to"])]
    pub(crate) journal: bool,
    /// So many lines of the journal.
    #[arg(long, value_name = "N", default_value_t = 200, requires = "journal")]
    pub(crate) lines: usize,
    /// List this state: a path of the server (/var/mail) or below /state (mail).
    #[arg(long, value_name = "PATH")]
    pub(crate) state: Option<PathBuf>,
    /// Copy it, or all state, into this folder, which is made.
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Clean {
    /// Say what would go, and remove nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the result as JSON: each cache with its bytes, and those that no lock needs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Bench {
    /// The server, by the name of its crate.
    #[arg(default_value = "mailserver")]
    pub(crate) server: String,
    /// Leave out mmdebstrap and mkosi, which else make the same packages where they are installed.
    #[arg(long)]
    pub(crate) alone: bool,
}

#[derive(Args)]
pub(crate) struct ComparePackages {
    /// The lists of packages: crates/comparison/lists.
    #[arg(default_values = ["bookworm", "trixie"])]
    pub(crate) lists: Vec<String>,
    /// Run this row only; may be given several times.
    #[arg(long, value_name = "ROW")]
    pub(crate) only: Vec<String>,
    /// What to find out; all of it if nothing is named. What was found before stays.
    #[arg(long, value_delimiter = ',', value_parser = ["locked", "built", "equal", "verified", "booted"])]
    pub(crate) columns: Vec<String>,
    /// Rows without what is recommended, with it, or both.
    #[arg(long, default_value = "without", value_parser = ["without", "with", "both"])]
    pub(crate) recommends: String,
    /// Run rows again whose inputs have not changed.
    #[arg(long)]
    pub(crate) again: bool,
    /// Print the results as JSON.
    #[arg(long)]
    pub(crate) json: bool,
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
