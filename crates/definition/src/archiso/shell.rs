//! The assignments of a shell script, which is read and never run.
//!
//! What bash(1) calls parameters, arrays and quoting: `name=word`, `name+=word`,
//! `name=(word ...)`, `name=([key]=word ...)` and `name[key]=word`, with or without `declare` and
//! its kin before them. A word is known when it is made of quoted and plain text and of variables
//! that were assigned such words; one with a command or another expansion in it is not.

use std::ops::Range;

use super::cursor::{Cursor, is_name};
use super::text::Text;
use crate::Problem;

/// What a script assigns, in its order.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) assignments: Vec<Assignment>,
    /// Commands: what they would do is not known.
    pub(super) commands: Vec<Range<usize>>,
}

/// One assignment.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) name: String,
    /// Where the name stands.
    pub(super) span: Range<usize>,
    /// `+=`
    pub(super) append: bool,
    pub(super) value: Value,
}

/// What is assigned.
#[derive(Debug)]
pub(super) enum Value {
    /// `name=word`
    Word(Word),
    /// `name=(word ...)`
    Array(Vec<Element>),
    /// `name[key]=word`
    Element(Element),
}

/// A word of an array.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) key: Option<Word>,
    pub(super) value: Word,
}

/// A word, and what it comes to where that is known.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) text: Option<String>,
    pub(super) span: Range<usize>,
}

/// Words that begin or go on with what may or may not run.
const COMPOUND: [&str; 17] = [
    "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac",
    "select", "function", "{", "}", "coproc",
];

/// Words before assignments that change nothing about them.
const DECLARING: [&str; 5] = ["declare", "typeset", "local", "readonly", "export"];

/// Reads a script.
pub(super) fn read(text: &Text) -> Result<Script, Problem> {
    let mut reader = Reader { cursor: Cursor::new(text), script: Script::default() };
    loop {
        reader.cursor.skip_between_commands();
        if reader.cursor.peek().is_none() {
            return Ok(reader.script);
        }
        reader.command()?;
    }
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    script: Script,
}

