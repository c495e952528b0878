//! Texts within a shell script that are for commands to read: what follows `<< WORD`.

/// A script without the texts that it has for commands to read: what follows `<< WORD`. A line of
/// them in which the shell would run a command stays.
pub(super) fn without(script: &str) -> String {
    let mut kept = String::new();
    let mut document: Option<Document<'_>> = None;
    for line in script.lines() {
        match &document {
            Some(it) if line.trim_start_matches('\t') == it.end => document = None,
            Some(it) if it.is_quoted || !line.contains(['`', '$']) => {}
            Some(_) => kept.extend([line, "\n"]),
            None => {
                document = Document::begun_by(line);
                kept.extend([line, "\n"]);
            }
        }
    }
    kept
}

/// A text within a script.
struct Document<'a> {
    /// The line behind it.
    end: &'a str,
    /// Nothing in it is for the shell.
    is_quoted: bool,
}

impl<'a> Document<'a> {
    /// The one that begins behind a line.
    fn begun_by(line: &'a str) -> Option<Self> {
        let is_comment = line.trim_start().starts_with('#');
        let (before, rest) = line.split_once("<<").filter(|_| !is_comment)?;
        // No number that is shifted, no text of bash's `<<<`.
        if before.contains("$((") || rest.starts_with('<') {
            return None;
        }
        let rest = rest.strip_prefix('-').unwrap_or(rest).trim_start();
        let is_quoted = rest.starts_with(['\'', '"', '\\']);
        let word = rest.trim_start_matches(['\'', '"', '\\']);
        let is_no_word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        let length = word.find(is_no_word).unwrap_or(word.len());
        (length > 0).then(|| Self { end: &word[..length], is_quoted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_a_command_reads_is_none_of_the_scripts() {
        assert_eq!(without("cat << END\nPlease install x.\nEND\nexit 0\n"), "cat << END\nexit 0\n");
        assert_eq!(without("cat <<-'END' >&2\n\tuseradd `x`\n\tEND\n"), "cat <<-'END' >&2\n");
        let runs = "cat << END\n$(useradd x)\nEND\n";
        assert_eq!(without(runs), "cat << END\n$(useradd x)\n");
        for none in ["echo $((1 << 2))\nuseradd x\n", "cat <<< END\nuseradd x\n", "# << END\nx\n"] {
            assert_eq!(without(none), none);
        }
    }
}
