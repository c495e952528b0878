//! What a boot entry adds to the kernel's command line, and how `init` reads it.
//!
//! ```text
//! <config.cmdline> heirloom.generation=sha256:<manifest> heirloom.data=<UUID of the ext4>
//! <config.cmdline> heirloom.generation=sha256:<manifest> heirloom.data=iso:<VOLUME ID>
//! <config.cmdline> heirloom.generation=... heirloom.data=... heirloom.trial <TRIAL_ARGUMENTS>
//! ```

use std::fmt;
use std::str::FromStr;

use digest::Digest;

use crate::config::MAX_CMDLINE;
use crate::{Error, Result};

const GENERATION: &str = "heirloom.generation";
const DATA: &str = "heirloom.data";
const TRIAL: &str = "heirloom.trial";

/// What a generation on trial gets on top: nobody is there to see that it hangs, so what the
/// kernel notices of a hang is a panic, and a panic is a reboot, ten seconds later for its text to
/// be read. The kernel takes the last of two, so these win over the config's own
/// (Documentation/admin-guide/kernel-parameters.txt; admin-guide/sysctl/kernel.rst).
pub const TRIAL_ARGUMENTS: &str = "panic=10 oops=panic softlockup_panic=1 \
     sysctl.kernel.hung_task_panic=1 sysctl.kernel.hung_task_timeout_secs=120";

/// Which generation to start, and where its blobs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// The digest of the manifest.
    pub generation: Digest,
    /// The medium that has `/imgs`.
    pub data: Data,
    /// Whether this boot is the generation's only one until it proves healthy.
    pub trial: bool,
}

/// A medium that holds an OCI image layout under `/imgs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// The ext4 filesystem with this UUID, in lower case.
    Ext4(String),
    /// The ISO 9660 volume with this volume id; state is kept in memory.
    Iso(String),
}

impl Boot {
    /// The whole command line of a boot entry. `base` is [`crate::Config::cmdline`].
    pub fn cmdline(&self, base: &str) -> String {
        let separator = if base.is_empty() { "" } else { " " };
        let named =
            format!("{base}{separator}{GENERATION}={} {DATA}={}", self.generation, self.data);
        if self.trial { format!("{named} {TRIAL} {TRIAL_ARGUMENTS}") } else { named }
    }

    /// Reads `/proc/cmdline`. Of a parameter that is given twice the last counts, as with the
    /// kernel's own: so a person can add to the line in the bootloader.
    pub fn parse(cmdline: &str) -> Result<Self> {
        let generation = last(cmdline, GENERATION)?;
        let generation =
            generation.parse().map_err(|error: digest::ParseError| Error::BadParameter {
                parameter: GENERATION,
                value: generation.escape_debug().to_string(),
                why: error.to_string(),
            })?;
        let data = last(cmdline, DATA)?.parse()?;
        Ok(Self { generation, data, trial: on_trial(cmdline) })
    }
}

/// Whether `/proc/cmdline` is that of a generation on trial. It is asked by itself, too, because a
/// trial whose other parameters are damaged still has to end.
pub fn on_trial(cmdline: &str) -> bool {
    cmdline.split_ascii_whitespace().any(|word| word == TRIAL)
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ext4(uuid) => f.write_str(uuid),
            Self::Iso(volume) => write!(f, "iso:{volume}"),
        }
    }
}

impl FromStr for Data {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| Error::BadParameter {
            parameter: DATA,
            value: text.escape_debug().to_string(),
            why: why.to_owned(),
        };
        if let Some(volume) = text.strip_prefix("iso:") {
            // d-characters of ISO 9660 (ECMA-119, 7.4.1).
            let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            return if (1..=32).contains(&volume.len()) && volume.chars().all(plain) {
                Ok(Self::Iso(volume.to_owned()))
            } else {
                Err(wrong("a volume id is 1 to 32 of A-Z 0-9 _"))
            };
        }
        let hyphen = |index| matches!(index, 8 | 13 | 18 | 23);
        let uuid = text.len() == 36
            && text.char_indices().all(|(index, c)| {
                if hyphen(index) { c == '-' } else { matches!(c, '0'..='9' | 'a'..='f') }
            });
        if uuid { Ok(Self::Ext4(text.to_owned())) } else { Err(wrong("is no lower-case UUID")) }
    }
}

/// Checks the part of a command line that a config has: one line of printable ASCII that boot
/// entries of every bootloader can hold, and nothing in it that the entry adds.
pub(crate) fn check_base(cmdline: &str) -> Result<()> {
    let wrong = |why: String| Err(Error::invalid("cmdline", why));
    if cmdline.len() > MAX_CMDLINE {
        return wrong(format!("{} bytes are more than {MAX_CMDLINE}", cmdline.len()));
    }
    if let Some(c) = cmdline.chars().find(|c| !matches!(c, ' '..='~')) {
        return wrong(format!("has `{}`, which is not printable ASCII", c.escape_debug()));
    }
    if cmdline.starts_with(' ') || cmdline.ends_with(' ') {
        return wrong("has a space at an end".into());
    }
    if cmdline.matches('"').count() % 2 != 0 {
        // Up to the next one the kernel would read the entry's part as one word.
        return wrong("has a `\"` without a second".into());
    }
    match cmdline.split(' ').find(|word| word.starts_with("heirloom.") || *word == "--") {
        // What follows goes to init's own command line, and the entry's part would too.
        Some("--") => wrong("has `--`, behind which the kernel reads nothing".into()),
        Some(word) => wrong(format!("has `{word}`, which the boot entry gives")),
        None => Ok(()),
    }
}

