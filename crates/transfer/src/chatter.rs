//! What a login shell prints before the agent answers.
//!
//! sshd runs a command by the user's shell, and bash reads `~/.bashrc` then: whatever that prints
//! comes before the answer on the same connection. The agent's answers are lines of JSON, so the
//! one that is meant can be told from the chatter.

use serde::de::DeserializeOwned;

/// How many bytes of chatter are passed over before a transfer.
pub(crate) const MAX_CHATTER: u64 = 64 << 10;

/// How many braces of a line are tried as the beginning of an answer.
const MAX_BRACES: usize = 16;

/// The answer in `text`, all that a command printed: the last line that is not blank, and what
/// stands before the answer in that line is passed over.
///
/// # Errors
/// That of the whole line, when no part of it is such an answer.
pub fn answer<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    answer_in(line.as_bytes())
}

/// The answer that ends `line`.
pub(crate) fn answer_in<T: DeserializeOwned>(line: &[u8]) -> serde_json::Result<T> {
    let whole = serde_json::from_slice(line);
    if whole.is_ok() {
        return whole;
    }
    let braces = line.iter().enumerate().filter(|(_, byte)| **byte == b'{').map(|(at, _)| at);
    let mut tried = braces.take(MAX_BRACES).map(|at| serde_json::from_slice(&line[at..]));
    tried.find(Result::is_ok).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Switched;

    #[test]
    fn an_answer_is_found_behind_what_a_shell_printed() {
        let json = r#"{"number":3,"rebooting":true}"#;
        for before in
            ["", "Welcome!\n", "{\"number\":9}\n\n", "no newline ", "{ \x1b[1m", "\u{7}\r\n"]
        {
            let answer: Switched = answer(&format!("{before}{json}\n")).unwrap();
            assert_eq!((answer.number, answer.rebooting), (3, true), "{before:?}");
        }
    }

    #[test]
    fn what_a_shell_prints_is_no_answer() {
        let many = "{".repeat(100_000);
        for text in ["", "\n", "Welcome!", "{\"number\":3}", many.as_str()] {
            assert!(answer::<Switched>(text).is_err());
        }
    }
}
