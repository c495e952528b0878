//! cpio archives in newc format, as the kernel unpacks them
//! (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).

use std::io::{self, Write};

/// Writes an archive: everything belongs to root, times are 0, inode numbers count up.
pub(crate) struct Archive<W: Write> {
    writer: W,
    offset: usize,
    inode: u32,
}

const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;

impl<W: Write> Archive<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self { writer, offset: 0, inode: 0 }
    }

    /// A directory of mode 0755. `path` is relative; its parent comes first.
    pub(crate) fn directory(&mut self, path: &str) -> io::Result<()> {
        self.inode += 1;
        self.member(path, S_IFDIR | 0o755, 2, &[])
    }

    /// A regular file.
    pub(crate) fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.inode += 1;
        self.member(path, S_IFREG | mode, 1, content)
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.inode = 0;
        self.member("TRAILER!!!", 0, 1, &[])?;
        Ok(self.writer)
    }

    fn member(&mut self, path: &str, mode: u32, links: u32, content: &[u8]) -> io::Result<()> {
        let too_large = |_| io::Error::new(io::ErrorKind::FileTooLarge, "4 GiB is cpio's limit");
        let size = u32::try_from(content.len()).map_err(too_large)?;
        let name_size = u32::try_from(path.len() + 1).map_err(too_large)?;
        // inode, mode, uid, gid, links, mtime, size, major, minor, rmajor, rminor, name, check
        let fields = [self.inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0];
        let mut header = b"070701".to_vec();
        for field in fields {
            write!(header, "{field:08x}")?;
        }
        header.extend(path.as_bytes());
        header.push(0);
        self.padded(&header)?;
        self.padded(content)
    }

    fn padded(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.offset += bytes.len();
        let padding = self.offset.next_multiple_of(4) - self.offset;
        self.offset += padding;
        self.writer.write_all(&[0; 4][..padding])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_where_the_format_has_them() {
        let mut archive = Archive::new(Vec::new());
        archive.directory("lib").unwrap();
        archive.file("init", 0o755, b"content").unwrap();
        let bytes = archive.finish().unwrap();
        // Header 110, "lib\0" to 116; header to 226, "init\0" to 232, content to 240.
        assert_eq!(&bytes[..22], b"07070100000001000041ed");
        assert_eq!(&bytes[110..116], b"lib\0\0\0");
        assert_eq!(&bytes[116..138], b"07070100000002000081ed");
        assert_eq!(&bytes[170..178], b"00000007", "size");
        assert_eq!(&bytes[226..240], b"init\0\0content\0");
        assert!(bytes[240..].starts_with(b"070701"));
        assert!(bytes.ends_with(b"TRAILER!!!\0\0\0\0"));
    }
}
