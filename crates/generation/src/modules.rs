//! The kernel modules of an initramfs, and what each is for: the file `/modules`, which the build
//! writes and `init` reads.
//!
//! ```text
//! first i6300esb                       before all others, where a device asks for it
//! always overlay                       on every machine
//! module dm_verity dm_mod dm_bufio     a module, and what is loaded before it
//! after libcrc32c crc32c_intel         a module, and what is loaded after it
//! alias pci:v00008086d000025AB* i6300esb
//! ```
//!
//! Words are separated by single spaces. Names have `_` for `-`, as `/proc/modules` has them, and
//! so have aliases outside of brackets, as libkmod compares them. Lines that begin with another
//! word are left out by readers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The modules of an initramfs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modules {
    /// Modules that come before all others, where a device asks for them: those of watchdogs.
    pub first: Vec<String>,
    /// Modules that are loaded on every machine, in this order.
    pub always: Vec<String>,
    /// All modules by name.
    pub modules: BTreeMap<String, Around>,
    /// Patterns of aliases (fnmatch(3)), each with a module that has it; sorted.
    pub aliases: Vec<(String, String)>,
}

/// What is loaded around a module, in this order. None of it need be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Before it: soft dependencies, then those without which it cannot be loaded.
    pub before: Vec<String>,
    /// After it.
    pub after: Vec<String>,
}

impl Modules {
    /// The file's name in the root of the initramfs.
    pub const NAME: &str = "modules";

    /// Reads the file.
    pub fn parse(text: &str) -> Self {
        let mut modules = Self::default();
        for line in text.lines() {
            let mut words = line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned);
            let (Some(kind), Some(name)) = (words.next(), words.next()) else { continue };
            match kind.as_str() {
                "first" => modules.first.push(name),
                "always" => modules.always.push(name),
                "module" => modules.modules.entry(name).or_default().before.extend(words),
                "after" => modules.modules.entry(name).or_default().after.extend(words),
                "alias" => modules.aliases.extend(words.next().map(|module| (name, module))),
                _ => {}
            }
        }
        modules.aliases.sort();
        modules
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |words: &[&str]| {
            // A String takes all that is written to it.
            let _ = writeln!(text, "{}", words.join(" "));
        };
        self.first.iter().for_each(|name| line(&["first", name]));
        self.always.iter().for_each(|name| line(&["always", name]));
        for (name, Around { before, after }) in &self.modules {
            let words = |kind, names: &[String]| {
                let mut words = vec![kind, name.as_str()];
                words.extend(names.iter().map(String::as_str));
                words.join(" ")
            };
            line(&[&words("module", before)]);
            if !after.is_empty() {
                line(&[&words("after", after)]);
            }
        }
        self.aliases.iter().for_each(|(pattern, module)| line(&["alias", pattern, module]));
        text
    }

    /// The modules that have the alias `alias`, or the name.
    pub fn named(&self, alias: &str) -> BTreeSet<&str> {
        let alias = normalised(alias);
        if let Some((name, _)) = self.modules.get_key_value(&alias) {
            return BTreeSet::from([name.as_str()]);
        }
        let matching = self.aliases.iter().filter(|(pattern, _)| matches(pattern, &alias));
        matching.map(|(_, module)| module.as_str()).collect()
    }

    /// The modules that have the alias of a device, `pci:v00008086d...`: a table with thousands of
    /// patterns is searched only where they begin with the device's bus.
    pub fn for_device(&self, alias: &str) -> BTreeSet<&str> {
        let alias = normalised(alias);
        let Some((bus, _)) = alias.split_once(':') else { return BTreeSet::new() };
        let begin = self.aliases.partition_point(|(pattern, _)| pattern.as_str() < bus);
        let of_bus =
            self.aliases[begin..].iter().take_while(|(pattern, _)| pattern.starts_with(bus));
        let matching = of_bus.filter(|(pattern, _)| matches(pattern, &alias));
        matching.map(|(_, module)| module.as_str()).collect()
    }

    /// What loading `wanted` takes, in the order of loading: each module once, behind what is
    /// loaded before it.
    pub fn plan<'a>(&'a self, wanted: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let mut plan = Vec::new();
        let mut seen = BTreeSet::new();
        for name in wanted {
            self.add(name, &mut plan, &mut seen);
        }
        plan
    }

    fn add<'a>(&'a self, name: &'a str, plan: &mut Vec<&'a str>, seen: &mut BTreeSet<&'a str>) {
        let Some(around) = self.modules.get(name) else { return };
        if seen.insert(name) {
            around.before.iter().for_each(|name| self.add(name, plan, seen));
            plan.push(name);
            around.after.iter().for_each(|name| self.add(name, plan, seen));
        }
    }
}

