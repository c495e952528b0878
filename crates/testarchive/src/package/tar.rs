//! The archive of a package: ustar with PAX records for what ustar cannot say, in zstd.

use std::io::Write as _;

use ::tar::{Builder, EntryType, Header};

use super::entry::{Entry, Kind};

/// How hard zstd tries. makepkg's 20 takes long for what is thrown away after the test.
const LEVEL: i32 = 3;

/// `members` in their order.
pub(super) fn compressed<'a>(
    members: impl Iterator<Item = (&'a str, &'a Entry)>,
    built: i64,
) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL).unwrap();
    encoder.include_checksum(true).unwrap();
    let mut archive = Builder::new(encoder);
    for (path, entry) in members {
        append(&mut archive, path, entry, built);
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn append(archive: &mut Builder<impl std::io::Write>, path: &str, entry: &Entry, built: i64) {
    let mut header = Header::new_ustar();
    let (kind, link) = match &entry.kind {
        Kind::Directory => (EntryType::Directory, ""),
        Kind::File(_) => (EntryType::Regular, ""),
        Kind::Symlink(target) => (EntryType::Symlink, target.as_str()),
        Kind::HardLink(first) => (EntryType::Link, first.as_str()),
    };
    let slash = if kind == EntryType::Directory { "/" } else { "" };
    let path = format!("{path}{slash}");
    let mut records = Vec::new();
    let ustar = header.as_ustar_mut().unwrap();
    // Raw, because the library would refuse a hostile path.
    for (field, value, name) in
        [(&mut ustar.name, path.as_str(), "path"), (&mut ustar.linkname, link, "linkpath")]
    {
        let fits = value.len() <= field.len() && value.is_ascii();
        if !fits {
            record(&mut records, name, value.as_bytes());
        }
        let short = value.as_bytes();
        let short = &short[..short.len().min(field.len())];
        field[..short.len()].copy_from_slice(short);
    }
    for (name, value) in &entry.xattrs {
        record(&mut records, &format!("SCHILY.xattr.{name}"), value);
    }
    if !records.is_empty() {
        let mut extended = Header::new_ustar();
        extended.set_path("PaxHeader").unwrap();
        extended.set_entry_type(EntryType::XHeader);
        extended.set_mode(0o644);
        extended.set_size(records.len() as u64);
        extended.set_cksum();
        archive.append(&extended, records.as_slice()).unwrap();
    }
    header.set_entry_type(kind);
    header.set_mode(entry.mode);
    header.set_uid(entry.uid.into());
    header.set_gid(entry.gid.into());
    header.set_username("root").unwrap();
    header.set_groupname("root").unwrap();
    if (entry.uid, entry.gid) != (0, 0) {
        // Numbers count where names are unknown.
        header.set_username("").unwrap();
        header.set_groupname("").unwrap();
    }
    header.set_mtime(u64::try_from(entry.mtime.unwrap_or(built)).unwrap());
    header.set_size(entry.bytes().len() as u64);
    header.set_cksum();
    archive.append(&header, entry.bytes()).unwrap();
}

/// A PAX record: its own length in decimal, a blank, `name=value`, a newline.
fn record(records: &mut Vec<u8>, name: &str, value: &[u8]) {
    let rest = name.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length += 1;
    }
    write!(records, "{length} {name}=").unwrap();
    records.extend(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_itself() {
        let mut records = Vec::new();
        record(&mut records, "a", b"b");
        assert_eq!(records, b"6 a=b\n");
        records.clear();
        record(&mut records, "path", &[b'x'; 90]);
        assert!(records.starts_with(b"99 path=x"), "{records:?}");
        assert_eq!(records.len(), 99);
        records.clear();
        record(&mut records, "path", &[b'x'; 91]);
        assert!(records.starts_with(b"101 path=x"), "{records:?}");
        assert_eq!(records.len(), 101);
    }
}
