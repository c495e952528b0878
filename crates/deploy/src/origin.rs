//! Where a generation comes from: annotations for the server's index.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use generation::layout::{
    ANNOTATION_BUILT_BY, ANNOTATION_COMMIT, ANNOTATION_STAGED, ANNOTATION_UNCOMMITTED,
};

/// What is true of this build and in no digest: the commit, whether there were changes beside it,
/// who built it, when it was sent. What cannot be found out is left out: it decides nothing.
pub fn annotations(workspace: &Path) -> BTreeMap<String, String> {
    let mut notes = BTreeMap::new();
    let mut note = |name: &str, value: String| notes.insert(name.to_owned(), value);
    if let Some(commit) = git(workspace, &["rev-parse", "--verify", "HEAD"]) {
        note(ANNOTATION_COMMIT, commit);
        // `image` itself writes the record of what came out.
        let changes = ["status", "--porcelain", "--", ".", ":(exclude,glob)**/server.digest"];
        if git(workspace, &changes).is_none_or(|changes| !changes.is_empty()) {
            note(ANNOTATION_UNCOMMITTED, "true".to_owned());
        }
    }
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    note(ANNOTATION_BUILT_BY, format!("{}@{host}", user.as_deref().unwrap_or("somebody")));
    note(ANNOTATION_STAGED, jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    notes
}

fn git(workspace: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(workspace)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
