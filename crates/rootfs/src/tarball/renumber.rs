//! Gives a tree other numeric ids, as it streams by.
//!
//! A package tree comes with the ids that its scripts happened to choose; the lock has those that
//! the server's state was written with. What is changed: owners of all paths, the ids in
//! `etc/passwd` and `etc/group`, and the ids in POSIX access control lists.

use std::io::{self, Read, Write};

use super::header::Header;
use super::read::read;
use super::write::Writer;
use crate::accounts;
use crate::error::Error;
use crate::ids::Renumbering;

/// The POSIX access control lists of acl(5), as Linux keeps them (posix_acl_xattr.h).
const ACLS: [&str; 2] = ["system.posix_acl_access", "system.posix_acl_default"];
const ACL_VERSION: [u8; 4] = 2_u32.to_le_bytes();
const ACL_USER: u16 = 0x02;
const ACL_GROUP: u16 = 0x08;

/// Copies a canonical archive with other ids, into canonical form again.
pub fn renumber<W: Write>(from: impl Read, to: W, renumbering: &Renumbering) -> Result<W, Error> {
    let mut writer = Writer::new(to);
    read(from, |mut header, content| -> Result<(), Error> {
        header_ids(&mut header, renumbering)?;
        match header.path.as_slice() {
            b"etc/passwd" | b"etc/group" => {
                let mut text = String::new();
                content.read_to_string(&mut text)?;
                let text = match header.path.as_slice() {
                    b"etc/passwd" => accounts::renumber_passwd(&text, renumbering),
                    _ => accounts::renumber_group(&text, renumbering),
                };
                header.kind = super::Kind::File(text.len() as u64);
                writer.append(&header, &mut text.as_bytes())?;
            }
            _ => writer.append(&header, content)?,
        }
        Ok(())
    })?;
    Ok(writer.finish()?)
}

fn header_ids(header: &mut Header, renumbering: &Renumbering) -> Result<(), Error> {
    header.uid = renumbering.user(header.uid);
    header.gid = renumbering.group(header.gid);
    let path = header.shown();
    for name in ACLS {
        if let Some(value) = header.xattrs.get_mut(name) {
            acl(value, renumbering).ok_or_else(|| {
                let message = format!("{path} has a broken access control list");
                Error::Io(io::Error::new(io::ErrorKind::InvalidData, message))
            })?;
        }
    }
    Ok(())
}

/// Rewrites the ids of an access control list: a version, then entries of tag, permissions, id.
fn acl(value: &mut [u8], renumbering: &Renumbering) -> Option<()> {
    let entries = value.strip_prefix(&ACL_VERSION)?.len();
    if entries % 8 != 0 {
        return None;
    }
    for entry in value[ACL_VERSION.len()..].chunks_exact_mut(8) {
        let (head, id) = entry.split_at_mut(4);
        let tag = u16::from_le_bytes([head[0], head[1]]);
        let old = u32::from_le_bytes([id[0], id[1], id[2], id[3]]);
        let new = match tag {
            ACL_USER => renumbering.user(old),
            ACL_GROUP => renumbering.group(old),
            _ => old,
        };
        id.copy_from_slice(&new.to_le_bytes());
    }
    Some(())
}
