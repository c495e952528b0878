//! Root certificates for https: those of the host, and those that the environment adds.
//!
//! What is fetched is checked by hash or signature anyway; https keeps to itself what is fetched.
//! A host without certificates (a container of the barest sort) gets Mozilla's, compiled in.

use std::fs;
use std::path::PathBuf;

use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

/// Where distributions keep all roots in one file: Debian, Arch, Alpine; Fedora, RHEL; openSUSE;
/// NixOS; others.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Files and folders of certificates beside the host's own.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Certificates {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Certificates {
    /// SSL_CERT_FILE is a file, SSL_CERT_DIR folders with colons between them, as OpenSSL has it.
    pub(crate) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| variable(name).filter(|value| !value.is_empty());
        let folders = value("SSL_CERT_DIR").unwrap_or_default();
        Self {
            files: value("SSL_CERT_FILE").into_iter().map(PathBuf::from).collect(),
            folders: folders.split(':').filter(|f| !f.is_empty()).map(PathBuf::from).collect(),
        }
    }

    /// All roots. A file that cannot be read or holds no certificate adds none: the connection
    /// that needs it says so.
    pub(crate) fn load(&self) -> RootCerts {
        let mut found: Vec<Certificate<'static>> = BUNDLES
            .iter()
            .map(|path| certificates_in(PathBuf::from(path)))
            .find(|certificates| !certificates.is_empty())
            .unwrap_or_else(|| {
                let compiled_in = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
                compiled_in.map(|der| Certificate::from_der(der).to_owned()).collect()
            });
        found.extend(self.files.iter().cloned().flat_map(certificates_in));
        for folder in &self.folders {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            // Folders of Debian hold the bundle beside the single files: reading it again is
            // wasted, not wrong.
            let paths = entries.map(|entry| entry.path()).filter(|path| path.is_file());
            found.extend(paths.flat_map(certificates_in));
        }
        found.sort_by(|a, b| a.der().cmp(b.der()));
        found.dedup_by(|a, b| a.der() == b.der());
        RootCerts::new_with_certs(&found)
    }
}

fn certificates_in(path: PathBuf) -> Vec<Certificate<'static>> {
    let Ok(bytes) = fs::read(path) else { return Vec::new() };
    parse_pem(&bytes)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(roots: &RootCerts) -> usize {
        match roots {
            RootCerts::Specific(certificates) => certificates.len(),
            _ => 0,
        }
    }

    /// Any bytes do: what is in a certificate is looked at when a connection is made.
    fn pem(bytes: &[u8]) -> String {
        use base64::Engine as _;
        let text = base64::prelude::BASE64_STANDARD.encode(bytes);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    #[test]
    fn certificates_of_the_environment_are_added_to_those_of_the_host() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("own.pem");
        fs::write(&file, pem(b"one") + "remark\n" + &pem(b"two")).unwrap();
        let more = folder.path().join("more");
        fs::create_dir(&more).unwrap();
        fs::write(more.join("three.crt"), pem(b"three")).unwrap();
        fs::write(more.join("again.crt"), pem(b"one")).unwrap();
        fs::write(more.join("README"), "no certificate").unwrap();

        let own = count(&Certificates::default().load());
        let all = Certificates::from_variables(|name| match name {
            "SSL_CERT_FILE" => Some(file.display().to_string()),
            "SSL_CERT_DIR" => Some(format!("/nonexistent:{}", more.display())),
            _ => None,
        });
        assert!(own > 0, "even a host without certificates has some");
        assert_eq!(count(&all.load()), own + 3);
    }
}
