//! Whom a server lets in by ssh: the public keys that its definition lays.

use std::fs;

use crate::{Error, Kind, Server};

/// Where the role `ssh` has the server look for a user's keys, one a line (sshd(8),
/// "AUTHORIZED_KEYS FILE FORMAT").
const FOLDER: &str = "/etc/ssh/authorized_keys/";

impl Server {
    /// Whether `user` can log in with a key; none when the definition lays keys of nobody, and the
    /// server lets people in by other means.
    ///
    /// # Errors
    /// When a file of keys cannot be read.
    pub fn lets_in(&self, user: &str) -> Result<Option<bool>, Error> {
        let mut known = None;
        for entry in &self.overlay {
            let Some(name) = entry.path.as_str().strip_prefix(FOLDER) else { continue };
            known = known.or(Some(false));
            if name != user || !matches!(entry.kind, Kind::File { .. }) {
                continue;
            }
            let read = |error| Error::read(&entry.source, error);
            let text = fs::read_to_string(&entry.source).map_err(read)?;
            let is_key = |line: &str| !line.trim().is_empty() && !line.trim().starts_with('#');
            known = Some(text.lines().any(is_key));
        }
        Ok(known)
    }
}
