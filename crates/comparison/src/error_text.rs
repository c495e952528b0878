//! What is kept of an error.

use std::error::Error;

use comparison::results::Answer;

/// An error and its causes.
pub(crate) fn whole(error: &(dyn Error + 'static)) -> String {
    let mut text = format!("{error}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("{error}\n"));
        cause = error.source();
    }
    text
}

/// The longest line of an error that is kept: command lines name every package.
const LONGEST: usize = 160;

/// An error and its causes, a line each; of many lines the last, which have the reason.
pub(crate) fn lines(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut lines = Vec::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let message = error.to_string();
        lines.extend(message.lines().map(|line| line.chars().take(LONGEST).collect::<String>()));
        cause = error.source();
    }
    lines.split_off(lines.len().saturating_sub(Answer::SHOWN))
}
