//! Keyrings out of Debian packages whose digest is known, so that what is not as expected is only
//! ever a wrong constant of ours.

use std::io::{self, Read};

use store::Item;

use crate::error::Error;
use crate::files::Files;

/// A file of the package `item`, by its path in there (`./usr/share/...`).
pub(crate) fn file_of(files: &dyn Files, item: Item, path: &str) -> Result<Vec<u8>, Error> {
    match files.file(&item) {
        Ok(package) => file(&package, path)
            .map_err(|source| Error::KeyringPackage { package: item.name, source }),
        Err(source) => Err(Error::Fetch { what: item.name, source }),
    }
}

/// The third `ar` member of a package is a tar archive (deb(5)).
fn file(package: &[u8], path: &str) -> io::Result<Vec<u8>> {
    let data = member(package, "data.tar.xz").ok_or(io::ErrorKind::InvalidData)?;
    let mut tar = tar::Archive::new(liblzma::read::XzDecoder::new(data));
    for entry in tar.entries()? {
        let mut entry = entry?;
        if entry.path_bytes().as_ref() == path.as_bytes() {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, path))
}

/// The bytes of an `ar` member, ar(5): after the magic, headers of 60 bytes with the name in the
/// first 16 and the size in the 10 from byte 48, each member padded to an even length.
fn member<'a>(archive: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    let mut rest = archive.strip_prefix(b"!<arch>\n")?;
    loop {
        let (header, body) = rest.split_at_checked(60)?;
        let name = str::from_utf8(&header[..16]).ok()?.trim_end_matches([' ', '/']);
        let size: usize = str::from_utf8(&header[48..58]).ok()?.trim_end().parse().ok()?;
        let bytes = body.get(..size)?;
        if name == wanted {
            return Some(bytes);
        }
        rest = body.get(size + size % 2..)?;
    }
}
