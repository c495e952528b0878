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

    /// Makes a repository, of a workspace of its own, and has the program depend on its package
    /// `greet`, which needs another package of it, and a `leaf` that this workspace has itself.
    pub(crate) fn depend_on_git(&self) {
        let repository = self.temporary.path().join("repository");
        let write = |path: &str, text: &str| {
            let path = repository.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"roles/*\"]\n\
             [workspace.package]\nedition = \"2024\"\n\
             [workspace.dependencies]\nleaf = { path = \"roles/leaf\" }\n\
             helper = { path = \"roles/helper\" }\n",
        );
        // What only Windows needs is not there to be compiled.
        let needs = "leaf.workspace = true\nhelper.workspace = true\nitoa = \"1\"\n\
                     [target.'cfg(windows)'.dependencies]\nwindows-sys = \"*\"\n\
                     [dev-dependencies]\ncfg-if = \"1\"";
        write("roles/greet/Cargo.toml", &manifest("greet", needs));
        write(
            "roles/greet/src/lib.rs",
            "pub fn greet() -> String {\n    format!(\"{} {} by {}\", helper::WORD, \
             itoa::Buffer::new().format(7), leaf::NAME)\n}\n",
        );
        for name in ["leaf", "helper"] {
            write(&format!("roles/{name}/Cargo.toml"), &manifest(name, ""));
        }
        write("roles/helper/src/lib.rs", "pub const WORD: &str = \"hello\";");
        write("roles/leaf/src/lib.rs", "pub const NAME: &str = \"another leaf\";");
        for arguments in [
            &["init", "--quiet"][..],
            &["add", "."],
            &["-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", "greet"],
        ] {
            let git = Command::new("git").args(arguments).current_dir(&repository).status();
            assert!(git.unwrap().success());
        }
        let url = format!("file://{}", repository.display());
        let root = self.root.join("Cargo.toml");
        let text = fs::read_to_string(&root).unwrap();
        let patch = format!("[patch.\"{url}\"]\nleaf = {{ path = \"crates/leaf\" }}\n");
        fs::write(root, text + &patch).unwrap();
        let depends = format!("greet = {{ git = \"{url}\" }}");
        self.write("guest/program/Cargo.toml", &manifest(PACKAGE, &depends));
        let main = "fn main() {\n    println!(\"{}\", greet::greet());\n}\n";
        self.write("guest/program/src/main.rs", main);
        self.lock();
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
