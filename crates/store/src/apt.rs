//! The mirrors that the host's own apt uses.
//!
//! Both forms of sources.list(5): one line an entry in `*.list`, deb822 paragraphs in `*.sources`.
//! Only what is needed to find mirrors is read: whether an entry is in force, and its URIs. A file
//! that cannot be understood gives no mirrors rather than an error: it belongs to the host.

use std::fs;
use std::path::Path;

/// Reads `sources.list` and `sources.list.d` under `etc_apt` (`/etc/apt`): the URIs of all entries
/// in force, in apt's order (file names sorted), each once.
pub(crate) fn read(etc_apt: &Path) -> Vec<String> {
    let mut uris = Vec::new();
    if let Ok(text) = fs::read_to_string(etc_apt.join("sources.list")) {
        uris.extend(one_line(&text));
    }
    let mut files: Vec<_> = fs::read_dir(etc_apt.join("sources.list.d"))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    for file in files {
        let parse = match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => one_line,
            Some("sources") => deb822,
            _ => continue,
        };
        if let Ok(text) = fs::read_to_string(&file) {
            uris.extend(parse(&text));
        }
    }
    let mut seen = std::collections::HashSet::new();
    uris.retain(|uri| seen.insert(uri.clone()));
    uris
}

/// `deb [arch=amd64 signed-by=…] http://host/debian bookworm main`
fn one_line(text: &str) -> Vec<String> {
    text.lines().filter_map(uri_of_line).collect()
}

fn uri_of_line(line: &str) -> Option<String> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?;
    // `deb-src` and words that merely begin so are something else.
    if !rest.starts_with(|c: char| c.is_whitespace() || c == '[') {
        return None;
    }
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    rest.split_whitespace().next().map(str::to_owned)
}

/// Paragraphs of `Types:`, `URIs:`, `Enabled:`, …; a value goes on in indented lines.
fn deb822(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.split(|line| line.trim().is_empty()).flat_map(uris_of_paragraph).collect()
}

fn uris_of_paragraph(lines: &[&str]) -> Vec<String> {
    let types = words(lines, "types");
    // As apt's own StringToBool has it: only these words switch an entry off.
    let off = words(lines, "enabled").first().is_some_and(|word| {
        matches!(
            word.to_ascii_lowercase().as_str(),
            "no" | "false" | "without" | "off" | "disable" | "0"
        )
    });
    if off || !types.iter().any(|kind| kind == "deb") {
        return Vec::new();
    }
    words(lines, "uris")
}

fn words(lines: &[&str], field: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in lines {
        let value = if line.starts_with([' ', '\t']) {
            if !inside {
                continue;
            }
            line
        } else {
            let Some((name, value)) = line.split_once(':') else {
                inside = false;
                continue;
            };
            inside = name.trim().eq_ignore_ascii_case(field);
            if !inside {
                continue;
            }
            value
        };
        found.extend(value.split_whitespace().map(str::to_owned));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_entries_give_their_uri_with_and_without_options() {
        let text = "\
# deb http://comment/debian bookworm main
deb http://a/debian bookworm main contrib
deb-src http://source/debian bookworm main
  deb [arch=amd64] http://b/debian/ trixie main # remark
deb [ arch=amd64 signed-by=/usr/share/keyrings/x.gpg ] https://c/debian-security sid main
deb\tcdrom:[Debian GNU/Linux 12]/ bookworm main
debris http://d/debian
deb [broken http://e/debian
deb
";
        let expected =
            ["http://a/debian", "http://b/debian/", "https://c/debian-security", "cdrom:[Debian"];
        assert_eq!(one_line(text), expected);
    }

    #[test]
    fn paragraphs_give_the_uris_of_entries_in_force() {
        let text = "\
Types: deb deb-src
# where it was made from
URIs: http://a/debian
  http://b/debian
Suites: bookworm bookworm-updates

types: deb
uris: http://c/debian-security
enabled: yes

Enabled: no
Types: deb
URIs: http://off/debian

Types: deb-src
URIs: http://source/debian
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 URIs: http://key/debian
";
        assert_eq!(
            deb822(text),
            ["http://a/debian", "http://b/debian", "http://c/debian-security"]
        );
    }

    #[test]
    fn all_files_are_read_in_the_order_of_their_names_and_uris_given_once() {
        let etc = tempfile::tempdir().unwrap();
        let folder = etc.path().join("sources.list.d");
        fs::create_dir(&folder).unwrap();
        fs::write(etc.path().join("sources.list"), "deb http://one/debian sid main\n").unwrap();
        fs::write(folder.join("b.list"), "deb http://three/debian sid main\n").unwrap();
        fs::write(
            folder.join("a.sources"),
            "Types: deb\nURIs: http://two/debian http://one/debian\n",
        )
        .unwrap();
        fs::write(folder.join("c.list.save"), "deb http://old/debian sid main\n").unwrap();
        assert_eq!(
            read(etc.path()),
            ["http://one/debian", "http://two/debian", "http://three/debian"]
        );
    }

    #[test]
    fn a_host_without_apt_has_no_mirrors() {
        assert!(read(Path::new("/nonexistent")).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in "(deb|Types:|URIs:| |\\[|\\]|#|\n|\t|[a-z:/]{1,5})*") {
            one_line(&text);
            deb822(&text);
        }
    }
}
