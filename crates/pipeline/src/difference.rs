//! What differs between two files that should be equal: as names and fields, not as two hashes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use digest::Digest;
use rootfs::tarball::{self, Header, Kind};

use crate::Error;

/// Lines after which a report says only how many more there are.
const SHOWN: usize = 20;

/// The differences between `one` and `other`, at most [`SHOWN`]; none when they have the same bytes.
///
/// Archives are compared path by path, other files by their first differing byte.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn differences(one: &Path, other: &Path) -> Result<Vec<String>, Error> {
    let mut lines = all(one, other)?;
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("and {more} more"));
    }
    Ok(lines)
}

/// The same, all of them.
pub(crate) fn all(one: &Path, other: &Path) -> Result<Vec<String>, Error> {
    let Some(offset) = first_difference(one, other)? else { return Ok(Vec::new()) };
    let (Ok(left), Ok(right)) = (entries(one), entries(other)) else {
        return Ok(vec![format!("byte {offset} is the first that differs")]);
    };
    let mut lines = compare(&left, &right);
    for path in changed_contents(&left, &right) {
        lines.push(content(one, other, path)?);
    }
    if lines.is_empty() {
        // The same paths with the same fields, and yet other bytes: the form of the archive.
        lines.push(format!("byte {offset} of the archive is the first that differs"));
    }
    lines.sort();
    Ok(lines)
}

fn first_difference(one: &Path, other: &Path) -> Result<Option<u64>, Error> {
    let open = |path: &Path| File::open(path).map_err(Error::io("open", path));
    let (mut left, mut right) = (open(one)?, open(other)?);
    let (mut a, mut b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut offset = 0;
    loop {
        let count = fill(&mut left, &mut a).map_err(Error::io("read", one))?;
        let others = fill(&mut right, &mut b).map_err(Error::io("read", other))?;
        let (a, b) = (&a[..count], &b[..others]);
        if a != b {
            let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
            return Ok(Some(offset + same as u64));
        }
        if count == 0 {
            return Ok(None);
        }
        offset += count as u64;
    }
}

fn fill(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

type Entries = BTreeMap<String, (Header, Digest)>;

/// The paths of an archive with the digests of their contents.
fn entries(tar: &Path) -> Result<Entries, Error> {
    let mut entries = Entries::new();
    let file = File::open(tar).map_err(Error::io("open", tar))?;
    tarball::read(BufReader::new(file), |header, content| -> Result<(), std::io::Error> {
        let (digest, _) = Digest::of_reader(content)?;
        entries.insert(header.shown(), (header, digest));
        Ok(())
    })
    .map_err(Error::io("read", tar))?;
    Ok(entries)
}

fn compare(left: &Entries, right: &Entries) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, (one, _)) in left {
        let Some((other, _)) = right.get(path) else {
            lines.push(format!("{path}: only in the first"));
            continue;
        };
        let mut field = |name: &str, one: String, other: String| {
            if one != other {
                lines.push(format!("{path}: {name} is {one} and {other}"));
            }
        };
        field("mode", format!("{:04o}", one.mode), format!("{:04o}", other.mode));
        field("owner", one.uid.to_string(), other.uid.to_string());
        field("group", one.gid.to_string(), other.gid.to_string());
        field("mtime", one.mtime.to_string(), other.mtime.to_string());
        field("extended attributes", format!("{:?}", one.xattrs), format!("{:?}", other.xattrs));
        field("kind", kind(&one.kind), kind(&other.kind));
    }
    let new = right.keys().filter(|path| !left.contains_key(*path));
    lines.extend(new.map(|path| format!("{path}: only in the second")));
    lines
}

/// A kind as text; the length of a file is part of its content.
fn kind(kind: &Kind) -> String {
    match kind {
        Kind::File(_) => "file".to_owned(),
        other => format!("{other:?}"),
    }
}

fn changed_contents<'a>(left: &'a Entries, right: &'a Entries) -> Vec<&'a str> {
    let changed = left
        .iter()
        .filter(|(path, (_, digest))| right.get(*path).is_some_and(|(_, other)| other != digest));
    changed.map(|(path, _)| path.as_str()).collect()
}

/// Where the contents of one path part.
fn content(one: &Path, other: &Path, path: &str) -> Result<String, Error> {
    let read = |tar: &Path| -> Result<Vec<u8>, Error> {
        let found = tarball::find(tar, path.trim_start_matches('/').as_bytes());
        let found = found.map_err(Error::io("read", tar))?;
        Ok(found.map(|(_, bytes)| bytes).unwrap_or_default())
    };
    let (left, right) = (read(one)?, read(other)?);
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned).ok();
    if let (Some(left), Some(right)) = (text(&left), text(&right)) {
        let mut pairs = left.lines().zip(right.lines()).enumerate();
        if let Some((line, (one, other))) = pairs.find(|(_, (one, other))| one != other) {
            let line = line + 1;
            return Ok(format!("{path}: line {line} is `{}` and `{}`", brief(one), brief(other)));
        }
    }
    let same = left.iter().zip(&right).take_while(|(a, b)| a == b).count();
    Ok(format!("{path}: content differs from byte {same} on"))
}

