//! Single files out of Debian packages (deb(5)): keyrings of packages whose digest is known, control
//! files of anybody's.

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

/// No control file is larger, nor what it is in.
const LARGEST_CONTROL: u64 = 1 << 20;
const LARGEST_CONTROL_TAR: u64 = 64 << 20;

/// The control file of a package, which may be anything.
pub(crate) fn control(package: &[u8]) -> io::Result<Vec<u8>> {
    let (name, packed) = member(package, |name| name.starts_with("control.tar"))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it has no control.tar"))?;
    let unpacked: Box<dyn Read + '_> = match name.strip_prefix("control.tar").unwrap_or_default() {
        "" => Box::new(packed),
        ".gz" => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        ".xz" => Box::new(liblzma::read::XzDecoder::new_multi_decoder(packed)),
        ".zst" => Box::new(zstd::stream::read::Decoder::new(packed)?),
        other => {
            let what = format!("its control.tar is packed as `{}`", other.escape_debug());
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
    };
    let mut tar = tar::Archive::new(unpacked.take(LARGEST_CONTROL_TAR));
    for entry in tar.entries()? {
        let entry = entry?;
        if [&b"./control"[..], b"control"].contains(&entry.path_bytes().as_ref()) {
            let mut bytes = Vec::new();
            entry.take(LARGEST_CONTROL).read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "it has no control file"))
}

/// The third `ar` member of a package is a tar archive (deb(5)).
fn file(package: &[u8], path: &str) -> io::Result<Vec<u8>> {
    let data = member(package, |name| name == "data.tar.xz");
    let (_, data) = data.ok_or(io::ErrorKind::InvalidData)?;
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

/// The first `ar` member that is `wanted`, ar(5): after the magic, headers of 60 bytes with the name in the
/// first 16 and the size in the 10 from byte 48, each member padded to an even length.
fn member(archive: &[u8], wanted: impl Fn(&str) -> bool) -> Option<(&str, &[u8])> {
    let mut rest = archive.strip_prefix(b"!<arch>\n")?;
    loop {
        let (header, body) = rest.split_at_checked(60)?;
        let name = str::from_utf8(&header[..16]).ok()?.trim_end_matches([' ', '/']);
        let size: usize = str::from_utf8(&header[48..58]).ok()?.trim_end().parse().ok()?;
        let bytes = body.get(..size)?;
        if wanted(name) {
            return Some((name, bytes));
        }
        rest = body.get(size + size % 2..)?;
    }
}
