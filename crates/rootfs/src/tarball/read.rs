//! Reads archives of trees.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use unpack::{Member, MemberKind, Members};

use super::header::{Header, Kind};

/// The content of a path.
pub type Content<'a> = &'a mut dyn Read;

/// Gives every path of an archive and its content to `each`, in the archive's order.
pub fn read<E: From<io::Error>>(
    reader: impl Read,
    mut each: impl FnMut(Header, Content<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut members = Members::new(reader);
    while let Some(member) = members.next_member()? {
        each(header(member)?, &mut members)?;
    }
    Ok(())
}

/// The header and content of one file of the archive at `tar`, found without reading the others;
/// `None` if there is none of that path. A hard link's content is that of its file.
pub fn find(tar: &Path, path: &[u8]) -> io::Result<Option<(Header, Vec<u8>)>> {
    let mut wanted = path.to_vec();
    // Once for the path and once more for the file that it is a hard link to.
    for _ in 0..2 {
        let mut members = Members::new(BufReader::new(File::open(tar)?));
        let mut link = None;
        while let Some(member) = members.next_member_by_seeking()? {
            let found = header(member)?;
            if found.path != wanted {
                continue;
            }
            if let Kind::HardLink(target) = found.kind {
                link = Some(target);
                break;
            }
            let mut content = Vec::new();
            members.read_to_end(&mut content)?;
            return Ok(Some((Header { path: path.to_vec(), ..found }, content)));
        }
        match link {
            Some(target) => wanted = target,
            None => break,
        }
    }
    Ok(None)
}

fn header(member: Member) -> io::Result<Header> {
    let Member { mode, uid, gid, mtime, .. } = member;
    let path = member.path.strip_prefix(b"./").unwrap_or(&member.path);
    let path = path.strip_suffix(b"/").unwrap_or(path).to_vec();
    let kind = match member.kind {
        MemberKind::Directory => Kind::Directory,
        MemberKind::File => Kind::File(member.size),
        MemberKind::Symlink => Kind::Symlink(member.link),
        MemberKind::HardLink => Kind::HardLink(member.link),
        MemberKind::Special(kind) => {
            let shown = String::from_utf8_lossy(&path).into_owned();
            let message = format!("/{shown} is a {kind}, which no tree has");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
    };
    Ok(Header { path, kind, mode, uid, gid, mtime, xattrs: member.xattrs.into_iter().collect() })
}
