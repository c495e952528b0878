//! What apt makes of locked package files: mmdebstrap in the sandbox, fed from a repository that
//! has exactly these files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};

use rootfs::debian::PackageFile;
use rootfs::tarball;
use sandbox::{JobFailure, Program, RootCommand, ToolRoot};
use serde::{Deserialize, Serialize};
use unpack::Deb;

use crate::Error;
use crate::survey::Survey;

/// Goes up when the same files come to be installed or surveyed otherwise.
pub const VERSION: u32 = 1;

/// Where the store and the repository are seen.
const STORE: &str = "/work/store";
const REPOSITORY: &str = "/work/repository";
const TREE: &str = "/work/tree";

/// The job: installs package files and writes the survey of the tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Apt {
    /// The release: `bookworm`.
    pub suite: String,
    /// The package files, below `store`.
    pub files: Vec<PackageFile>,
    /// The folder that they lie in.
    pub store: PathBuf,
    /// Answers to debconf's questions.
    pub debconf: BTreeMap<String, String>,
    /// The root of the tool group `mmdebstrap`.
    pub tools: PathBuf,
    /// `SOURCE_DATE_EPOCH`.
    pub epoch: u64,
    /// Where the survey is written.
    pub out: PathBuf,
}

impl sandbox::Job for Apt {
    const NAME: &'static str = "apt's tree";
    type Output = ();

    fn run(self) -> Result<(), JobFailure> {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let sizes = self.files.iter().filter_map(|file| file.path.metadata().ok());
        let scratch = sandbox::scratch(sizes.map(|it| it.len()).sum::<u64>() * 5)?;
        let [repository, tree] = ["repository", "tree"].map(|name| scratch.path().join(name));
        for folder in [&repository, &tree] {
            fs::create_dir(folder).map_err(Error::io("create", folder))?;
        }
        self.repository(&repository)?;
        self.install(&repository, &tree)?;
        remove_special(&tree).map_err(Error::io("clean", &tree))?;
        let headers = tarball::walk(&tree)?;
        Survey::of_tree(&tree, &headers)?.write(&self.out)?;
        Ok(())
    }
}

impl Apt {
    /// A flat repository: an index and links to the files in the store.
    fn repository(&self, folder: &Path) -> Result<(), Error> {
        let mut index = String::new();
        for (number, file) in self.files.iter().enumerate() {
            let name = format!("{number}.deb");
            let below = file.path.strip_prefix(&self.store).unwrap_or(&file.path);
            let link = folder.join(&name);
            symlink(Path::new(STORE).join(below), &link).map_err(Error::io("create", &link))?;
            index.push_str(&stanza(&file.path, &name)?);
        }
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(Error::io("write", &path))
        };
        write("Packages", &index)?;
        write("selections", &selections(&self.debconf))
    }

    fn install(&self, repository: &Path, tree: &Path) -> Result<(), Error> {
        let include: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        let host = RootCommand::HOSTNAME;
        let short = host.split('.').next().unwrap_or(host);
        let hosts = format!(
            "printf '127.0.0.1 localhost\\n127.0.1.1 {host} {short}\\n::1 localhost\\n' \
             > \"$1/etc/hosts\""
        );
        let answers = format!("chroot \"$1\" debconf-set-selections < {REPOSITORY}/selections");
        ToolRoot::at(&self.tools)
            .command(Program::Mmdebstrap)
            .args(["--mode=root", "--variant=essential", "--format=directory"])
            .args(["--skip=check/empty,chroot/mount/sys,output/dev,cleanup/reproducible"])
            .arg(format!("--include={}", include.join(",")))
            .arg(format!("--setup-hook={hosts}"))
            .arg(format!("--essential-hook={answers}"))
            .arg("--customize-hook=rm -f \"$1/etc/hosts\"")
            // Without a suite: the repository says of none.
            .args(["", TREE])
            .arg(format!("deb [trusted=yes] copy:{REPOSITORY} ./"))
            .bind_ro(&self.store, STORE)
            .bind_ro(repository, REPOSITORY)
            .bind_rw(tree, TREE)
            .env("HOME", "/root")
            .hostname(host)
            .epoch(self.epoch)
            .free_sync()
            .run()
            .map(drop)
            .map_err(|source| Error::Apt { source })
    }
}

/// A package's paragraph in the index.
fn stanza(path: &Path, name: &str) -> Result<String, Error> {
    let deb = Deb::open(path)?;
    let control = deb.control().text("control").unwrap_or_default();
    let bytes = fs::File::open(path).map_err(Error::io("open", path))?;
    let (digest, size) = digest::Digest::of_reader(bytes).map_err(Error::io("read", path))?;
    let mut stanza = String::new();
    for line in control.lines().filter(|line| !line.trim().is_empty()) {
        let _ = writeln!(stanza, "{line}");
    }
    let _ = write!(stanza, "Filename: ./{name}\nSize: {size}\nSHA256: {}\n\n", digest.hex());
    Ok(stanza)
}

/// Answers as debconf-set-selections(1) reads them, before there are the packages' questions.
fn selections(answers: &BTreeMap<String, String>) -> String {
    let line = |(question, answer): (&String, &String)| {
        let owner = question.split('/').next().unwrap_or(question);
        let kind = if ["true", "false"].contains(&answer.as_str()) { "boolean" } else { "string" };
        format!("{owner} {question} {kind} {answer}\n")
    };
    answers.iter().map(line).collect()
}

/// Removes what no image has: sockets, fifos, devices.
fn remove_special(directory: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            remove_special(&entry.path())?;
        } else if kind.is_socket()
            || kind.is_fifo()
            || kind.is_char_device()
            || kind.is_block_device()
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