impl Reader<'_> {
    /// A command, which may be nothing but assignments.
    fn command(&mut self) -> Result<(), Problem> {
        let start = self.cursor.at();
        let mut assigned = Vec::new();
        let mut declaring = false;
        loop {
            self.cursor.skip_blanks();
            if self.cursor.is_at_end_of_command() {
                break;
            }
            if let Some(assignment) = self.assignment()? {
                assigned.push(assignment);
                continue;
            }
            let at = self.cursor.at();
            let word = self.cursor.plain_word();
            let is_first = assigned.is_empty() && !declaring;
            if is_first && DECLARING.contains(&word) {
                declaring = true;
            } else if declaring && (word.starts_with('-') || is_name(word)) {
                // An option, or a variable without a value.
            } else if is_first && (COMPOUND.contains(&word) || self.cursor.peek() == Some('(')) {
                let message = "this is more than an assignment";
                let hint = "profiledef.sh is read, not run: write plainly what it comes to";
                let end = self.cursor.at().max(at + 1);
                return Err(self.cursor.problem(at..end, message).hint(hint.to_owned()));
            } else {
                // Assignments before a command are for that command only.
                self.cursor.skip_command()?;
                self.script.commands.push(start..self.cursor.at());
                return Ok(());
            }
        }
        for Assignment { name, append, value, .. } in &assigned {
            let known = match value {
                Value::Word(word) if !append => word.text.clone(),
                _ => None,
            };
            self.cursor.assign(name, known);
        }
        self.script.assignments.append(&mut assigned);
        Ok(())
    }

    /// An assignment, if one begins here.
    fn assignment(&mut self) -> Result<Option<Assignment>, Problem> {
        let start = self.cursor.at();
        let name = self.cursor.name().to_owned();
        let span = start..self.cursor.at();
        if name.is_empty() {
            return Ok(None);
        }
        let key = match self.cursor.eat("[") {
            true => Some(self.cursor.key()?),
            false => None,
        };
        let append = self.cursor.eat("+=");
        if !append && !self.cursor.eat("=") {
            self.cursor.back_to(start);
            return Ok(None);
        }
        let value = if key.is_some() {
            Value::Element(Element { key, value: self.cursor.word()? })
        } else if self.cursor.eat("(") {
            Value::Array(self.elements(&span)?)
        } else {
            Value::Word(self.cursor.word()?)
        };
        Ok(Some(Assignment { name, span, append, value }))
    }

    /// The words of an array, whose `(` is behind us.
    fn elements(&mut self, name: &Range<usize>) -> Result<Vec<Element>, Problem> {
        let mut elements = Vec::new();
        loop {
            self.cursor.skip_in_array();
            if self.cursor.eat(")") {
                return Ok(elements);
            }
            if self.cursor.peek().is_none() {
                let hint = "it ends with `)`".to_owned();
                return Err(self.cursor.problem(name.clone(), "this array has no end").hint(hint));
            }
            let key = match self.cursor.eat("[") {
                true => Some(self.cursor.key()?),
                false => None,
            };
            if let Some(key) = &key
                && !self.cursor.eat("=")
            {
                let hint = r#"as in ["/path"]="0:0:755""#.to_owned();
                let problem = self.cursor.problem(key.span.clone(), "no `=` follows this key");
                return Err(problem.hint(hint));
            }
            let value = self.cursor.word()?;
            if key.is_none() && value.span.is_empty() {
                let at = value.span.start;
                return Err(self.cursor.problem(at..at + 1, "this is no word of an array"));
            }
            elements.push(Element { key, value });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let word = |word: &Word| word.text.clone().unwrap_or_else(|| "?".to_owned());
        let element = |element: &Element| match &element.key {
            Some(key) => format!("{}={}", word(key), word(&element.value)),
            None => word(&element.value),
        };
        let script = read(&Text::of(text)).unwrap();
        let shown = script.assignments.iter().map(|assignment| {
            let value = match &assignment.value {
                Value::Word(value) => word(value),
                Value::Array(all) => {
                    format!("({})", all.iter().map(element).collect::<Vec<_>>().join(" "))
                }
                Value::Element(one) => format!("[{}]", element(one)),
            };
            let sign = if assignment.append { "+=" } else { "=" };
            format!("{}{sign}{value}", assignment.name)
        });
        let commands = script.commands.iter().map(|span| format!("! {}", &text[span.clone()]));
        shown.chain(commands).collect()
    }

    #[test]
    fn assignments_are_read_as_bash_reads_them() {
        assert_eq!(
            shown("#!/bin/bash\n# x=1\n\nname=\"a b\"; other='$x'\n"),
            ["name=a b", "other=$x"]
        );
        assert_eq!(shown("a=b'c'\"d\"\\ e#f # g"), ["a=bcde#f".replace("de", "d e")]);
        assert_eq!(shown("a=\"x\\\"\\$y\\z\\\nw\""), ["a=x\"$y\\zw"]);
        assert_eq!(shown("a=1 b=2"), ["a=1", "b=2"]);
        assert_eq!(shown("a=x \\\n  b=y\n"), ["a=x", "b=y"]);
        assert_eq!(shown("a=\na+=x"), ["a=", "a+=x"]);
        assert_eq!(shown("declare -A m=([k]=v)\nreadonly a=1\nexport a"), ["m=(k=v)", "a=1"]);
    }

    #[test]
    fn arrays_have_comments_new_lines_and_keys() {
        let text = "m=(\n  # all\n  [\"/etc/a b\"]=\"0:0:400\" # one\n  ['/root']=0:0:750\n)\n";
        assert_eq!(shown(text), ["m=(/etc/a b=0:0:400 /root=0:0:750)"]);
        assert_eq!(shown("l=('a' \"b\"\n c\\\n d)"), ["l=(a b c d)"]);
        assert_eq!(shown("m[\"/x]\"]=\"1\"\nm+=([y]=2)"), ["m=[/x]=1]", "m+=(y=2)"]);
        assert_eq!(shown("l=()"), ["l=()"]);
    }

    #[test]
    fn variables_that_are_known_are_put_in_and_commands_make_a_word_unknown() {
        assert_eq!(shown("arch=x86_64\np=\"packages.${arch}\"")[1], "p=packages.x86_64");
        assert_eq!(shown("a=b\nc=$a.$a")[1], "c=b.b");
        assert_eq!(shown("c=$a"), ["c=?"]);
        assert_eq!(shown("a=$(date +%Y)\nb=$a\nc='x'"), ["a=?", "b=?", "c=x"]);
        let label = "l=\"A_$(date --date=\"@${E:-$(date +%s)}\" +%Y)\"\nn=1";
        assert_eq!(shown(label), ["l=?", "n=1"]);
        assert_eq!(
            shown("a=`date \\` x`\nb=$((1 + (2)))\nc=${x:-)}\nd=$'\\''"),
            ["a=?", "b=?", "c=?", "d=?"]
        );
        assert_eq!(shown("a=$"), ["a=$"]);
    }

    #[test]
    fn commands_are_told_apart_and_what_is_set_for_them_only_is_not_taken() {
        assert_eq!(
            shown("set -e; a=1\nLANG=C sort <x | y \"z;\n\"\nb=2"),
            ["a=1", "b=2", "! set -e", "! LANG=C sort <x | y \"z;\n\""]
        );
        assert_eq!(shown("[[ -v X ]] && a=1"), ["! [[ -v X ]] && a=1"]);
        assert_eq!(shown("a=1 && b=2"), ["! a=1 && b=2"]);
    }

    #[test]
    fn what_cannot_be_followed_is_refused_where_it_begins() {
        for (text, part) in [
            ("a=1\nif true; then\n b=2\nfi", "file:2:1"),
            ("f() { :; }", "more than an assignment"),
            ("( a=1 )", "more than an assignment"),
            ("a=\"x", "has no end"),
            ("a='x", "has no end"),
            ("a=$(x", "has no end"),
            ("a=${x", "has no end"),
            ("a=`x", "has no end"),
            ("a=(x", "has no end"),
            ("a=([x", "has no end"),
            ("a=([x]y)", "no `=` follows"),
            ("a=(x & y)", "no word of an array"),
            ("cat <<END\na=1\nEND", "here-document"),
            (&format!("a={}", "$(".repeat(100)), "nested too deeply"),
            (&format!("a={}", "\"$(".repeat(100)), "nested too deeply"),
        ] {
            let problem = read(&Text::of(text)).unwrap_err().to_string();
            assert!(problem.contains(part), "{part:?} is not in:\n{problem}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a=(\\[\\])\"'$`\\\\{}# \n;&<é]{0,60}") {
            if let Ok(script) = read(&Text::of(&text)) {
                for assignment in script.assignments {
                    proptest::prop_assert!(is_name(&text[assignment.span]));
                }
            }
        }
    }
}