fn brief(line: &str) -> String {
    line.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// Files and links of an archive: path, mode, owner and content.
    type Member<'a> = (&'a str, u32, u32, &'a str);

    fn tar(folder: &TempDir, name: &str, members: &[Member<'_>]) -> std::path::PathBuf {
        let path = folder.path().join(name);
        let mut writer = tarball::Writer::new(File::create(&path).unwrap());
        for (path, mode, owner, content) in members {
            let mut header = Header::new(*path, Kind::File(content.len() as u64), *mode, 7);
            header.uid = *owner;
            writer.append(&header, &mut content.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
        path
    }

    fn compared(one: &[Member<'_>], other: &[Member<'_>]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        differences(&tar(&folder, "one", one), &tar(&folder, "other", other)).unwrap()
    }

    #[test]
    fn equal_archives_have_no_differences() {
        let members = [("etc/a", 0o644, 0, "text"), ("etc/b", 0o600, 8, "")];
        assert_eq!(compared(&members, &members), [""; 0]);
    }

    #[test]
    fn each_field_that_differs_is_named_with_both_values() {
        let lines = compared(
            &[
                ("etc/a", 0o644, 0, "same\nnow 17\n"),
                ("etc/b", 0o644, 0, ""),
                ("etc/c", 0o644, 0, ""),
            ],
            &[
                ("etc/a", 0o644, 0, "same\nnow 18\n"),
                ("etc/b", 0o4755, 8, ""),
                ("etc/d", 0o644, 0, ""),
            ],
        );
        assert_eq!(
            lines,
            [
                "/etc/a: line 2 is `now 17` and `now 18`",
                "/etc/b: mode is 0644 and 4755",
                "/etc/b: owner is 0 and 8",
                "/etc/c: only in the first",
                "/etc/d: only in the second",
            ]
        );
    }

    #[test]
    fn the_other_fields_are_named_too() {
        let folder = tempfile::tempdir().unwrap();
        let tar = |name: &str, headers: [Header; 5]| {
            let path = folder.path().join(name);
            let mut writer = tarball::Writer::new(File::create(&path).unwrap());
            for header in headers {
                writer.append(&header, &mut std::io::empty()).unwrap();
            }
            writer.finish().unwrap();
            path
        };
        let plain = |name: &str| Header::new(name, Kind::File(0), 0o644, 7);
        let one = ["a", "b", "c", "d", "e"].map(plain);
        let mut other = one.clone();
        other[0].mtime = 8;
        other[1].gid = 12;
        other[2].kind = Kind::Symlink(b"x".to_vec());
        other[3].xattrs.insert("user.x".to_owned(), b"1".to_vec());
        other[4].kind = Kind::HardLink(b"a".to_vec());
        let lines = differences(&tar("one", one), &tar("other", other)).unwrap();
        assert_eq!(
            lines,
            [
                "/a: mtime is 7 and 8",
                "/b: group is 0 and 12",
                "/c: kind is file and Symlink([120])",
                "/d: extended attributes is {} and {\"user.x\": [49]}",
                "/e: kind is file and HardLink([97])",
            ]
        );
    }

    #[test]
    fn contents_that_are_no_text_or_only_longer_are_told_by_their_byte() {
        let lines = compared(
            &[("a", 0o644, 0, "\0one"), ("b", 0o644, 0, "line\n")],
            &[("a", 0o644, 0, "\0two"), ("b", 0o644, 0, "line\nmore\n")],
        );
        assert_eq!(
            lines,
            ["/a: line 1 is `\0one` and `\0two`", "/b: content differs from byte 5 on"]
        );
    }

    #[test]
    fn other_files_are_told_by_their_first_byte_that_differs_and_by_length() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let mut long = vec![1; (1 << 20) + 10];
        let one = file("one", &long);
        assert_eq!(differences(&one, &file("same", &long)).unwrap(), [""; 0]);
        long[(1 << 20) + 5] = 2;
        let expected = "byte 1048581 is the first that differs";
        assert_eq!(differences(&one, &file("other", &long)).unwrap(), [expected]);
        let shorter = file("shorter", &[1; 1 << 20]);
        let expected = "byte 1048576 is the first that differs";
        assert_eq!(differences(&one, &shorter).unwrap(), [expected]);
    }

    #[test]
    fn a_long_list_ends_with_how_many_more_there_are() {
        let names: Vec<String> = (0..30).map(|number| format!("f{number:02}")).collect();
        let members: Vec<Member<'_>> = names.iter().map(|name| (&**name, 0o644, 0, "")).collect();
        let lines = compared(&members, &[]);
        assert_eq!(lines.len(), SHOWN + 1);
        assert_eq!(lines.last().unwrap(), "and 10 more");
    }
}
