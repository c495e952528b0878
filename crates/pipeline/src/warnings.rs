//! What `image` says of an image that works: secrets in it, packages that come out differently.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use definition::{Kind, Server};
use rootfs::secrets::{self, LOOKED_AT};
use serde::{Deserialize, Serialize};

use crate::{Built, Error, Record, Session, compare};

/// Something that whoever publishes or runs an image wants to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Warning {
    /// A secret that everybody has who has the image.
    Secret {
        /// Its path on the server.
        path: String,
        /// What it is: `a private key (PEM)`.
        what: String,
        /// Whether the definition lays it; else a package's script made it.
        laid: bool,
    },
    /// What two builds of the packages made differently.
    Differs {
        /// The path and what differs.
        difference: String,
        /// The scripts that may have written it.
        scripts: Vec<String>,
    },
}

impl Warning {
    /// What there is to be said, and what to do.
    pub fn text(&self) -> String {
        match self {
            Self::Secret { path, what, laid } => format!(
                "`{path}` in the image is {what}, which {}; make it at first boot ([first-boot]), \
                 or name it in [secrets]",
                if *laid { "the definition lays" } else { "a package's script made" }
            ),
            Self::Differs { difference, scripts } => format!(
                "{difference}: two builds of these packages differ{}; [first-boot] keeps out of the \
                 image what is one machine's own",
                match scripts.as_slice() {
                    [] => String::new(),
                    scripts => format!(", written by {}", scripts.join(" or ")),
                }
            ),
        }
    }
}

/// What is to be said of `built`, and whether its packages are known to come out the same twice.
/// `program` is what to run as `program image SERVER --only-packages`.
///
/// # Errors
/// Those of the second build of the packages, and of files that cannot be read.
pub fn warnings(
    session: &Session,
    server: &Server,
    built: &Built,
    recorded: Option<Record>,
    program: &Path,
) -> Result<(Vec<Warning>, bool), Error> {
    let mut found = secrets(server, built)?;
    let is_old = recorded.is_some_and(|recorded| {
        // Somebody else had the same bytes, or a comparison was recorded.
        recorded.is_of(built) || recorded.packages == Some(built.packages)
    });
    if is_old {
        return Ok((found, true));
    }
    let differences = compare::compare(session, server, built, program)?;
    let same = differences.is_empty();
    found.extend(differences);
    Ok((found, same))
}

/// The secrets that nobody knows of.
fn secrets(server: &Server, built: &Built) -> Result<Vec<Warning>, Error> {
    let mut found: Vec<Warning> = Vec::new();
    for secret in &built.secrets {
        // What the definition lays there hides it from programs, not from who has the layer.
        let (path, what) = (secret.path.clone(), secret.what.clone());
        found.push(Warning::Secret { path, what, laid: false });
    }
    for entry in &server.overlay {
        let Kind::File { executable, .. } = entry.kind else { continue };
        let own = server.permissions.iter().find(|permission| permission.path == entry.path);
        let usual = if executable { 0o755 } else { 0o644 };
        let mode = own.and_then(|own| own.mode).map_or(usual, definition::Mode::bits);
        let mut content = Vec::new();
        File::open(&entry.source)
            .and_then(|file| file.take(LOOKED_AT as u64).read_to_end(&mut content))
            .map_err(Error::io("read", &entry.source))?;
        if let Some(what) = secrets::secret(mode, &content) {
            let (path, what) = (entry.path.to_string(), what.to_owned());
            found.push(Warning::Secret { path, what, laid: true });
        }
    }
    let is_known = |warning: &Warning| match warning {
        Warning::Secret { path, .. } => {
            server.secrets.iter().any(|known| known.path.as_str() == path)
        }
        Warning::Differs { .. } => false,
    };
    found.retain(|warning| !is_known(warning));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_says_what_who_and_what_to_do() {
        let path = "/etc/x.key".to_owned();
        let what = "a private key (PEM)".to_owned();
        let secret = Warning::Secret { path, what, laid: false };
        assert_eq!(
            secret.text(),
            "`/etc/x.key` in the image is a private key (PEM), which a package's script made; make \
             it at first boot ([first-boot]), or name it in [secrets]"
        );
        assert!(serde_json::to_string(&secret).unwrap().starts_with(r#"{"kind":"secret","path""#));
        let difference = "/etc/id: line 1 is `1` and `2`".to_owned();
        let differs = Warning::Differs { difference, scripts: vec!["x.postinst".to_owned()] };
        assert!(
            differs.text().contains("two builds of these packages differ, written by x.postinst;")
        );
    }
}
