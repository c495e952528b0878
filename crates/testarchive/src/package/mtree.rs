//! `.MTREE`: what a package has, in the form of mtree(5) that makepkg has bsdtar write.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;

use digest::Digest;
use flate2::{Compression, GzBuilder};

use super::entry::{Entry, Kind};

/// The listing of `members`, compressed without a name or a time.
pub(super) fn compressed<'a>(
    members: impl Iterator<Item = (&'a str, &'a Entry)>,
    built: i64,
) -> Vec<u8> {
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::default());
    gzip.write_all(listing(members, built).as_bytes()).unwrap();
    gzip.finish().unwrap()
}

fn listing<'a>(members: impl Iterator<Item = (&'a str, &'a Entry)>, built: i64) -> String {
    let mut text = String::from("#mtree\n/set type=file uid=0 gid=0 mode=644\n");
    let mut files = HashMap::new();
    for (path, entry) in members {
        // A further name of a file is listed as the file.
        let shown = match &entry.kind {
            Kind::HardLink(first) => files.get(first.as_str()).copied().unwrap_or(entry),
            _ => entry,
        };
        files.insert(path, shown);
        let time = shown.mtime.unwrap_or(built);
        write!(text, "./{} time={time}.0", escaped(path)).unwrap();
        if shown.mode != 0o644 {
            write!(text, " mode={:o}", shown.mode).unwrap();
        }
        for (name, id) in [("uid", shown.uid), ("gid", shown.gid)] {
            if id != 0 {
                write!(text, " {name}={id}").unwrap();
            }
        }
        match &shown.kind {
            Kind::Directory => text.push_str(" type=dir"),
            Kind::Symlink(target) => write!(text, " type=link link={}", escaped(target)).unwrap(),
            Kind::File(bytes) => {
                let digest = Digest::of(bytes).hex();
                write!(text, " size={} sha256digest={digest}", bytes.len()).unwrap();
            }
            Kind::HardLink(_) => {}
        }
        text.push('\n');
    }
    text
}

/// Blanks, `#`, `=`, backslashes and bytes that ASCII has no sign for are three octal digits.
fn escaped(path: &str) -> String {
    path.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'\\' | b'#' | b'=' => write!(text, "\\{byte:03o}").unwrap(),
            0x21..=0x7e => text.push(char::from(byte)),
            _ => write!(text, "\\{byte:03o}").unwrap(),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_differs_from_a_plain_file() {
        let mut setuid = Entry::new(Kind::File(b"x".into()), 0o4755);
        setuid.gid = 7;
        setuid.mtime = Some(5);
        let entries = [
            ("usr", Entry::new(Kind::Directory, 0o755)),
            ("usr/a b", setuid),
            ("usr/link", Entry::new(Kind::Symlink("a b".into()), 0o777)),
        ];
        let text = listing(entries.iter().map(|(path, entry)| (*path, entry)), 9);
        let digest = Digest::of(b"x").hex();
        assert_eq!(
            text,
            format!(
                "#mtree\n/set type=file uid=0 gid=0 mode=644\n./usr time=9.0 mode=755 type=dir\n\
                 ./usr/a\\040b time=5.0 mode=4755 gid=7 size=1 sha256digest={digest}\n\
                 ./usr/link time=9.0 mode=777 type=link link=a\\040b\n"
            )
        );
    }
}