fn last<'a>(cmdline: &'a str, name: &'static str) -> Result<&'a str> {
    cmdline
        .split_ascii_whitespace()
        .filter_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        .next_back()
        .ok_or(Error::NoParameter(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0f1e2d3c-4b5a-8978-8695-a4b3c2d1e0f0";

    fn boot() -> Boot {
        Boot { generation: Digest::of("manifest"), data: Data::Ext4(UUID.into()), trial: false }
    }

    fn trial() -> Boot {
        Boot { trial: true, ..boot() }
    }

    #[test]
    fn init_reads_what_the_entry_says() {
        let line = boot().cmdline("console=ttyS0 panic=10");
        assert!(line.starts_with("console=ttyS0 panic=10 heirloom.generation=sha256:"), "{line}");
        assert_eq!(Boot::parse(&format!("BOOT_IMAGE=x {line} initrd=y\n")).unwrap(), boot());
        let iso = Boot { data: Data::Iso("MAILSERVER".into()), ..boot() };
        assert_eq!(Boot::parse(&iso.cmdline("")).unwrap(), iso);
        assert!(iso.cmdline("").starts_with("heirloom."));
    }

    #[test]
    fn a_trial_is_told_by_its_word_and_by_nothing_else() {
        let line = trial().cmdline("console=ttyS0 panic=0");
        assert!(line.ends_with(&format!(" heirloom.trial {TRIAL_ARGUMENTS}")), "{line}");
        assert_eq!(Boot::parse(&line).unwrap(), trial());
        assert_eq!(Boot::parse(&boot().cmdline("panic=10 oops=panic")).unwrap(), boot());
        assert!(on_trial("heirloom.generation=damaged heirloom.trial\n"));
        for line in ["", "trial", "heirloom.trial=1", "heirloom.trials", "xheirloom.trial"] {
            assert!(!on_trial(line), "{line}");
        }
    }

    #[test]
    fn a_hang_on_trial_becomes_a_panic_and_a_panic_a_reboot_whatever_the_config_says() {
        let line = trial().cmdline("panic=0 oops=x softlockup_panic=0");
        for (name, value) in [
            ("panic=", "10"),
            ("oops=", "panic"),
            ("softlockup_panic=", "1"),
            ("sysctl.kernel.hung_task_panic=", "1"),
            ("sysctl.kernel.hung_task_timeout_secs=", "120"),
        ] {
            let last = line.split(' ').filter_map(|word| word.strip_prefix(name)).next_back();
            assert_eq!(last, Some(value), "{line}");
        }
    }

    /// x86 and arm64: COMMAND_LINE_SIZE is 2048 with the zero at the end. syslinux and systemd-boot
    /// put the files' names before the line, and a person may add to it.
    #[test]
    fn the_longest_line_is_read_whole_by_the_kernel() {
        let base = "a".repeat(MAX_CMDLINE);
        check_base(&base).unwrap();
        let iso = Boot { data: Data::Iso("X".repeat(32)), ..trial() };
        for boot in [trial(), iso] {
            let line = boot.cmdline(&base).len();
            let names =
                "BOOT_IMAGE=/heirloom/0123456789ab/linux initrd=/heirloom/0123456789ab/initrd ";
            assert!(line + names.len() + 100 < 2048, "{line}");
        }
    }

    #[test]
    fn the_last_of_two_parameters_counts() {
        let line = format!("heirloom.data=iso:OTHER {}", boot().cmdline(""));
        assert_eq!(Boot::parse(&line).unwrap(), boot());
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        let digest = Digest::of("m");
        for (line, named) in [
            (format!("heirloom.data={UUID}"), "heirloom.generation"),
            (format!("heirloom.generation={digest}"), "heirloom.data"),
            (format!("heirloom.generation={} heirloom.data={UUID}", digest.hex()), "sha256"),
            (format!("heirloom.generation={digest} heirloom.data=/dev/vda2"), "/dev/vda2"),
            (format!("heirloom.generation={digest} heirloom.data=iso:../x"), "iso:../x"),
            (format!("heirloom.generation={digest} heirloom.data={}", &UUID[1..]), "UUID"),
        ] {
            let error = Boot::parse(&line).unwrap_err().to_string();
            assert!(error.contains(named), "{line}: {error}");
        }
    }

    #[test]
    fn a_base_holds_no_parameter_of_ours_and_no_second_line() {
        check_base("").unwrap();
        check_base("console=tty0 console=ttyS0,115200n8 panic=10").unwrap();
        for bad in [
            "a\nb",
            " a",
            "a ",
            "ä",
            "heirloom.data=x",
            "heirloom.trial",
            "a -- b",
            "a=\"b",
            &"a".repeat(MAX_CMDLINE + 1),
        ] {
            assert!(check_base(bad).is_err(), "{bad}");
        }
    }
}
