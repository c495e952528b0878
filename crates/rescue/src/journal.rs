//! The end of the journal that a server has kept.
//!
//! The files are systemd's own (systemd, docs/JOURNAL_FILE_FORMAT.md): objects one behind the other,
//! each with its kind and length. They are read from the beginning to the end, whatever their
//! hash tables say: a file that was not closed, after a power cut, is read as far as it goes.

use std::collections::HashMap;
use std::io::Read;

use ext4_view::PathBuf;
use serde::Serialize;

use crate::disk::{u32_at, u64_at};
use crate::error::{Error, Result};
use crate::filesystem::Filesystem;
use crate::shown::safe;
use crate::walk::STATE;

/// The longest file that is read. journald's own limit is 128 MiB for each.
const FILE: u64 = 512 << 20;

/// The longest text of a field that is unpacked.
const TEXT: u64 = 64 * 1024;

/// Kinds of objects, and flags.
const DATA: u8 = 1;
const ENTRY: u8 = 3;
const COMPRESSED: u8 = 1 | 2 | 4;
const ZSTD: u8 = 4;
/// Of the file: offsets in it have 32 bits.
const COMPACT: u32 = 16;

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Line {
    /// Microseconds since 1970, by the server's clock.
    pub realtime: u64,
    /// The order of entries within one journal.
    #[serde(skip)]
    sequence: u64,
    /// When, RFC 3339.
    pub time: String,
    /// Which boot it is of, 32 hex digits.
    pub boot: String,
    /// Who said it: the name of the program, made safe to show.
    pub source: String,
    /// syslog's level, from 0 to 7.
    pub priority: Option<u8>,
    /// What was said, made safe to show.
    pub message: String,
}

/// The last `count` lines of the journal; a line for each file that cannot be read.
///
/// # Errors
/// There is no journal; the disk cannot be read.
pub fn journal(disk: &Filesystem, count: usize) -> Result<(Vec<Line>, Vec<String>)> {
    let mut lines = Vec::new();
    let mut problems = Vec::new();
    let mut files = 0;
    let root = PathBuf::new(STATE).join("journal");
    for (_, machine) in disk.names(&root)? {
        for (name, path) in disk.names(&machine)? {
            if !(name.ends_with(b".journal") || name.ends_with(b".journal~")) {
                continue;
            }
            files += 1;
            let bytes = path.to_str().ok().map(|path| disk.read(path, FILE));
            match bytes {
                Some(Ok(Some(bytes))) => lines.extend(entries(&bytes, count)),
                Some(Err(error)) => problems.push(error.to_string()),
                _ => problems.push(format!("{} cannot be read", safe(path.as_ref()))),
            }
            lines.sort();
            lines.drain(..lines.len().saturating_sub(count));
        }
    }
    if files == 0 { Err(Error::NoJournal) } else { Ok((lines, problems)) }
}

/// The last entries of a file.
fn entries(bytes: &[u8], count: usize) -> Vec<Line> {
    if bytes.get(..8) != Some(b"LPKSHHRH") {
        return Vec::new();
    }
    let compact = u32_at(bytes, 12) & COMPACT != 0;
    let objects = objects(bytes);
    let found = objects.iter().filter(|(_, object)| object.kind == ENTRY);
    let mut found: Vec<&Object<'_>> = found.map(|(_, object)| object).collect();
    found.sort_by_key(|entry| u64_at(entry.bytes, 16));
    let last = &found[found.len().saturating_sub(count)..];
    last.iter().map(|entry| line(entry, &objects, compact)).collect()
}

struct Object<'a> {
    kind: u8,
    flags: u8,
    bytes: &'a [u8],
}

/// All objects by their offsets, as far as the file makes sense.
fn objects(bytes: &[u8]) -> HashMap<u64, Object<'_>> {
    let mut found = HashMap::new();
    let mut at = u64_at(bytes, 88);
    while let Some(header) = usize::try_from(at).ok().and_then(|at| bytes.get(at..)?.get(..16)) {
        let (kind, flags, size) = (header[0], header[1], u64_at(header, 8));
        let end = at.checked_add(size).and_then(|end| usize::try_from(end).ok());
        let object = end.and_then(|end| bytes.get(at as usize..end));
        let Some(object) = object.filter(|_| size >= 16) else { break };
        if matches!(kind, DATA | ENTRY) {
            found.insert(at, Object { kind, flags, bytes: object });
        }
        // Objects lie at multiples of 8.
        at = at.saturating_add(size.next_multiple_of(8));
    }
    found
}

