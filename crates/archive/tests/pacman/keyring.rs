//! Arch's own keyring, as Debian packages it, and the signatures that the real databases repeat.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;

use archive::Files as _;
use archive::arch::{Keyring, MainKeys, SignatureError};
use base64::Engine as _;
use libtest_mimic::Failed;

use crate::pacman::{HERE, Pacman, database};

/// When Debian took the keyring: 13 November 2023.
const THEN: u32 = 1_699_833_600;

/// Of the 3,237 packages of April 2021 a keyring of two and a half years later accepts those whose
/// signers are still in office, but for a few signatures that are made with SHA-1.
pub(crate) fn packagers_of_the_real_keyring_may_sign_as_pacman_has_it() -> Result<(), Failed> {
    let pacman = Pacman::shared()?;
    let package =
        pacman.store().file(&lock::arch::main_keys()).map_err(|error| error.to_string())?;
    let folder = pacman.folder().join("keyring");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("package.deb"), package)?;
    pacman.shell(&format!(
        "cd {HERE}/keyring && bsdtar -xf package.deb data.tar.xz && bsdtar -xf data.tar.xz\n"
    ))?;
    let read = |file: &str| fs::read(folder.join("usr/share/keyrings").join(file)).unwrap();
    let text = |file: &str| String::from_utf8(read(file)).unwrap();
    let main = MainKeys::arch(pacman.store())?;
    let trusted = text("archlinux-trusted");
    let listed: Vec<_> = trusted.lines().map(|line| line[..40].to_owned()).collect();
    assert_eq!(listed.len(), 6);
    assert_eq!(main, MainKeys::named(&listed)?);

    let revoked = text("archlinux-revoked");
    let keyring = Keyring::new(&read("archlinux.gpg"), &trusted, &revoked)?;
    assert_eq!(keyring.signers(THEN), 73);
    // Nobody is trusted without main keys, and more are where nobody is revoked.
    assert_eq!(Keyring::new(&read("archlinux.gpg"), "", &revoked)?.signers(THEN), 0);
    assert!(Keyring::new(&read("archlinux.gpg"), &trusted, "")?.signers(THEN) >= 73);

    let mut verdicts: BTreeMap<&str, usize> = BTreeMap::new();
    for signature in signatures() {
        let verdict = match keyring.check_signer(&signature) {
            Ok(()) => "good",
            Err(SignatureError::Refused(why)) if why.contains("list of revoked keys") => "revoked",
            Err(SignatureError::Refused(why)) if why.contains("have certified") => "uncertified",
            Err(SignatureError::Refused(why)) if why.contains("SHA1") => "weak",
            Err(error) => return Err(error.to_string().into()),
        };
        *verdicts.entry(verdict).or_default() += 1;
    }
    let expected = [("good", 3005), ("revoked", 218), ("uncertified", 2), ("weak", 12)];
    assert_eq!(verdicts, BTreeMap::from(expected));
    Ok(())
}

/// The signatures of all packages of the databases.
fn signatures() -> Vec<Vec<u8>> {
    let mut signatures = Vec::new();
    for repository in ["core", "extra"] {
        let packed = fs::File::open(database(repository)).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
        for file in archive.entries().unwrap() {
            let mut text = String::new();
            file.unwrap().read_to_string(&mut text).unwrap();
            let Some((_, rest)) = text.split_once("%PGPSIG%\n") else { continue };
            let line = rest.lines().next().unwrap();
            signatures.push(base64::prelude::BASE64_STANDARD.decode(line).unwrap());
        }
    }
    signatures
}
