//! A server's generations as people read them, there (`heirloom list`) and from afar (`cargo xtask
//! generations`): in the same words.

use std::fmt::Write;

use crate::report::{GenerationReport, Listed};

/// The table, its lines ended. What a server says is made safe for a terminal.
pub fn table(listed: &Listed) -> String {
    let (data, boot) = (megabytes(listed.free_data), megabytes(listed.free_boot));
    let room = format!("room: {data} for generations, {boot} for their kernels\n");
    generations(&listed.generations) + &room
}

/// The same without the room that is left.
pub fn generations(generations: &[GenerationReport]) -> String {
    let mut text = String::new();
    let mut row = |cells: [&str; 7]| {
        let [number, generation, size, state, staged, commit, by] = cells;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{number:>4}  {generation:<12}  {size:>10}  {state:<28}  {staged:<20}  {commit:<12}  {by}"
        );
    };
    row(["NO", "GENERATION", "SIZE", "STATE", "STAGED", "COMMIT", "BUILT BY"]);
    for one in generations {
        let (size, state) = (megabytes(one.size), state(one));
        let [staged, by] = [&one.staged, &one.built_by].map(|text| shown(text.as_deref()));
        let [number, generation] = [one.number.to_string(), one.generation.short()];
        row([&number, &generation, &size, &state, &staged, &commit(one), &by]);
        if let Some(outcome) = &one.outcome {
            row(["", &outcome.escape_debug().to_string(), "", "", "", "", ""]);
        }
    }
    // No blanks at the ends of lines.
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// What a generation is on its server, in words.
fn state(one: &GenerationReport) -> String {
    let all = [
        (one.booted, "running"),
        (one.default, "default"),
        (one.previous, "previous"),
        (one.trial, "on trial"),
        (one.pinned, "pinned"),
    ];
    let states: Vec<_> = all.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    states.join(", ")
}

fn commit(one: &GenerationReport) -> String {
    let commit = shown(one.commit.as_deref());
    let short = commit.get(..10).unwrap_or(&commit);
    if one.uncommitted { format!("{short}+") } else { short.to_owned() }
}

fn shown(text: Option<&str>) -> String {
    text.unwrap_or("-").escape_debug().to_string()
}

/// A size for people.
pub fn megabytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use digest::Digest;

    use super::*;

    #[test]
    fn a_generation_is_a_line_and_its_last_trial_another() {
        let one = GenerationReport {
            number: 7,
            generation: Digest::of("7"),
            size: 152_100_000,
            default: false,
            booted: true,
            previous: true,
            pinned: true,
            trial: false,
            commit: Some("0123456789abcdef".into()),
            uncommitted: true,
            built_by: Some("me@here\u{1b}[31m".into()),
            staged: Some("2026-01-01T00:00:00Z".into()),
            outcome: Some("failed: smtp is not there".into()),
        };
        let text = table(&Listed { generations: vec![one], free_data: 20_000_000, free_boot: 1 });
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("  NO  GENERATION"), "{text}");
        let short = Digest::of("7").short();
        let expected = format!(
            "   7  {short}    152.1 MB  running, previous, pinned     2026-01-01T00:00:00Z  \
             0123456789+   me@here\\u{{1b}}[31m"
        );
        assert_eq!(lines[1], expected);
        assert_eq!(lines[2], "      failed: smtp is not there");
        assert_eq!(lines[3], "room: 20.0 MB for generations, 1 B for their kernels");
    }
}
