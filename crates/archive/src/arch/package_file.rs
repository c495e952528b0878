//! Package files: tar archives, compressed somehow, with `.PKGINFO` near their start (makepkg(8)).

use std::io::{self, Read};

use super::database::unpacked;
use super::entry::About;

/// No `.PKGINFO` is larger, and none stands further back than that (`.BUILDINFO`, `.INSTALL`,
/// `.CHANGELOG` and `.MTREE` may stand before it).
const LARGEST_PKGINFO: u64 = 1 << 20;
const FURTHEST_PKGINFO: u64 = 256 << 20;

/// What a package file says of itself. Nothing vouches for it but the file's signature.
///
/// # Errors
/// What is wrong.
pub(crate) fn about(file: impl Read, architecture: &str) -> Result<About, String> {
    let unpacked = unpacked(file).map_err(|error| error.to_string())?;
    let mut tar = tar::Archive::new(unpacked.take(FURTHEST_PKGINFO));
    let broken = |error: io::Error| format!("it is no package: {error}");
    for member in tar.entries().map_err(broken)? {
        let mut member = member.map_err(broken)?;
        if member.path_bytes().as_ref() == b".PKGINFO" {
            let text = read(&mut member, LARGEST_PKGINFO).map_err(broken)?;
            let text = String::from_utf8(text).map_err(|_| "its .PKGINFO is not UTF-8")?;
            return About::of_pkginfo(&text, architecture);
        }
    }
    Err("it has no .PKGINFO".to_owned())
}

/// Single files of a package, by path.
pub(crate) fn members<const N: usize>(
    file: impl Read,
    paths: [&str; N],
    largest: u64,
) -> io::Result<[Option<Vec<u8>>; N]> {
    let mut found = [const { None }; N];
    let mut tar = tar::Archive::new(unpacked(file)?.take(largest));
    for member in tar.entries()? {
        let mut member = member?;
        let path = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        if let Some(at) = paths.iter().position(|wanted| *wanted == path)
            && member.header().entry_type().is_file()
        {
            found[at] = Some(read(&mut member, largest)?);
        }
    }
    Ok(found)
}

fn read(member: &mut impl Read, largest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    member.take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a member of it is too large"));
    }
    Ok(bytes)
}
