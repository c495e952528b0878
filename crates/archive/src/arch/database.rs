//! The database of a repository: a tar archive of `name-version/desc`, written by repo-add(8).
//!
//! What is in it is hostile until a package's own signature has been checked: sizes are bounded,
//! and an entry that is not as it should be is left out, with the reason for whoever asks for it,
//! so that one bad package does not keep all others back.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufReader, Read};

use jiff::Timestamp;

use super::entry::Entry;

/// No database is larger when unpacked: extra of 2026 has 40 MB.
const LARGEST: u64 = 1 << 30;
/// No description of a package is larger: the longest have 100 kB.
const LARGEST_ENTRY: u64 = 4 << 20;
/// No database has more files.
const MOST_FILES: usize = 1 << 20;

/// The packages of a repository.
#[derive(Debug)]
pub(crate) struct Database {
    /// Sorted by name, each name once.
    pub(crate) entries: Vec<Entry>,
    /// Names of packages whose entry was not understood, with the reason.
    pub(crate) left_out: BTreeMap<String, String>,
    /// The newest time in it: when it was compressed, as gzip notes it, or when the newest entry was
    /// put in, as tar does.
    ///
    /// Both are by the clock of the one machine that keeps the repository. The first never goes
    /// back; the second does where the newest package is taken out again, but zstd and xz note no
    /// time. `%BUILDDATE%` would not do: packages leave the testing repositories in another order
    /// than they were built in, so a later database may well have older ones.
    pub(crate) newest: Timestamp,
}

impl Database {
    /// Reads a database, whatever it is compressed with.
    ///
    /// # Errors
    /// When it is no tar archive to its end, is too large, or has nothing that could be read.
    pub(crate) fn parse(bytes: &[u8], architecture: &str) -> Result<Self, String> {
        Self::parse_up_to(LARGEST, bytes, architecture)
    }

    fn parse_up_to(largest: u64, bytes: &[u8], architecture: &str) -> Result<Self, String> {
        let mut texts: BTreeMap<String, Texts> = BTreeMap::new();
        let mut newest = i64::from(gzip_time(bytes));
        let unpacked = unpacked(bytes).map_err(|error| error.to_string())?;
        let mut archive = tar::Archive::new(unpacked.take(largest));
        let broken = |error: io::Error| format!("it is no database: {error}");
        for (count, file) in archive.entries().map_err(broken)?.enumerate() {
            let mut file = file.map_err(broken)?;
            if count >= MOST_FILES {
                return Err(format!("it has more than {MOST_FILES} files"));
            }
            if !file.header().entry_type().is_file() {
                continue;
            }
            let path = String::from_utf8_lossy(&file.path_bytes()).into_owned();
            let path = path.strip_prefix("./").unwrap_or(&path);
            let Some((folder, name @ ("desc" | "depends"))) = path.rsplit_once('/') else {
                continue;
            };
            let time = file.header().mtime().map_err(broken)?;
            newest = newest.max(i64::try_from(time).unwrap_or(i64::MAX));
            let texts = texts.entry(folder.to_owned()).or_default();
            texts.add(name, &mut file).map_err(broken)?;
        }
        // What was cut between two files looks whole.
        if archive.into_inner().limit() == 0 {
            return Err(format!("unpacked, it has {largest} bytes or more"));
        }
        Self::of_texts(texts, newest, architecture)
    }

    fn of_texts(
        texts: BTreeMap<String, Texts>,
        newest: i64,
        architecture: &str,
    ) -> Result<Self, String> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut left_out = BTreeMap::new();
        let mut names = HashSet::new();
        for (folder, texts) in texts {
            match texts.read(&folder, architecture) {
                Ok(entry) => {
                    // repo-add writes one. Which of two is meant cannot be known: it is the first
                    // in the order of the folders, whatever order they come in.
                    if names.insert(entry.about.name.clone()) {
                        entries.push(entry);
                    }
                }
                Err(why) => {
                    let name = folder.rsplitn(3, '-').nth(2).unwrap_or(&folder);
                    left_out.insert(name.to_owned(), why);
                }
            }
        }
        if entries.is_empty() && !left_out.is_empty() {
            return Err("none of its entries is understood".to_owned());
        }
        entries.sort_by(|a, b| a.about.name.cmp(&b.about.name));
        let newest = Timestamp::from_second(newest)
            .map_err(|_| format!("{newest} is not a time at which a package was added"))?;
        Ok(Self { entries, left_out, newest })
    }
}

