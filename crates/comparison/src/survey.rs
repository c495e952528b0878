//! A tree as it is compared: what each path is, by names of owners instead of their ids.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use digest::Digest;
use rootfs::tarball::{self, Header, Kind};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Where ucf(1) keeps what it knows of configuration files.
const UCF: &str = "var/lib/ucf";

/// No text that is kept for comparing is longer: dpkg's status of a thousand packages has 2 MB.
const LONGEST_TEXT: u64 = 8 << 20;

/// The paths of a tree, relative to its root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// What each path is.
    pub entries: BTreeMap<String, Entry>,
}

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `file`, `directory`, `link to TARGET`, `other`.
    pub kind: String,
    /// Permission bits.
    pub mode: u32,
    /// Names of user and group; ids that have no name as numbers.
    pub owner: String,
    /// The digest of a file's content.
    pub content: Option<Digest>,
    /// The content of files below /etc and /var that are texts.
    pub text: Option<String>,
    /// Extended attributes by name.
    pub attributes: BTreeMap<String, Vec<u8>>,
    /// The first of the names that this file has besides this one.
    pub same_as: Option<String>,
}

impl Survey {
    /// The survey of a tree's archive.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_tar(tar: &Path) -> Result<Self, Error> {
        let mut builder = Builder::default();
        let file = File::open(tar).map_err(Error::io("open", tar))?;
        tarball::read(BufReader::with_capacity(1 << 20, file), |header, content| {
            builder.add(&header, content)
        })
        .map_err(Error::io("read", tar))?;
        Ok(builder.finish())
    }

    /// The survey of the tree that lies at `root`, of which `headers` are the paths.
    ///
    /// # Errors
    /// When something of it cannot be read.
    pub fn of_tree(root: &Path, headers: &[Header]) -> Result<Self, Error> {
        use std::os::unix::ffi::OsStrExt;
        let mut builder = Builder::default();
        for header in headers {
            let place = root.join(std::ffi::OsStr::from_bytes(&header.path));
            let added = match header.kind {
                Kind::File(_) => {
                    File::open(&place).and_then(|mut file| builder.add(header, &mut file))
                }
                _ => builder.add(header, &mut io::empty()),
            };
            added.map_err(Error::io("read", &place))?;
        }
        Ok(builder.finish())
    }

    /// It without what belongs to one machine, as absolute paths: no image has it, nor what ucf(1)
    /// keeps of it.
    #[must_use]
    pub fn without(mut self, own: &[String]) -> Self {
        let is_own = |path: &str| {
            own.iter().any(|own| {
                let rest = path.strip_prefix(own.trim_start_matches('/'));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        let copies: Vec<String> =
            own.iter().map(|own| format!("{UCF}/cache/{}", own.replace('/', ":"))).collect();
        self.entries.retain(|path, entry| {
            let is_empty_directory = entry.kind == "directory" && own.contains(&format!("/{path}"));
            is_empty_directory || !is_own(path) && !copies.contains(path)
        });
        for name in ["hashfile", "registry"] {
            let entry = self.entries.get_mut(&format!("{UCF}/{name}"));
            if let Some(text) = entry.and_then(|entry| entry.text.as_mut()) {
                let lines = text.lines().filter(|line| {
                    let path = line.split_whitespace().nth(1).unwrap_or_default();
                    !own.iter().any(|own| own == path)
                });
                *text = lines.map(|line| format!("{line}\n")).collect();
            }
        }
        self
    }

    /// The text of a path; empty if it has none.
    pub fn text(&self, path: &str) -> &str {
        self.entries.get(path).and_then(|entry| entry.text.as_deref()).unwrap_or_default()
    }

    /// Writes it to a file, compressed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let write = |path: &Path| -> io::Result<()> {
            let mut to = zstd::Encoder::new(File::create(path)?, 3)?;
            serde_json::to_writer(&mut to, self)?;
            to.finish().map(drop)
        };
        write(path).map_err(Error::io("write", path))
    }

    /// Reads what [`Survey::write`] has written.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let read = |path: &Path| -> io::Result<Self> {
            Ok(serde_json::from_reader(BufReader::new(zstd::Decoder::new(File::open(path)?)?))?)
        };
        read(path).map_err(Error::io("read", path))
    }
}

/// A survey in the making: names of ids are known when all paths have been seen.
#[derive(Default)]
struct Builder {
    survey: Survey,
    ids: BTreeMap<String, (u32, u32)>,
}

impl Builder {
    fn add(&mut self, header: &Header, content: &mut dyn Read) -> io::Result<()> {
        let path = String::from_utf8_lossy(&header.path).into_owned();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut entry = Entry {
            kind: "file".to_owned(),
            mode: header.mode,
            owner: String::new(),
            content: None,
            text: None,
            attributes: header.xattrs.clone(),
            same_as: None,
        };
        match &header.kind {
            Kind::Directory => entry.kind = "directory".to_owned(),
            Kind::Symlink(target) => {
                entry.kind = format!("link to {}", text(target));
                // The kernel gives every link the same.
                entry.mode = 0o777;
            }
            Kind::HardLink(first) => {
                let first = text(first);
                if let Some(file) = self.survey.entries.get(&first) {
                    (entry.content, entry.text) = (file.content, file.text.clone());
                }
                entry.same_as = Some(first);
            }
            Kind::File(size) => {
                let kept = path.starts_with("etc/") || path.starts_with("var/");
                if kept && *size <= LONGEST_TEXT {
                    let mut bytes = Vec::new();
                    content.read_to_end(&mut bytes)?;
                    entry.content = Some(Digest::of(&bytes));
                    entry.text = String::from_utf8(bytes).ok();
                } else {
                    entry.content = Some(Digest::of_reader(content)?.0);
                }
            }
        }
        self.ids.insert(path.clone(), (header.uid, header.gid));
        self.survey.entries.insert(path, entry);
        Ok(())
    }

    fn finish(mut self) -> Survey {
        let users = names(self.survey.text("etc/passwd"));
        let groups = names(self.survey.text("etc/group"));
        let name = |names: &BTreeMap<u32, String>, id: u32| {
            names.get(&id).cloned().unwrap_or_else(|| id.to_string())
        };
        for (path, (user, group)) in self.ids {
            if let Some(entry) = self.survey.entries.get_mut(&path) {
                entry.owner = format!("{}:{}", name(&users, user), name(&groups, group));
            }
        }
        self.survey
    }
}

/// The names of ids in passwd(5) or group(5).
pub(crate) fn names(text: &str) -> BTreeMap<u32, String> {
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        Some((id.parse().ok()?, name.to_owned()))
    });
    lines.collect()
}
