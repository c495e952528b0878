//! A workspace of a program, a local package, and a crate from crates.io that depends on another
//! for other platforms only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use stage::Cache;
use tempfile::TempDir;

/// The program's package.
pub(crate) const PACKAGE: &str = "program";

/// A workspace in a directory that goes with it.
pub(crate) struct Workspace {
    temporary: TempDir,
    root: PathBuf,
}

impl Workspace {
    pub(crate) fn new(name: &str) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().join(name);
        let workspace = Self { temporary, root };
        workspace.write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\", \"guest/program\"]\n\
             [workspace.package]\nedition = \"2024\"\n\
             [workspace.dependencies]\nleaf = { path = \"crates/leaf\" }\n",
        );
        workspace.write("crates/leaf/Cargo.toml", &manifest("leaf", ""));
        workspace.write("crates/leaf/src/lib.rs", "pub const NAME: &str = \"leaf\";");
        // errno needs libc here and windows-sys elsewhere.
        let depends = "leaf.workspace = true\nmemchr = \"2\"\nerrno = \"0.3\"\n\
                       [dev-dependencies]\ncfg-if = \"1\"";
        workspace.write("guest/program/Cargo.toml", &manifest(PACKAGE, depends));
        workspace.write(
            "guest/program/src/main.rs",
            "fn main() {\n    errno::set_errno(errno::Errno(0));\n    \
             let at = memchr::memchr(b'x', b\"abcdefgx\");\n    \
             println!(\"{} of {}\", at.unwrap(), leaf::NAME);\n}\n",
        );
        workspace.lock();
        workspace
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn cache(&self) -> Cache {
        Cache::new(self.temporary.path().join("cache"))
    }

    /// Lets the host's cargo write Cargo.lock.
    pub(crate) fn lock(&self) {
        let cargo = Command::new(env!("CARGO"))
            .args(["generate-lockfile", "--quiet"])
            .current_dir(&self.root)
            .status();
        assert!(cargo.unwrap().success());
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// A member's manifest.
pub(crate) fn manifest(name: &str, dependencies: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition.workspace = true\n\
         [dependencies]\n{dependencies}\n"
    )
}