/// The files of one entry.
#[derive(Default)]
struct Texts {
    text: Vec<u8>,
    too_large: bool,
}

impl Texts {
    fn add(&mut self, name: &str, file: &mut impl Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        file.take(LARGEST_ENTRY + 1).read_to_end(&mut bytes)?;
        let size = self.text.len().saturating_add(bytes.len());
        if size as u64 > LARGEST_ENTRY {
            self.too_large = true;
            self.text = Vec::new();
        } else if name == "desc" {
            bytes.push(b'\n');
            self.text.splice(..0, bytes);
        } else {
            self.text.push(b'\n');
            self.text.extend(bytes);
        }
        Ok(())
    }

    fn read(self, folder: &str, architecture: &str) -> Result<Entry, String> {
        if self.too_large {
            return Err(format!("it is larger than {LARGEST_ENTRY} bytes"));
        }
        let text = std::str::from_utf8(&self.text).map_err(|_| "it is not UTF-8".to_owned())?;
        Entry::parse(text, folder, architecture)
    }
}

/// When a gzip file was made, in seconds since 1970; 0 when it does not say (RFC 1952, `MTIME`).
fn gzip_time(bytes: &[u8]) -> u32 {
    match bytes {
        [0x1f, 0x8b, 8, _, a, b, c, d, ..] => u32::from_le_bytes([*a, *b, *c, *d]),
        _ => 0,
    }
}

/// Undoes the compression that the first bytes tell of.
pub(crate) fn unpacked<'r>(bytes: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
    let mut bytes = BufReader::new(bytes);
    let start = io::BufRead::fill_buf(&mut bytes)?;
    Ok(if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::read::MultiGzDecoder::new(bytes))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(zstd::Decoder::with_buffer(bytes)?)
    } else if start.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        Box::new(liblzma::read::XzDecoder::new_multi_decoder(bytes))
    } else {
        Box::new(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A database of one file.
    fn packed(path: &str, text: &[u8]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text).unwrap();
        tar.into_inner().unwrap()
    }

    #[test]
    fn the_newest_time_is_the_later_of_gzip_s_and_tar_s() {
        let plain = packed("a-1-1/desc", b"");
        assert_eq!(gzip_time(&plain), 0);
        let gzip = flate2::GzBuilder::new().mtime(1_619_694_001);
        let mut gzip = gzip.read(&plain[..], flate2::Compression::fast());
        let mut bytes = Vec::new();
        gzip.read_to_end(&mut bytes).unwrap();
        assert_eq!(gzip_time(&bytes), 1_619_694_001);
    }

    #[test]
    fn one_that_is_too_large_is_refused_wherever_it_would_be_cut() {
        let text = |name: &str| format!("%NAME%\n{name}\n\n%VERSION%\n1-1\n");
        let (a, b) = (text("aa"), text("bb"));
        let mut bytes = packed("aa-1-1/desc", a.as_bytes());
        // Its two blocks of zeros are the end; each file has a block, and one for its header.
        bytes.truncate(1024);
        bytes.extend(packed("bb-1-1/desc", b.as_bytes()));
        let whole = Database::parse_up_to(bytes.len() as u64 + 1, &bytes, "x86_64");
        assert!(!whole.is_err_and(|error| error.contains("unpacked")));
        for largest in [512, 700, 1024, 1536, 2048] {
            let error = Database::parse_up_to(largest, &bytes, "x86_64").unwrap_err();
            let cut = error.contains("unpacked, it has") || error.contains("no database");
            assert!(cut, "{largest}: {error}");
        }
        let error = Database::parse_up_to(1024, &bytes, "x86_64").unwrap_err();
        assert_eq!(error, "unpacked, it has 1024 bytes or more");
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_makes_a_panic(bytes: Vec<u8>) {
            let _ = Database::parse(&bytes, "x86_64");
        }

        #[test]
        fn no_entry_makes_a_panic(
            text in "(%(NAME|VERSION|FILENAME|CSIZE|DEPENDS|PGPSIG|ARCH)%\n[a-z0-9<>=.:/ -]{0,9}\n{1,2}){0,6}",
        ) {
            let _ = Database::parse(&packed("aa-1-1/desc", text.as_bytes()), "x86_64");
            let _ = super::super::entry::About::of_pkginfo(&text, "x86_64");
        }
    }
}
