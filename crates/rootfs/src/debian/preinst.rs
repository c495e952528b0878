//! What a preinst does when its package is installed for the first time, as far as its text says.
//!
//! Most do nothing then: they are made for upgrades. The reading is by lines, and on the safe side:
//! what is not understood counts as done.

use std::collections::{BTreeMap, BTreeSet};

use super::here_documents;

/// Commands of the shell itself.
const BUILTINS: [&str; 25] = [
    ":", ".", "[", "[[", "break", "cd", "command", "continue", "echo", "eval", "exit", "export",
    "false", "local", "print", "printf", "read", "return", "set", "shift", "test", "true", "type",
    "umask", "unset",
];

/// Programs of other packages that work when they are only unpacked. The hooks of the second are
/// run when a kernel is installed; what they belong to is not there for a first one.
const UNPACKED: [&str; 2] = ["dpkg-maintscript-helper", "linux-run-hooks"];

/// Programs by which a script decides on what the unpacking of its package does.
const DECIDING: [&str; 2] = ["dpkg-divert", "dpkg-statoverride"];

/// Directories of which a package may have one that is empty: no list of its control archive says.
const OF_DATA: [&str; 7] =
    ["/var/lib/", "/var/log/", "/var/cache/", "/var/spool/", "/etc/", "/srv/", "/opt/"];

/// Actions of a preinst besides `install`: deb-preinst(5).
const OTHER_ACTIONS: [&str; 3] = ["upgrade", "abort-upgrade", "abort-install"];

/// Whether a preinst, at a first installation, needs what dpkg grants it: that the essential
/// packages and its Pre-Depends are configured, and its own package's files are not there.
///
/// `programs` are those that work unconfigured, as those of essential packages must (Debian policy
/// 3.8); `files` are the package's, absolute; `all` has those of all packages, relative to the root:
/// a program that none has is not run.
pub(super) fn needs_order(
    script: &str,
    programs: &BTreeSet<&str>,
    files: &BTreeSet<&str>,
    all: &BTreeSet<&str>,
) -> bool {
    let shell = script.lines().next().unwrap_or_default();
    let shell = shell.trim_start_matches("#!").split_whitespace().next().unwrap_or_default();
    if !["sh", "bash", "dash"].contains(&shell.rsplit('/').next().unwrap_or_default()) {
        return true;
    }
    let lines = effective(script);
    let text = lines.join("\n");
    if DECIDING.iter().any(|program| text.contains(program)) {
        return true;
    }
    let looks = ["-d ", "chown", "chgrp", "chmod", "install -"];
    let looks = lines.iter().any(|line| looks.iter().any(|look| line.contains(look)));
    let of_data = |path: &str| OF_DATA.iter().any(|above| path.starts_with(above));
    let lines = lines.iter().filter(|line| !line.trim_start().starts_with(UNPACKED[0]));
    if lines.flat_map(|line| paths(line)).any(|path| files.contains(path) || looks && of_data(path))
    {
        return true;
    }
    let functions = functions(script);
    commands(&text).any(|command| {
        let is_plain = BUILTINS.contains(&command)
            || UNPACKED.contains(&command)
            || programs.contains(command)
            || functions.contains_key(command)
            || command.starts_with("db_")
            || command.strip_prefix('/').is_some_and(|path| !all.contains(path));
        !is_plain
    })
}

/// The lines that a first installation may come to: without those of other actions and without
/// functions that nothing calls.
fn effective(script: &str) -> Vec<String> {
    let (functions, mut lines) = (functions(script), main_lines(script));
    lines = without_other_actions(&lines);
    let mut called = BTreeSet::new();
    loop {
        let text = lines.join("\n");
        let new = functions.iter().find(|(name, _)| {
            !called.contains(*name) && text.split(is_no_word).any(|word| word == *name)
        });
        let Some((name, body)) = new else { return lines };
        called.insert(name);
        lines.extend(without_other_actions(body));
    }
}

