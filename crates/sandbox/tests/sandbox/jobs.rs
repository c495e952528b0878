//! The jobs of these tests.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::OnceLock;

use sandbox::{Command, Job, JobEntry, JobFailure, RootCommand, scratch};
use serde::{Deserialize, Serialize};

pub(crate) const JOBS: &[JobEntry] = &[
    JobEntry::of::<Give>(),
    JobEntry::of::<Fail>(),
    JobEntry::of::<Panic>(),
    JobEntry::of::<Echo>(),
    JobEntry::of::<Connect>(),
    JobEntry::of::<Stay>(),
    JobEntry::of::<Configure>(),
];

type Result<T> = std::result::Result<T, JobFailure>;

/// Whether this user may use 65,536 ids.
pub(crate) fn are_possible() -> bool {
    static POSSIBLE: OnceLock<bool> = OnceLock::new();
    *POSSIBLE.get_or_init(|| sandbox::in_namespace(&Echo { text: String::new() }).is_ok())
}

/// Makes files of every kind of owner, in a scratch; gives back its place and what it saw.
#[derive(Serialize, Deserialize)]
pub(crate) struct Give {
    pub(crate) ids: Vec<u32>,
}

impl Job for Give {
    const NAME: &str = "give away";
    type Output = (PathBuf, Vec<u32>);

    fn run(self) -> Result<Self::Output> {
        use std::os::unix::fs::{MetadataExt, chown};
        let scratch = scratch(1 << 20)?;
        let mut found = Vec::new();
        for id in self.ids {
            let file = scratch.path().join(id.to_string());
            fs::write(&file, "")?;
            chown(&file, Some(id), Some(id))?;
            found.push(fs::metadata(&file)?.uid());
        }
        Ok((scratch.path().into(), found))
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Fail;

#[derive(Debug, thiserror::Error)]
#[error("the tree is not done")]
struct Outer(#[source] std::io::Error);

impl Job for Fail {
    const NAME: &str = "package tree";
    type Output = ();

    fn run(self) -> Result<()> {
        let error = Outer(std::io::Error::other("postinst failed"));
        Err(JobFailure::with_hint(&error, Some("try again".into())))
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Panic;

impl Job for Panic {
    const NAME: &str = "panic";
    type Output = ();

    fn run(self) -> Result<()> {
        // Nobody should take it for one that was not meant.
        std::panic::set_hook(Box::new(|_| {}));
        panic!("on purpose");
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Echo {
    pub(crate) text: String,
}

impl Job for Echo {
    const NAME: &str = "echo";
    type Output = String;

    fn run(self) -> Result<String> {
        Ok(self.text)
    }
}

/// Says whether a port of the host can be reached.
#[derive(Serialize, Deserialize)]
pub(crate) struct Connect {
    pub(crate) port: u16,
}

impl Job for Connect {
    const NAME: &str = "connect";
    type Output = bool;

    fn run(self) -> Result<bool> {
        Ok(TcpStream::connect(("127.0.0.1", self.port)).is_ok())
    }
}

/// Says where its scratch is, and stays.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stay;

impl Job for Stay {
    const NAME: &str = "stay";
    type Output = ();

    fn run(self) -> Result<()> {
        let scratch = scratch(1 << 20)?;
        println!("{}", scratch.path().display());
        loop {
            std::thread::park();
        }
    }
}

/// Runs a script in a copy of a tree.
#[derive(Serialize, Deserialize)]
pub(crate) struct Configure {
    pub(crate) tree: PathBuf,
    pub(crate) script: String,
    pub(crate) stub: Option<(PathBuf, String)>,
    pub(crate) stdin: String,
    /// Whether a tool does it by chroot(1), as a package manager does.
    pub(crate) chrooted: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Configured {
    pub(crate) text: String,
    /// Every path of the tree with its kind, mode, owner and size.
    pub(crate) before: Vec<String>,
    pub(crate) after: Vec<String>,
}

impl Job for Configure {
    const NAME: &str = "configure";
    type Output = Configured;

    fn run(self) -> Result<Configured> {
        let scratch = scratch(200 << 20)?;
        let tree = scratch.path().join("tree");
        // Cp is the tool root's, which shows that tools work inside of jobs, with the job's ids.
        Command::new(&self.tree, "/usr/bin/cp")
            .args(["-R", "--preserve=mode,timestamps,links", "/in", "/out/tree"])
            .bind_ro(&self.tree, "/in")
            .bind_rw(scratch.path(), "/out")
            .run()?;
        let list = || -> Result<Vec<String>> {
            let found = Command::new(&self.tree, "/bin/sh")
                .args(["-c", "ls -lAR --time-style=+ /in"])
                .bind_ro(&tree, "/in")
                .run()?;
            Ok(found.text().lines().map(str::to_owned).collect())
        };
        let before = list()?;
        if self.chrooted {
            let output = Command::new(&self.tree, "/usr/sbin/chroot")
                .args(["/tree", "/bin/sh", "-c", &self.script])
                .epoch(11)
                .tree(&tree, "/tree")
                .run()?;
            return Ok(Configured { text: output.text(), before, after: list()? });
        }
        let mut command = RootCommand::new(&tree, "/bin/sh")
            .args(["-c", &self.script])
            .epoch(11)
            .stdin(self.stdin);
        if let Some((path, script)) = self.stub {
            command = command.stub(path, script);
        }
        let text = command.run()?.text();
        Ok(Configured { text, before, after: list()? })
    }
}
