//! ASCII armor (RFC 9580, 6): OpenPGP packets as text.
//!
//! A file of it may have several blocks, one after the other, with other text around them: each
//! `gpg --armor --export` that is appended to a keyring makes one. The library reads the first block
//! of a file and no other.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// What the blocks of certificates are called.
pub(crate) const PUBLIC_KEYS: &str = "PGP PUBLIC KEY BLOCK";
/// What those of detached signatures are called.
pub(crate) const SIGNATURE: &str = "PGP SIGNATURE";

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// As gpg reads it: padding may be missing, what is left of the last group does not matter.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The packets of each block that is called `label`, or of a file that is binary already: the first
/// byte of a packet has its highest bit set, which no text has (RFC 9580, 4.2).
///
/// The checksum of a block is not looked at (RFC 9580, 6.1): what counts are signatures.
///
/// # Errors
/// When there is no such block, or one has no end or is not base64.
pub(crate) fn blocks<'b>(bytes: &'b [u8], label: &str) -> Result<Vec<Cow<'b, [u8]>>, String> {
    if bytes.first().is_none_or(|first| first & 0x80 != 0) {
        return Ok(vec![Cow::Borrowed(bytes)]);
    }
    // Text around the blocks may be in any encoding.
    let text = String::from_utf8_lossy(bytes);
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        let Some(found) = label_of(line, BEGIN) else { continue };
        let mut block = String::new();
        let mut in_headers = true;
        let ended = loop {
            let Some(line) = lines.next() else { break false };
            match label_of(line, END) {
                Some(ended) => break ended == found,
                None if line.starts_with(DASHES) => break false,
                None if in_headers && line.contains(':') => {}
                None => {
                    in_headers = false;
                    // The checksum begins with what base64 only ends with.
                    if !line.starts_with('=') {
                        block.push_str(line.trim_start());
                    }
                }
            }
        };
        if !ended {
            return Err(format!("a block `{found}` of its armor has no end"));
        }
        if found == label {
            let decoded = BASE64.decode(&block);
            let packets = decoded.map_err(|error| format!("its armor is broken: {error}"))?;
            blocks.push(Cow::Owned(packets));
        }
    }
    if blocks.is_empty() {
        return Err(format!("it has no `{BEGIN}{label}{DASHES}`"));
    }
    Ok(blocks)
}

/// What stands between the dashes of such a line.
fn label_of<'l>(line: &'l str, begin: &str) -> Option<&'l str> {
    line.strip_prefix(begin)?.strip_suffix(DASHES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\nComment: \n\nAQID\nBA==\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";
    const OTHER: &str =
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nBQY=\n-----END PGP PUBLIC KEY BLOCK-----\n";

    fn read(text: &str) -> Result<Vec<u8>, String> {
        blocks(text.as_bytes(), PUBLIC_KEYS).map(|blocks| blocks.concat())
    }

    #[test]
    fn all_blocks_are_read_whatever_stands_around_them() {
        assert_eq!(read(ONE).unwrap(), [1, 2, 3, 4]);
        assert_eq!(read(&format!("{ONE}{OTHER}")).unwrap(), [1, 2, 3, 4, 5, 6]);
        let spaced = format!("key of a\n\n{ONE}\n\nkey of b: c\n{OTHER}# end");
        assert_eq!(read(&spaced).unwrap(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(read(&spaced.replace('\n', " \r\n")).unwrap(), [1, 2, 3, 4, 5, 6]);
        let signature = OTHER.replace(PUBLIC_KEYS, SIGNATURE);
        assert_eq!(read(&format!("{signature}{ONE}{signature}")).unwrap(), [1, 2, 3, 4]);
    }

    #[test]
    fn neither_checksum_nor_padding_nor_the_line_before_the_data_is_needed() {
        assert_eq!(read(&ONE.replace("=abcd\n", "")).unwrap(), [1, 2, 3, 4]);
        assert_eq!(read(&ONE.replace("BA==", "BA")).unwrap(), [1, 2, 3, 4]);
        assert_eq!(read(&OTHER.replace("\n\n", "\n")).unwrap(), [5, 6]);
    }

    #[test]
    fn what_is_binary_stays_as_it_is() {
        assert_eq!(blocks(&[0x99, 1, 2], PUBLIC_KEYS).unwrap(), [[0x99, 1, 2].as_slice()]);
        assert_eq!(blocks(&[], PUBLIC_KEYS).unwrap().concat(), Vec::<u8>::new());
    }

    #[test]
    fn what_is_cut_short_or_no_armor_is_refused() {
        for (text, part) in [
            ("hello\n".to_owned(), "has no `-----BEGIN PGP PUBLIC KEY BLOCK-----`"),
            (ONE[..ONE.len() - 10].to_owned(), "has no end"),
            (format!("{}{ONE}", &ONE[..59]), "has no end"),
            (ONE.replace("AQID", "A!ID"), "is broken"),
            (OTHER.replace("END PGP PUBLIC", "END PGP PRIVATE"), "has no end"),
        ] {
            let refused = read(&text).unwrap_err();
            assert!(refused.contains(part), "{refused}");
        }
    }
}
