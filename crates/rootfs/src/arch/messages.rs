//! What pacman's output means.
//!
//! Pacman exits with 0 when an install script or a hook behind the transaction has failed, and says
//! so in a line of its own (alpm's `_alpm_run_chroot`). Its own messages are told from what scripts
//! say by their colour.

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All was done.
    Done,
    /// Pacman refused, and said this last.
    Refused(String),
    /// A step failed.
    Failed {
        /// The step, in pacman's words.
        step: String,
        /// The end of what it said.
        output: String,
    },
}

/// How pacman begins an error and a warning, with `--color always`.
const ERROR: &str = "\u{1b}[1;31merror: ";
const WARNING: &str = "\u{1b}[1;33mwarning: ";

/// Warnings that mean that the tree is not as its packages have it.
const BAD_WARNINGS: [&str; 4] = ["could not", "unable to", "when extracting", "cannot"];

/// How many lines are shown.
const SHOWN_LINES: usize = 20;

/// Judges a run by all that it said, standard error included, and by its exit status.
pub(super) fn judge(said: &str, code: i32) -> Outcome {
    let lines: Vec<&str> = said.lines().collect();
    if code != 0 {
        return Outcome::Refused(shown(&lines));
    }
    let Some(bad) = lines.iter().position(|line| is_bad(line)) else { return Outcome::Done };
    let before = &lines[..bad];
    let (start, step) = before
        .iter()
        .enumerate()
        .rev()
        .find_map(|(at, line)| Some((at + 1, step(&without_colours(line))?)))
        .unwrap_or((0, "the transaction".to_owned()));
    Outcome::Failed { step, output: shown(&lines[start..=bad]) }
}

fn is_bad(line: &str) -> bool {
    let warning = line.split_once(WARNING).map(|(_, text)| text);
    line.contains(ERROR)
        || warning.is_some_and(|text| BAD_WARNINGS.iter().any(|bad| text.contains(bad)))
}

/// What begins with a line: a package's installation or a hook.
fn step(line: &str) -> Option<String> {
    if let Some(package) = line.strip_prefix("installing ").and_then(|it| it.strip_suffix("...")) {
        return (!package.contains(' ')).then(|| format!("installing {package}"));
    }
    let (count, hook) = line.strip_prefix('(')?.split_once(") ")?;
    let (number, of) = count.split_once('/')?;
    let is_number = |text: &str| text.trim().parse::<u32>().is_ok();
    (is_number(number) && is_number(of)).then(|| format!("the hook `{hook}`"))
}

/// The end of some lines, without colours.
fn shown(lines: &[&str]) -> String {
    let skipped = lines.len().saturating_sub(SHOWN_LINES);
    let plain: Vec<String> = lines[skipped..].iter().map(|line| without_colours(line)).collect();
    let plain = plain.join("\n");
    if skipped == 0 { plain } else { format!("... {skipped} lines\n{plain}") }
}

/// Text without the control sequences of ECMA-48 that set colours.
fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for (number, part) in text.split("\u{1b}[").enumerate() {
        let rest = part.split_once('m').filter(|(codes, _)| {
            number > 0 && codes.bytes().all(|byte| byte.is_ascii_digit() || byte == b';')
        });
        plain.push_str(rest.map_or(part, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR_LINE: &str = "\u{1b}[1;31merror: \u{1b}[0mcommand failed to execute correctly\n";

    #[test]
    fn a_step_that_fails_is_named_with_what_it_said() {
        let said = format!(
            "\u{1b}[0minstalling a...\nfine\ninstalling b...\nmy last words\n{ERROR_LINE}\
             \u{1b}[1;34m::\u{1b}[0;1m Running post-transaction hooks...\n"
        );
        let step = "installing b".to_owned();
        let output = "my last words\nerror: command failed to execute correctly".to_owned();
        assert_eq!(judge(&said, 0), Outcome::Failed { step, output });
        let said = format!("installing a...\n\u{1b}[0m( 9/10) Updating it...\n{ERROR_LINE}");
        let step = "the hook `Updating it...`".to_owned();
        let output = "error: command failed to execute correctly".to_owned();
        assert_eq!(judge(&said, 0), Outcome::Failed { step, output });
    }

    #[test]
    fn what_a_script_says_is_no_message_of_pacman() {
        assert_eq!(judge("installing a...\nerror: but never mind\n", 0), Outcome::Done);
        assert_eq!(judge("installing a...\nwarning: could not care less\n", 0), Outcome::Done);
        assert_eq!(judge("", 0), Outcome::Done);
    }

    #[test]
    fn a_warning_fails_where_the_tree_is_not_what_it_should_be() {
        let warned = |text: &str| {
            let said = format!("installing a...\n\u{1b}[1;33mwarning: \u{1b}[0m{text}\n");
            judge(&said, 0) != Outcome::Done
        };
        assert!(warned("warning given when extracting usr/bin/x (Can't set user=1)"));
        assert!(warned("could not get file information for usr/bin/x"));
        assert!(!warned("directory permissions differ on /tree/tmp/"));
    }

    #[test]
    fn a_refusal_shows_the_end() {
        let said = format!("{}error: failed to commit\n", "line\n".repeat(30));
        let Outcome::Refused(output) = judge(&said, 1) else { panic!("it was not refused") };
        assert!(output.starts_with("... 11 lines\nline\n"), "{output}");
        assert!(output.ends_with("error: failed to commit"), "{output}");
    }
}
