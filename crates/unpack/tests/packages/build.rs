//! Makes packages, honest and hostile ones.

use std::io::Write;
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};

/// A package in the making.
#[derive(Clone)]
pub(crate) struct Deb {
    control: Vec<(String, String)>,
    data: Vec<u8>,
    ending: &'static str,
}

impl Deb {
    pub(crate) fn new(name: &str) -> Self {
        let control = format!("Package: {name}\nVersion: 1.0\nArchitecture: all\n");
        Self { control: vec![("control".into(), control)], data: vec![], ending: "" }
    }

    /// More lines of the control file.
    pub(crate) fn field(mut self, line: &str) -> Self {
        self.control[0].1.push_str(&format!("{line}\n"));
        self
    }

    /// Another value in a line of the control file.
    pub(crate) fn instead_of(mut self, field: &str, value: &str) -> Self {
        let lines = self.control[0].1.lines().map(|line| match line.split_once(':') {
            Some((key, _)) if key == field => format!("{field}: {value}\n"),
            _ => format!("{line}\n"),
        });
        self.control[0].1 = lines.collect();
        self
    }

    pub(crate) fn control(mut self, name: &str, text: &str) -> Self {
        self.control.push((name.into(), text.into()));
        self
    }

    /// `.gz`, `.xz`, `.zst` or nothing.
    pub(crate) fn compressed(mut self, ending: &'static str) -> Self {
        self.ending = ending;
        self
    }

    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        self.owned_file(path, content, 0, 0, 0o644)
    }

    pub(crate) fn owned_file(
        self,
        path: &str,
        content: &str,
        uid: u64,
        gid: u64,
        mode: u32,
    ) -> Self {
        let mut header = header(EntryType::Regular, path, "", content.len() as u64);
        header.set_uid(uid);
        header.set_gid(gid);
        header.set_mode(mode);
        self.raw(header, content.as_bytes())
    }

    pub(crate) fn directory(self, path: &str, mode: u32) -> Self {
        let mut header = header(EntryType::Directory, path, "", 0);
        header.set_mode(mode);
        self.raw(header, b"")
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.raw(header(EntryType::Symlink, path, target, 0), b"")
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Self {
        self.raw(header(EntryType::Link, path, target, 0), b"")
    }

    pub(crate) fn of_kind(self, path: &str, kind: EntryType) -> Self {
        self.raw(header(kind, path, "", 0), b"")
    }

    /// Extended attributes for the member that follows.
    pub(crate) fn pax(self, records: &[(&str, &str)]) -> Self {
        let mut text = String::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (rest..).find(|all| rest + all.to_string().len() == *all).unwrap();
            text.push_str(&format!("{length} {key}={value}\n"));
        }
        let header = header(EntryType::XHeader, "pax", "", text.len() as u64);
        self.raw(header, text.as_bytes())
    }

    /// A member whose header says anything at all.
    pub(crate) fn raw(mut self, mut header: Header, content: &[u8]) -> Self {
        header.set_cksum();
        self.data.extend(header.as_bytes());
        self.data.extend(content);
        self.data.resize(self.data.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut control = tar::Builder::new(Vec::new());
        for (name, text) in &self.control {
            let mut header = header(EntryType::Regular, name, "", text.len() as u64);
            header.set_mode(0o755);
            header.set_cksum();
            control.append(&header, text.as_bytes()).unwrap();
        }
        let control = control.into_inner().unwrap();
        let mut data = self.data.clone();
        data.resize(data.len() + 1024, 0);
        let mut deb = b"!<arch>\n".to_vec();
        member(&mut deb, "debian-binary", b"2.0\n");
        member(&mut deb, "control.tar.gz", &compress(&control, ".gz"));
        member(&mut deb, &format!("data.tar{}", self.ending), &compress(&data, self.ending));
        deb
    }

    /// The same members as a package of Arch: behind a `.PKGINFO`.
    pub(crate) fn bytes_for_arch(&self, info: &str) -> Vec<u8> {
        let first = Self { data: vec![], ..self.clone() }.file(".PKGINFO", info);
        let mut bytes = [first.data, self.data.clone()].concat();
        bytes.resize(bytes.len() + 1024, 0);
        compress(&bytes, self.ending)
    }

    pub(crate) fn write(&self, directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, self.bytes()).unwrap();
        path
    }
}

/// A header with a name that no library would let through.
pub(crate) fn header(kind: EntryType, path: &str, target: &str, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_000_000_000);
    header.set_size(size);
    header
}

fn member(deb: &mut Vec<u8>, name: &str, content: &[u8]) {
    let header =
        format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len());
    deb.extend(header.as_bytes());
    deb.extend(content);
    if content.len() % 2 == 1 {
        deb.push(b'\n');
    }
}

fn compress(bytes: &[u8], ending: &str) -> Vec<u8> {
    match ending {
        ".gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        ".xz" => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        ".zst" => zstd::encode_all(bytes, 1).unwrap(),
        _ => bytes.to_vec(),
    }
}
