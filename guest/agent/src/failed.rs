//! What units that have failed said last: why they did, for whoever is told of it.

use std::process::{Command, Stdio};

/// Of how many units; where more have failed they have mostly one cause.
const MOST: usize = 8;

/// The longest that a unit's last line may be, in characters.
const LONGEST: usize = 400;

/// A line for each unit of `failed`, lines of systemctl(1) that begin with its name, if it has said
/// anything.
pub(crate) fn last_words(failed: &str) -> Vec<String> {
    last_words_by(failed, &in_journal)
}

fn last_words_by(failed: &str, last_line: &dyn Fn(&str) -> String) -> Vec<String> {
    let units = failed.lines().filter_map(|line| line.split_whitespace().next());
    let said = units.take(MOST).filter_map(|unit| {
        let line: String = last_line(unit).trim().chars().take(LONGEST).collect();
        (!line.is_empty()).then(|| format!("{unit} said: {line}"))
    });
    said.collect()
}

/// The last line that processes of `unit` have written into this boot's journal: systemd's own, that
/// it failed, is not among them.
fn in_journal(unit: &str) -> String {
    let asked = Command::new("journalctl")
        .args(["--boot", "--no-pager", "--quiet", "--output", "cat", "--lines", "1"])
        .arg(format!("_SYSTEMD_UNIT={unit}"))
        .stdin(Stdio::null())
        .output();
    // The unit is named all the same.
    let output = asked.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().last().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_failed_is_told_with_its_last_line() {
        let failed = "a.service loaded failed failed The first\nb.service loaded failed failed\n\n";
        let said = last_words_by(failed, &|unit| match unit {
            "a.service" => "cannot read /etc/a\n".to_owned(),
            _ => String::new(),
        });
        assert_eq!(said, ["a.service said: cannot read /etc/a"]);
    }

    #[test]
    fn what_failed_is_told_to_a_limit() {
        let failed: String = (0..100).map(|number| format!("{number}.service\n")).collect();
        let said = last_words_by(&failed, &|_| "ü".repeat(10_000));
        assert_eq!(said.len(), MOST);
        assert_eq!(said[0].chars().count(), "0.service said: ".len() + LONGEST);
    }
}