/// An alias, a pattern of aliases or a name as they are compared: `_` for `-`, but for what stands
/// in brackets (libkmod's `alias_normalize`).
pub fn normalised(alias: &str) -> String {
    let mut bracket = false;
    let unified = alias.chars().map(|c| match c {
        '[' | ']' => {
            bracket = c == '[';
            c
        }
        '-' if !bracket => '_',
        _ => c,
    });
    unified.collect()
}

/// Whether `text` is of the pattern `pattern`, as fnmatch(3) without flags decides it: `*`, `?`,
/// `[a-z]`, `[!a-z]`, and `\` before a character that is meant itself.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut read) = (0, 0);
    // Behind the last star, and where what it stands for ends.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, read));
            continue;
        }
        let next = text.get(read).and_then(|byte| one(&pattern[at..], *byte));
        match (next, star) {
            (None, _) if read == text.len() => return at == pattern.len(),
            (Some(length), _) => {
                at += length;
                read += 1;
            }
            // The star takes a byte more.
            (None, Some((behind, end))) => {
                at = behind;
                read = end + 1;
                star = Some((behind, read));
            }
            (None, None) => return false,
        }
    }
}

/// How many bytes of the pattern, which begins with no star, stand for the byte.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern.first()? {
        b'?' => Some(1),
        b'[' => bracket(pattern, byte).unwrap_or_else(|| (byte == b'[').then_some(1)),
        b'\\' => (*pattern.get(1)? == byte).then_some(2),
        first => (first == byte).then_some(1),
    }
}

/// The same for a pattern that begins with a bracket expression; the outer `None`: it has no end.
fn bracket(pattern: &[u8], byte: u8) -> Option<Option<usize>> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let begin = 1 + usize::from(negated);
    let mut at = begin;
    let mut found = false;
    loop {
        let low = *pattern.get(at)?;
        // A bracket that stands first is one of the characters.
        if low == b']' && at > begin {
            return Some((found != negated).then_some(at + 1));
        }
        let high = match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'-'), Some(&high)) if high != b']' => {
                at += 2;
                high
            }
            _ => low,
        };
        found |= (low..=high).contains(&byte);
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table() -> Modules {
        Modules::parse(
            "first i6300esb\nalways overlay\nmodule overlay\nmodule i6300esb watchdog\n\
             module watchdog\nmodule a b c\nmodule b c\nafter b d\nmodule c a\nmodule d\n\
             alias pci:v00008086d000025ABsv*sd*bc*sc*i* i6300esb\nalias fs_x a\nalias fs_x c\n\
             alias crc32c gone\nnewer than this reader\n",
        )
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Modules::parse(&table().to_text()), table());
        assert_eq!(table().first, ["i6300esb"]);
        assert_eq!(table().always, ["overlay"]);
    }

    #[test]
    fn what_a_module_needs_comes_before_it_also_where_needs_are_circular() {
        let table = table();
        assert_eq!(table.plan(["i6300esb", "watchdog"]), ["watchdog", "i6300esb"]);
        assert_eq!(table.plan(["a"]), ["c", "b", "d", "a"]);
        assert!(table.plan(["gone"]).is_empty());
    }

    #[test]
    fn an_alias_may_be_of_several_modules_and_a_name_is_of_one() {
        let table = table();
        assert_eq!(table.named("fs-x").into_iter().collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(table.named("a").into_iter().collect::<Vec<_>>(), ["a"]);
        let esb = "pci:v00008086d000025ABsv00001AF4sd00001100bc08sc80i00";
        assert_eq!(table.for_device(esb).into_iter().collect::<Vec<_>>(), ["i6300esb"]);
        assert_eq!(table.for_device(esb), table.named(esb));
        for other in ["pci:v00008086d000025ACsv0", "fs-x", "usb:v1", "zzz:", ""] {
            assert!(table.for_device(other).is_empty(), "{other}");
        }
    }

    #[test]
    fn aliases_are_compared_as_libkmod_does() {
        assert_eq!(normalised("crypto-crc32c-intel"), "crypto_crc32c_intel");
        assert_eq!(normalised("usb:v-d[0-9]-*"), "usb:v_d[0-9]_*");
        for (pattern, text, expected) in [
            ("pci:v*d*", "pci:v1d2", true),
            ("pci:v*d*", "pci:v1", false),
            ("*ab", "aab", true),
            ("a*b*c", "abbxc", true),
            ("a*b*c", "abbx", false),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("usb:v0[0-4]*", "usb:v03", true),
            ("usb:v0[!0-4]*", "usb:v03", false),
            ("[]x]", "]", true),
            ("[a-]", "-", true),
            ("[", "[", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_ends(pattern in "[a*?\\[\\]!\\\\-]{0,12}", text in "[a\\[-]{0,12}") {
            // Only that it returns counts.
            let _ = matches(&pattern, &text);
        }

        #[test]
        fn a_text_matches_what_it_was_made_of(parts in prop::collection::vec("[a-c]{0,3}", 1..6)) {
            prop_assert!(matches(&parts.join("*"), &parts.join("bb")));
        }
    }
}
