//! The results for people: `docs/reference/packages-SUITE.md`.

use std::fmt::Write as _;

use crate::list::List;
use crate::results::{Answer, Results, Row};

/// The page of a list's results. Rows that were not run are in it.
pub fn page(list: &List, results: &Results) -> String {
    let mut page = format!(
        "# Packages of Debian {0}, measured by apt\n\n\
         Written by `cargo xtask compare-packages {0}`, which \
         [package-tree.md](package-tree.md) explains: the archive of {1}, {2} packages.\n\n\
         | row | packages | Recommends | locked | built | equal to apt's | verified twice | \
         booted without a failed unit |\n|---|---|---|---|---|---|---|---|\n",
        list.suite,
        list.date,
        list.packages(),
    );
    let mut notes = String::new();
    for (name, asked) in &list.parsed {
        for recommends in [false, true] {
            let row = results.row(name, recommends);
            let count = match row {
                Some(row) if row.packages > 0 => {
                    format!("{}, locked {}", asked.install.len(), row.packages)
                }
                _ => asked.install.len().to_string(),
            };
            let with = if recommends { "with" } else { "without" };
            let _ = write!(page, "| {name} | {count} | {with} |");
            for (_, answer) in columns(row) {
                let _ = write!(page, " {} |", cell(answer));
            }
            page.push('\n');
            for (column, answer) in columns(row) {
                explain(&mut notes, name, with, column, answer);
            }
        }
    }
    page.push_str("\n## Rows\n\n");
    for (name, row) in &list.parsed {
        let _ = writeln!(page, "* {name}: {}", row.install.join(", "));
    }
    let unbooted = list.parsed.iter().flat_map(|(name, row)| {
        row.unbooted.iter().map(move |(package, why)| format!("* {name}: {package}: {why}\n"))
    });
    let unbooted: String = unbooted.collect();
    if !unbooted.is_empty() {
        let _ =
            write!(page, "\n## Packages that are not on the server that is booted\n\n{unbooted}");
    }
    let failing = failing(list, results);
    if !failing.is_empty() {
        let _ = write!(
            page,
            "\n## Units that fail on any Debian\n\nThey failed at a boot here, and do so wherever \
             these packages are installed together; `booted` does not count them.\n\n{failing}"
        );
    }
    if !notes.is_empty() {
        let _ = write!(page, "\n## What speaks against it\n{notes}");
    }
    page
}

/// The units of which the list says that they fail anywhere, as far as they did here.
fn failing(list: &List, results: &Results) -> String {
    let mut text = String::new();
    for (name, asked) in &list.parsed {
        for (unit, reason) in &asked.fails {
            let rows = results.rows.iter().filter(|row| row.name == *name);
            let mut failed = rows.filter_map(|row| row.failed.as_ref());
            if failed.any(|failed| failed.contains_key(unit)) {
                let _ = writeln!(text, "* {name}: {unit}: {reason}");
            }
        }
    }
    text
}

fn columns(row: Option<&Row>) -> [(&'static str, Option<&Answer>); 5] {
    let of = |get: fn(&Row) -> &Option<Answer>| row.and_then(|row| get(row).as_ref());
    [
        ("locked", of(|row| &row.locked)),
        ("built", of(|row| &row.built)),
        ("equal to apt's", of(|row| &row.equal)),
        ("verified twice", of(|row| &row.verified)),
        ("booted", of(|row| &row.booted)),
    ]
}

fn cell(answer: Option<&Answer>) -> String {
    match answer {
        None => "not run".to_owned(),
        Some(answer) if answer.holds => "yes".to_owned(),
        Some(answer) => format!("no ({})", answer.count),
    }
}

fn explain(notes: &mut String, name: &str, with: &str, column: &str, answer: Option<&Answer>) {
    let Some(answer) = answer.filter(|answer| !answer.holds) else { return };
    let _ = write!(notes, "\n{name}, {with} Recommends, {column}:\n\n```\n");
    for note in &answer.notes {
        let _ = writeln!(notes, "{}", note.replace("```", "'''"));
    }
    let more = answer.count.saturating_sub(answer.notes.len() as u64);
    if more > 0 {
        let _ = writeln!(notes, "and {more} more");
    }
    notes.push_str("```\n");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use digest::Digest;

    use super::*;

    #[test]
    fn a_row_says_yes_no_with_the_reason_or_that_it_was_not_run() {
        let text = "suite = \"bookworm\"\ndate = \"2026-11-22\"\n[rows.web]\ninstall = [\"nginx\"]\n\
             fails = { \"nginx.service\" = \"has no port\" }\n\
             unbooted = { chrony = \"conflicts\" }\n";
        let list = List::parse(text, Path::new("list.toml")).unwrap();
        let mut results = Results::default();
        let mut row = Row::new("web", false, Digest::of(""));
        row.packages = 120;
        row.locked = Some(Answer::of(vec![]));
        row.equal = Some(Answer::of(vec!["/etc/x: mode: 0644, apt's 0600".to_owned(); 30]));
        let failed = ["nginx.service", "other.service"].map(|it| (it.to_owned(), "x".to_owned()));
        row.failed = Some(failed.into());
        row.judge_boot(&list.parsed[0].1.fails);
        results.put(row);
        let page = page(&list, &results);
        assert!(
            page.contains(
                "| web | 1, locked 120 | without | yes | not run | no (30) | not run | no (1) |"
            ),
            "{page}"
        );
        assert!(
            page.contains("| web | 1 | with | not run | not run | not run | not run | not run |")
        );
        assert!(page.contains("web, without Recommends, equal to apt's:"));
        assert!(page.contains("/etc/x: mode: 0644, apt's 0600\n"));
        assert!(page.contains("and 5 more"));
        assert!(page.contains("* web: nginx"));
        assert!(page.contains("* web: nginx.service: has no port\n"));
        assert!(page.contains("* web: chrony: conflicts\n"));
        assert!(page.contains("booted:\n\n```\nother.service: x\n"));
    }
}