fn line(entry: &Object<'_>, objects: &HashMap<u64, Object<'_>>, compact: bool) -> Line {
    let mut fields: HashMap<&str, Vec<u8>> = HashMap::new();
    let items = entry.bytes.get(64..).unwrap_or_default();
    let offsets: Vec<u64> = if compact {
        items.chunks_exact(4).map(|item| u64::from(u32_at(item, 0))).collect()
    } else {
        items.chunks_exact(16).map(|item| u64_at(item, 0)).collect()
    };
    for offset in offsets {
        let Some(text) = objects.get(&offset).and_then(|object| field(object, compact)) else {
            continue;
        };
        for name in ["MESSAGE", "SYSLOG_IDENTIFIER", "_COMM", "PRIORITY"] {
            if let Some(value) = text.strip_prefix(format!("{name}=").as_bytes()) {
                fields.entry(name).or_insert_with(|| value.to_vec());
            }
        }
    }
    let text = |name| fields.get(name).map(|value| safe(value));
    let realtime = u64_at(entry.bytes, 24);
    let time =
        i64::try_from(realtime).ok().and_then(|it| jiff::Timestamp::from_microsecond(it).ok());
    let boot = entry.bytes.get(40..56).unwrap_or_default();
    Line {
        realtime,
        sequence: u64_at(entry.bytes, 16),
        time: time.map(|time| format!("{time:.0}")).unwrap_or_default(),
        boot: boot.iter().map(|byte| format!("{byte:02x}")).collect(),
        source: text("SYSLOG_IDENTIFIER").or_else(|| text("_COMM")).unwrap_or_else(|| "?".into()),
        priority: text("PRIORITY").and_then(|text| text.parse().ok()),
        message: text("MESSAGE").unwrap_or_default(),
    }
}

/// `NAME=value` of a data object.
fn field(object: &Object<'_>, compact: bool) -> Option<Vec<u8>> {
    if object.kind != DATA {
        return None;
    }
    let payload = object.bytes.get(if compact { 72 } else { 64 }..)?;
    match object.flags & COMPRESSED {
        0 => Some(payload[..payload.len().min(TEXT as usize)].to_vec()),
        ZSTD => {
            let mut text = Vec::new();
            let unpacked = zstd::Decoder::new(payload).ok()?;
            // What is unpacked before an error is what there is to show.
            let _ = unpacked.take(TEXT).read_to_end(&mut text);
            Some(text)
        }
        _ => Some(b"MESSAGE=(packed as no distribution of ours packs it)".to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A journal file with one entry for each text, of either form.
    fn file(texts: &[&[u8]], compact: bool) -> Vec<u8> {
        let mut bytes = vec![0; 272];
        bytes[..8].copy_from_slice(b"LPKSHHRH");
        bytes[12..16].copy_from_slice(&if compact { COMPACT } else { 0 }.to_le_bytes());
        bytes[88..96].copy_from_slice(&272_u64.to_le_bytes());
        let add = |bytes: &mut Vec<u8>, kind: u8, flags: u8, body: Vec<u8>| -> u64 {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            let at = bytes.len() as u64;
            let size = 16 + body.len() as u64;
            bytes.extend([kind, flags, 0, 0, 0, 0, 0, 0]);
            bytes.extend(size.to_le_bytes());
            bytes.extend(body);
            at
        };
        let data = |bytes: &mut Vec<u8>, flags: u8, text: &[u8]| {
            let head = vec![0; if compact { 56 } else { 48 }];
            add(bytes, DATA, flags, [head, text.to_vec()].concat())
        };
        let name = data(&mut bytes, 0, b"_COMM=nginx");
        for (number, text) in (1_u64..).zip(texts) {
            let field = [b"MESSAGE=", *text].concat();
            let message = match field.len() > 512 {
                true => data(&mut bytes, ZSTD, &zstd::encode_all(&field[..], 3).unwrap()),
                false => data(&mut bytes, 0, &field),
            };
            let mut body = Vec::new();
            body.extend(number.to_le_bytes());
            body.extend((1_790_000_000_000_000 + number).to_le_bytes());
            body.extend([0; 8]);
            body.extend([0xab; 16]);
            body.extend([0; 8]);
            for offset in [message, name] {
                match compact {
                    true => body.extend((offset as u32).to_le_bytes()),
                    false => body.extend([offset.to_le_bytes(), [0; 8]].concat()),
                }
            }
            add(&mut bytes, ENTRY, 0, body);
        }
        bytes
    }

    #[test]
    fn the_last_entries_are_read_of_both_forms_and_made_safe() {
        let long = "x".repeat(2000);
        for compact in [false, true] {
            let file = file(&[b"first", b"\x1b[2Jsecond", long.as_bytes()], compact);
            let lines = entries(&file, 2);
            assert_eq!(lines.len(), 2);
            assert_eq!(lines[0].message, "\\u{1b}[2Jsecond");
            assert_eq!((lines[0].source.as_str(), lines[0].priority), ("nginx", None));
            assert_eq!(lines[0].time, "2026-09-21T14:13:20Z");
            assert_eq!(lines[0].boot, "ab".repeat(16));
            assert_eq!(lines[1].message, long);
        }
    }

    #[test]
    fn a_damaged_file_is_read_as_far_as_it_goes() {
        let whole = file(&[b"first", b"second"], true);
        for cut in 0..whole.len() {
            assert!(entries(&whole[..cut], 10).len() <= 2);
        }
        let mut endless = whole.clone();
        // An object of no length, and one that is longer than the file.
        endless[280..288].copy_from_slice(&0_u64.to_le_bytes());
        assert!(entries(&endless, 10).is_empty());
        endless[280..288].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(entries(&endless, 10).is_empty());
        assert!(entries(b"no journal at all", 10).is_empty());
    }
}
