//! Gives a tree other numeric ids, as it streams by.
//!
//! A package tree comes with the ids that its scripts happened to choose; the lock has those that
//! the server's state was written with. What is changed: owners of all paths, the ids in
//! `etc/passwd` and `etc/group`, and the ids in POSIX access control lists.

use std::io::{self, Read, Write};

use super::acl;
use super::header::Header;
use super::read::read;
use super::write::Writer;
use crate::accounts;
use crate::error::Error;
use crate::ids::Renumbering;

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
    acl::renumber(&mut header.xattrs, renumbering).ok_or_else(|| {
        let message = format!("{} has a broken access control list", header.shown());
        Error::Io(io::Error::new(io::ErrorKind::InvalidData, message))
    })
}
