//! The file name of an entry.

use super::FOLDER;

/// The name of an entry, in the order in which entries are started.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Its place in the order.
    pub turn: u64,
    /// The generation.
    pub number: u64,
    /// The counter of an entry that is not confirmed.
    pub tries: Option<Tries>,
}

/// How often an entry may still be started, and how often it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tries {
    /// Starts that are left.
    pub left: u32,
    /// Starts that were.
    pub done: u32,
}

impl Tries {
    /// One start.
    pub const ONE: Self = Self { left: 1, done: 0 };
}

impl Name {
    /// Reads a file name; nothing when it is none of ours.
    pub fn parse(file: &str) -> Option<Self> {
        let name = file.strip_prefix("heirloom-")?.strip_suffix(".conf")?;
        let (name, tries) = match name.split_once('+') {
            Some((name, tries)) => {
                let (left, done) = tries.split_once('-').unwrap_or((tries, "0"));
                let [left, done] = [left, done].map(number);
                let [left, done] = [left?, done?].map(u32::try_from);
                (name, Some(Tries { left: left.ok()?, done: done.ok()? }))
            }
            None => (name, None),
        };
        let (turn, generation) = name.split_once('-')?;
        Some(Self { turn: number(turn)?, number: number(generation)?, tries })
    }

    /// The file's path on the boot partition.
    pub fn path(&self) -> String {
        let tries = match self.tries {
            None => String::new(),
            Some(Tries { left, done: 0 }) => format!("+{left}"),
            Some(Tries { left, done }) => format!("+{left}-{done}"),
        };
        format!("{FOLDER}/heirloom-{}-{}{tries}.conf", self.turn, self.number)
    }

    /// Whether it is started as often as the machine boots.
    pub fn is_confirmed(&self) -> bool {
        self.tries.is_none()
    }

    /// Whether it has starts left.
    pub fn is_armed(&self) -> bool {
        self.tries.is_some_and(|tries| tries.left > 0)
    }
}

/// A decimal number without signs.
fn number(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_systemd_boot_counts() {
        for (file, turn, generation, tries) in [
            ("heirloom-3-2.conf", 3, 2, None),
            ("heirloom-4-12+1.conf", 4, 12, Some(Tries::ONE)),
            ("heirloom-4-12+0-1.conf", 4, 12, Some(Tries { left: 0, done: 1 })),
        ] {
            let name = Name { turn, number: generation, tries };
            assert_eq!(Name::parse(file), Some(name.clone()));
            assert_eq!(name.path(), format!("loader/entries/{file}"));
        }
    }

    #[test]
    fn other_files_are_not_ours() {
        for file in [
            "arch.conf",
            "heirloom-1.conf",
            "heirloom-1-2",
            "heirloom-1-2.conf.bak",
            "heirloom-+1-2.conf",
            "heirloom-1-2+.conf",
            "heirloom-1-2+1-.conf",
            "heirloom-1-99999999999999999999.conf",
        ] {
            assert_eq!(Name::parse(file), None, "{file}");
        }
    }
}
