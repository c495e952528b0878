//! Text of a disk, made safe for a terminal.

/// The text in one line, without anything that a terminal would obey: see [`progress::is_obeyed`].
pub fn safe(text: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            if progress::is_obeyed(character) {
                shown.extend(character.escape_default());
            } else {
                shown.push(character);
            }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(safe("Grüße 漢".as_bytes()), "Grüße 漢");
        assert_eq!(safe(b"\x1b]0;title\x07"), "\\u{1b}]0;title\\u{7}");
        assert_eq!(safe(b"a\nb\xffc"), "a\\nb\\xffc");
        assert_eq!(safe("\u{9b}31m \u{202e}cod.exe".as_bytes()), "\\u{9b}31m \\u{202e}cod.exe");
    }
}
