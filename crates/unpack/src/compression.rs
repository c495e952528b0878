//! The compressions that deb(5) names, by the ending of the member.

use std::io::{self, BufReader, Read};

/// Memory that one xz decoder may take: `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 512 << 20;

/// A reader of what is inside; `None` when the ending is of no compression that packages have.
pub(crate) fn decoder<'r>(
    ending: &str,
    reader: impl Read + 'r,
) -> io::Result<Option<Box<dyn Read + 'r>>> {
    Ok(Some(match ending {
        "" => Box::new(reader),
        ".gz" => Box::new(flate2::read::MultiGzDecoder::new(reader)),
        ".xz" => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, flags)?;
            let reader = BufReader::with_capacity(128 << 10, reader);
            Box::new(liblzma::bufread::XzDecoder::new_stream(reader, stream))
        }
        ".zst" => Box::new(zstd::stream::read::Decoder::new(reader)?),
        _ => return Ok(None),
    }))
}
