//! Packages that the tests make themselves.

use std::io::{self, Write};
use std::path::Path;

use rootfs::debian::PackageFile;
use tar::{Builder, EntryType, Header};

/// A package in the making.
pub(crate) struct Deb {
    name: String,
    fields: String,
    control: Builder<Vec<u8>>,
    data: Builder<Vec<u8>>,
}

impl Deb {
    /// An empty package, whose name may be anything.
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let fields = format!(
            "Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: nobody\n\
             Description: for tests\n"
        );
        Ok(Self {
            name: name.to_owned(),
            fields,
            control: Builder::new(Vec::new()),
            data: Builder::new(Vec::new()),
        })
    }

    /// One more line of the control file.
    pub(crate) fn field(mut self, line: &str) -> Self {
        self.fields.push_str(&format!("{line}\n"));
        self
    }

    /// A file.
    pub(crate) fn file(mut self, path: &str, content: &str, mode: u32) -> io::Result<Self> {
        let mut header = Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        self.data.append_data(&mut header, path, content.as_bytes())?;
        Ok(self)
    }

    /// A script or another file of the control archive.
    pub(crate) fn control(mut self, name: &str, text: &str) -> io::Result<Self> {
        let mut header = Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        self.control.append_data(&mut header, name, text.as_bytes())?;
        Ok(self)
    }

    /// A symbolic link, which may lead anywhere.
    pub(crate) fn symlink(mut self, path: &str, target: &Path) -> io::Result<Self> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        self.data.append_link(&mut header, path, target)?;
        Ok(self)
    }

    /// Writes it to a directory, under a name that is not its own.
    pub(crate) fn write(self, directory: &Path) -> io::Result<PackageFile> {
        let count = std::fs::read_dir(directory)?.count();
        let path = directory.join(format!("made-{count}.deb"));
        let fields = self.fields.clone();
        let this = self.control("control", &fields)?;
        let mut deb = std::fs::File::create(&path)?;
        deb.write_all(b"!<arch>\n")?;
        let (control, data) = (this.control.into_inner()?, this.data.into_inner()?);
        let members: [(&str, &[u8]); 3] =
            [("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", &data)];
        for (name, bytes) in members {
            let (zero, mode, size) = (0, 100_644, bytes.len());
            writeln!(deb, "{name:<16}{zero:<12}{zero:<6}{zero:<6}{mode:<8}{size:<10}`")?;
            deb.write_all(bytes)?;
        }
        let (version, architecture) = ("1".to_owned(), "all".to_owned());
        Ok(PackageFile { path, name: this.name, version, architecture })
    }
}
