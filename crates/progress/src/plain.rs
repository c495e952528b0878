//! Text of others, made safe for a terminal.
//!
//! Names of packages and files, what scripts, archives and servers say: all of it ends in messages,
//! and whoever writes it could move the cursor, hide lines, rename the window or have keys pressed.

use std::borrow::Cow;

/// `text` as it may be printed: what a terminal would obey is shown as an escape (`\u{1b}`). Lines
/// and tabs stay.
pub fn plain(text: &str) -> Cow<'_, str> {
    let is_obeyed = |c: char| is_obeyed(c) && c != '\n' && c != '\t';
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_obeyed(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Whether a terminal obeys a character rather than showing it: control characters, and those that
/// turn the direction of writing or end lines (Unicode Standard Annexes 9 and 14).
pub fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(character, '\u{061c}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        for text in ["Grüße 漢", "two\nlines\tand a tab", ""] {
            assert!(matches!(plain(text), Cow::Borrowed(same) if same == text));
        }
        assert_eq!(plain("\u{1b}]0;title\u{7}"), "\\u{1b}]0;title\\u{7}");
        assert_eq!(plain("\u{9b}31m \u{202e}cod.exe\r"), "\\u{9b}31m \\u{202e}cod.exe\\r");
    }
}