fn is_no_word(c: char) -> bool {
    !(c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// A script's lines without comments and blank ones, continued ones joined.
fn lines(script: &str) -> Vec<String> {
    // Continued lines; quotes of messages and redirections, which begin no command.
    let joined =
        here_documents::without(script).replace("\\\n", " ").replace("\\`", "'").replace(">&", ">");
    let joined = without_arithmetic(&joined);
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    joined.lines().filter(is_code).map(str::to_owned).collect()
}

/// A text with a number for each `$((..))`.
fn without_arithmetic(text: &str) -> String {
    let mut parts = text.split("$((");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |done, part| match part.split_once("))") {
        Some((_, rest)) => format!("{done}0{rest}"),
        None => format!("{done}$(({part}"),
    })
}

/// The name of a function that a line begins.
fn begins_function(line: &str) -> Option<&str> {
    let line = line.trim().strip_prefix("function ").unwrap_or(line.trim());
    let (name, rest) = line.split_once("()")?;
    let is_name = !name.trim().is_empty() && !name.trim().contains(is_no_word);
    (is_name && ["", "{"].contains(&rest.trim())).then_some(name.trim())
}

/// The lines of each function: up to a `}` that stands alone, no deeper than where it began.
fn functions(script: &str) -> BTreeMap<String, Vec<String>> {
    let mut functions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    each_line(script, |function, line| {
        if let Some(name) = function {
            functions.entry(name.to_owned()).or_default().push(line.to_owned());
        }
    });
    functions
}

fn main_lines(script: &str) -> Vec<String> {
    let mut main = Vec::new();
    each_line(script, |function, line| {
        if function.is_none() {
            main.push(line.to_owned());
        }
    });
    main
}

fn each_line(script: &str, mut each: impl FnMut(Option<&str>, &str)) {
    let mut inside: Option<(String, usize)> = None;
    for line in lines(script) {
        let depth = line.len() - line.trim_start().len();
        if let Some((name, began)) = &inside {
            let ends = line.trim() == "}" && depth <= *began;
            if !ends {
                each(Some(name), &line);
            } else {
                inside = None;
            }
        } else if let Some(name) = begins_function(&line) {
            inside = Some((name.to_owned(), depth));
        } else {
            each(None, &line);
        }
    }
}

/// The lines without what is done only when `$1` is another action, or `$2` names a version that
/// was installed before.
fn without_other_actions(lines: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    // How deep the lines that are left out lie: in `case` and in `if`.
    let mut cases: Vec<bool> = Vec::new();
    let mut skipped_arm: Option<usize> = None;
    let mut skipped_ifs = 0usize;
    for line in lines {
        let line = line.trim();
        if skipped_ifs > 0 {
            let opens = line.starts_with("if ");
            let closes = line == "fi" || line.starts_with("fi ") || line.starts_with("fi;");
            let ends_here = line.ends_with("; fi") || line.ends_with(";fi");
            skipped_ifs += usize::from(opens && !ends_here);
            skipped_ifs -= usize::from(closes);
            let branches = line.starts_with("else") || line.starts_with("elif");
            if branches && skipped_ifs == 1 {
                skipped_ifs = 0;
                kept.push("if :; then".to_owned());
            }
            continue;
        }
        if line.starts_with("case ") && !line.contains("esac") {
            cases.push(line.contains("$1") || line.contains("${1"));
        }
        if line == "esac" || line.starts_with("esac ") || line.starts_with("esac;") {
            cases.pop();
            if skipped_arm.is_some_and(|depth| depth > cases.len()) {
                skipped_arm = None;
            }
        }
        if let Some(depth) = skipped_arm {
            if line.ends_with(";;") && cases.len() == depth {
                skipped_arm = None;
            }
            continue;
        }
        let mut line = line;
        if let Some(of_action) = cases.last()
            && let Some((pattern, rest)) = line.split_once(')')
            && !pattern.contains(['`', ' ']) | pattern.contains('|')
            && !pattern.trim_start_matches('(').contains('(')
        {
            let others = |action: &str| OTHER_ACTIONS.contains(&action.trim().trim_matches('"'));
            if *of_action && pattern.trim_start_matches('(').split('|').all(others) {
                if !rest.trim().ends_with(";;") {
                    skipped_arm = Some(cases.len());
                }
                continue;
            }
            line = rest.trim();
        }
        if line.starts_with("if ") && is_of_upgrades(line) {
            skipped_ifs = usize::from(!(line.ends_with("; fi") || line.ends_with(";fi")));
            continue;
        }
        kept.push(line.to_owned());
    }
    kept
}

/// Whether a condition is false at a first installation, whatever else it says.
fn is_of_upgrades(line: &str) -> bool {
    if line.contains("||") || line.contains(" -o ") {
        return false;
    }
    let line = line.replace('"', "").replace("${1}", "$1").replace("${2}", "$2");
    ["$1 = upgrade", "$1 == upgrade", "x$1 = xupgrade", "-n $2 "]
        .iter()
        .any(|condition| line.contains(condition) && !line.contains("! "))
}

/// The absolute paths in a line.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || "/._+-@~:".contains(c));
    line.split(ends).filter_map(|word| {
        let path = &word[word.find('/')?..];
        let path = path.split(':').next().unwrap_or_default().trim_end_matches(['/', '.']);
        (path.len() > 1).then_some(path)
    })
}

/// The first words of the commands of a text.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    const KEYWORDS: [&str; 12] =
        ["if", "then", "elif", "else", "while", "until", "do", "!", "{", "}", "time", "fi"];
    let separators = |c: char| ";&|()`\n".contains(c);
    text.split(separators).filter_map(|command| {
        let mut words = command.split_whitespace().skip_while(|word| {
            KEYWORDS.contains(word) || is_assignment(word) || word.starts_with(['<', '>'])
        });
        let word = words.next()?.trim_matches('"');
        let is_none = ["for", "case", "esac", "done", "in"].contains(&word);
        (!is_none && !word.is_empty()).then_some(word)
    })
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| !name.is_empty() && !name.contains(is_no_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(script: &str) -> bool {
        let programs = ["rm", "mkdir", "touch", "grep", "dpkg", "dpkg-divert", "chmod"].into();
        let files = ["/usr/bin/own", "/etc/own.conf"].into();
        let all = ["usr/bin/own", "usr/sbin/useradd"].into();
        needs_order(&format!("#!/bin/sh\nset -e\n{script}"), &programs, &files, &all)
    }

    #[test]
    fn what_debhelper_writes_needs_no_order() {
        assert!(!needs("dpkg-maintscript-helper rm_conffile /etc/own.conf 1.2\\~ -- \"$@\"\n"));
        assert!(!needs(
            "# Automatically added by dh_installinit/13\nif [ \"$1\" = \"install\" ] && [ -n \
             \"$2\" ] && [ -e \"/etc/init.d/dbus\" ] ; then\n\tchmod +x \"/etc/init.d/dbus\" \
             >/dev/null || true\nfi\n"
        ));
        assert!(!needs("exit 0\n"));
        assert!(!needs("rm -f \"/x.$(($i+1))\"\n") && needs("rm -f \"/x.$(useradd)\"\n"));
        assert!(!needs(
            "echo \"unknown \\`$1'\" >&2\n[ -x /usr/sbin/of-1998 ] && /usr/sbin/of-1998 -s x\n"
        ));
    }

    #[test]
    fn the_pattern_of_a_case_is_no_command() {
        let case =
            |arm: &str| needs(&format!("case \"$(rm x)\" in\n  {arm}\n  *) exit 1;;\nesac\n"));
        assert!(!case("\"$DPKG_ROOT/usr/lib\"*) ;;"));
        assert!(!case("${own}|*.x) rm x;;"));
        assert!(case("\"$DPKG_ROOT/usr/lib\"*) useradd x;;"));
        assert!(case("x=$(useradd)"));
    }

    #[test]
    fn what_is_done_for_upgrades_only_needs_none() {
        assert!(!needs(
            "case \"$1\" in\n  install)\n  ;;\n  upgrade)\n    mv /etc/own.conf /x\n  ;;\nesac\n"
        ));
        assert!(!needs(
            "f() {\n  adduser x\n}\ncase $1 in\n  upgrade|abort-upgrade)\n    f\n    ;;\nesac\n"
        ));
        assert!(!needs(
            "if [ \"$1\" = upgrade ]; then\n  if true; then\n    adduser x\n  fi\nfi\n"
        ));
        assert!(needs("if [ \"$1\" = upgrade ]; then\n  :\nelse\n  adduser x\nfi\n"));
        assert!(needs("if [ \"$1\" = upgrade ] || true; then\n  adduser x\nfi\n"));
    }

    #[test]
    fn what_decides_looks_or_needs_a_configured_package_does() {
        assert!(needs("dpkg-divert --package a --add --rename /usr/bin/b\n"));
        assert!(needs(
            "case \"$1\" in\n  install|upgrade)\n    adduser --system x\n    ;;\nesac\n"
        ));
        assert!(needs("case \"$1\" in\n  *)\n    adduser --system x\n    ;;\nesac\n"));
        assert!(needs("[ -e /usr/bin/own ] && exit 1\n"));
        assert!(needs("if [ ! -d /var/lib/own ]; then mkdir /var/lib/own; fi\n"));
        assert!(!needs("mkdir -p /var/lib/own\n"));
        assert!(needs("f() {\n  su postgres -c x\n}\nf\n"));
        assert!(needs("/usr/sbin/useradd x\n"));
        let none = BTreeSet::new();
        assert!(needs_order("#!/usr/bin/perl\n1;\n", &none, &none, &none));
    }
}
