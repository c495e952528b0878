//! Who may sign packages: the keyring that a lock has in its archlinux-keyring.
//!
//! The policy is pacman's, as `pacman-key --populate` sets it up with the web of trust of gpg: a
//! packager's key counts when three main keys have certified one of its user ids and have not taken
//! that back. What is asked of every key and signature besides is said in [`crate::openpgp`]. Two
//! things differ from Debian's:
//!
//! * of a key counts what it says of itself *now*: the keyring keeps only the newest statements,
//!   and packagers extend the life of their keys after they have signed;
//! * every signature of a file has to count, not just one.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};

use pgp::composed::{Deserializable, DetachedSignature, SignedPublicKey};
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, SignedUser, Tag, Timestamp};

use super::main_keys::{MainKeys, trusted_keys};
use super::package_file::members;
use crate::armor;
use crate::error::Error;
use crate::openpgp::{self, KeyRefusal, Maker, Refusal, certificates, is_revoked};

/// How many main keys have to have certified a key: gpg's `marginals-needed`, which pacman leaves
/// as it is.
const CERTIFICATIONS: usize = 3;
/// Where the package has its files, and what they may have.
const FOLDER: &str = "usr/share/pacman/keyrings";
const LARGEST: u64 = 64 << 20;

/// The keys of packagers, and those that certify and revoke them.
#[derive(Debug)]
pub struct Keyring {
    certificates: Vec<SignedPublicKey>,
    by_fingerprint: HashMap<String, usize>,
    /// Fingerprints of the main keys.
    main: BTreeSet<String>,
    /// Fingerprints of keys that do not count any more.
    revoked: BTreeSet<String>,
}

/// The one key that vouches for a repository beside Arch's.
pub(crate) struct OneKey(Vec<SignedPublicKey>);

impl OneKey {
    /// The key of the fingerprint that the definition has, out of its key file.
    pub(crate) fn of(extra: &lock::Extra) -> Result<Self, Error> {
        Ok(Self(crate::debian::Keyring::of_extra(extra)?.into_keys()))
    }

    /// Whether the detached signature of bytes is by it; where a time is given, by a key that is
    /// valid then, too.
    pub(crate) fn verify(
        &self,
        signature: &[u8],
        bytes: &[u8],
        now: Option<jiff::Timestamp>,
    ) -> Result<(), SignatureError> {
        let now = now.map(openpgp::timestamp);
        for signature in parse(signature)? {
            let made = openpgp::when_made(&signature).map_err(refused)?;
            let mut checked = Err(Refusal::Foreign(openpgp::issuer(&signature)));
            for maker in Maker::of(&self.0, &signature) {
                let is_valid_now =
                    || now.map_or(Ok(()), |now| maker.check(now, now).map_err(Refusal::since));
                checked = maker.check(made, made).and_then(|()| is_valid_now());
                checked = checked.and_then(|()| maker.verify(&signature, bytes));
                if checked.is_ok() {
                    break;
                }
            }
            checked.map_err(refused)?;
        }
        Ok(())
    }
}

/// Why a package's signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not a detached signature.
    #[error("its signature is none: {0}")]
    Malformed(String),
    /// A signature that does not count: by whom, and why.
    #[error("{0}")]
    Refused(String),
    /// A file that cannot be read, or that is no archlinux-keyring.
    #[error("it cannot be read: {0}")]
    Read(String),
}

impl Keyring {
    /// Reads the keyring out of the package archlinux-keyring, whose signature is to be by a key
    /// that three of `main_keys` have certified. The certificates for that are in the package
    /// itself: what vouches for them are the fingerprints.
    ///
    /// # Errors
    /// When it is no such package, or its signature does not count.
    pub fn read(
        package: &[u8],
        signature: &[u8],
        main_keys: &MainKeys,
    ) -> Result<Self, SignatureError> {
        let names = ["archlinux.gpg", "archlinux-trusted", "archlinux-revoked"];
        let paths = names.map(|name| format!("{FOLDER}/{name}"));
        let paths = [&*paths[0], &*paths[1], &*paths[2]];
        let unread = |error: io::Error| SignatureError::Read(error.to_string());
        let found = members(package, paths, LARGEST).map_err(unread)?;
        let [Some(keys), Some(trusted), revoked] = found else {
            return Err(SignatureError::Read(format!("it has no {FOLDER}/archlinux.gpg")));
        };
        let revoked = String::from_utf8_lossy(&revoked.unwrap_or_default()).into_owned();
        let trusted = String::from_utf8_lossy(&trusted);
        let keyring = Self::new(&keys, &trusted, &revoked)?;
        let main = keyring.main.clone();
        let beginning = Self { main: main_keys.0.clone(), ..keyring };
        beginning.verify(signature, || Ok(package))?;
        Ok(Self { main, ..beginning })
    }

    /// A keyring of files whose origin is known: certificates, main keys, keys that do not count
    /// any more, as archlinux-keyring has them.
    ///
    /// # Errors
    /// When the certificates are none.
    pub fn new(keys: &[u8], trusted: &str, revoked: &str) -> Result<Self, SignatureError> {
        let certificates = certificates(keys).map_err(SignatureError::Read)?;
        let names = certificates.iter().enumerate();
        Ok(Self {
            by_fingerprint: names.map(|(at, key)| (fingerprint(key), at)).collect(),
            certificates,
            main: trusted_keys(trusted),
            revoked: revoked.lines().filter_map(parse_fingerprint).collect(),
        })
    }

    /// Whether the detached signature of a file counts. The file is read once for each signature
    /// in it, which is nearly always one.
    ///
    /// # Errors
    /// When it does not, with the signer and the reason.
    pub fn verify<R: Read>(
        &self,
        signature: &[u8],
        mut file: impl FnMut() -> io::Result<R>,
    ) -> Result<(), SignatureError> {
        for signature in parse(signature)? {
            let (maker, _) = self.maker(&signature).map_err(refused)?;
            let bytes = file().map_err(|error| SignatureError::Read(error.to_string()))?;
            maker.verify(&signature, bytes).map_err(refused)?;
        }
        Ok(())
    }

    /// Whether a detached signature is by somebody who may sign packages. Whether it is the
    /// signature of a file is not known after that.
    ///
    /// # Errors
    /// When it is not.
    pub fn check_signer(&self, signature: &[u8]) -> Result<(), SignatureError> {
        let signatures = parse(signature)?;
        signatures.iter().try_for_each(|signature| self.maker(signature).map(drop)).map_err(refused)
    }

    /// How many keys may sign packages at `when`, in seconds since 1970.
    pub fn signers(&self, when: u32) -> usize {
        let when = Timestamp::from_secs(when);
        let may = |key: &&SignedPublicKey| self.trust(key, when).is_ok();
        self.certificates.iter().filter(may).count()
    }

    /// Who has made a signature, if it is somebody whose signatures count.
    fn maker(&self, signature: &Signature) -> Result<(Maker<'_>, Timestamp), Refusal> {
        let made = openpgp::when_made(signature)?;
        // That of a text would leave line ends open.
        if signature.typ() != Some(SignatureType::Binary) {
            return Err(Refusal::Type(openpgp::issuer(signature)));
        }
        let mut refusal = Refusal::Foreign(openpgp::issuer(signature));
        for maker in Maker::of(&self.certificates, signature) {
            let trusted = self.trust(maker.certificate, made).map_err(|why| maker.refused(why));
            match trusted.and_then(|()| maker.check(made, now())) {
                Ok(()) => return Ok((maker, made)),
                Err(why) => refusal = why,
            }
        }
        Err(refusal)
    }

    /// The certificates of the main keys that count.
    fn main_keys(&self) -> impl Iterator<Item = &SignedPublicKey> {
        self.main.iter().filter_map(|name| {
            let key = &self.certificates[*self.by_fingerprint.get(name)?];
            (!self.revoked.contains(name) && !is_revoked(key)).then_some(key)
        })
    }

    fn trust(&self, key: &SignedPublicKey, when: Timestamp) -> Result<(), KeyRefusal> {
        if self.revoked.contains(&fingerprint(key)) {
            return Err(KeyRefusal::Listed);
        }
        if is_revoked(key) {
            return Err(KeyRefusal::Revoked);
        }
        let mut most = 0;
        for user in &key.details.users {
            if !certifies(key, key, user, when) {
                continue;
            }
            let certified = self.main_keys().filter(|main| certifies(main, key, user, when));
            most = most.max(certified.take(CERTIFICATIONS).count());
            if most == CERTIFICATIONS {
                return Ok(());
            }
        }
        Err(KeyRefusal::Uncertified(most, CERTIFICATIONS))
    }
}

/// Whether the newest that `by` says of a user id of a key is that it is that user's.
fn certifies(
    by: &SignedPublicKey,
    key: &SignedPublicKey,
    user: &SignedUser,
    when: Timestamp,
) -> bool {
    let (by, of) = (&by.primary_key, &key.primary_key);
    let statements = user.signatures.iter();
    let statements = statements.filter(|s| openpgp::is_about_user(s) && openpgp::is_issuer(s, by));
    // Whatever is said by now: what is taken back never counted.
    let newest = openpgp::newest(statements, now(), |s| {
        let verified = if by.fingerprint() == of.fingerprint() {
            s.verify_certification(of, Tag::UserId, &user.id)
        } else {
            s.verify_third_party_certification(of, by, Tag::UserId, &user.id)
        };
        verified.is_ok()
    });
    newest.is_some_and(|s| openpgp::is_certification(s) && !has_expired(s, when))
}

/// The end of time for OpenPGP.
fn now() -> Timestamp {
    Timestamp::from_secs(u32::MAX)
}

/// A certification may have an end (RFC 9580, 5.2.3.18).
fn has_expired(certification: &Signature, when: Timestamp) -> bool {
    let lifetime = certification.signature_expiration_time().map_or(0, |d| u64::from(d.as_secs()));
    let made = certification.created().map_or(0, |made| u64::from(made.as_secs()));
    lifetime != 0 && u64::from(when.as_secs()) >= made + lifetime
}

fn parse(signature: &[u8]) -> Result<Vec<Signature>, SignatureError> {
    let wrong = |error: pgp::errors::Error| SignatureError::Malformed(error.to_string());
    let mut signatures = Vec::new();
    for block in armor::blocks(signature, armor::SIGNATURE).map_err(SignatureError::Malformed)? {
        for one in DetachedSignature::from_bytes_many(&*block).map_err(wrong)? {
            signatures.push(one.map_err(wrong)?.signature);
        }
    }
    if signatures.is_empty() {
        return Err(SignatureError::Malformed("it is empty".to_owned()));
    }
    Ok(signatures)
}

fn refused(refusal: Refusal) -> SignatureError {
    SignatureError::Refused(refusal.to_string())
}

fn fingerprint(key: &SignedPublicKey) -> String {
    key.fingerprint().to_string().to_ascii_uppercase()
}

/// A fingerprint in capitals with no blanks; of version 4 or 6 (RFC 9580, 5.5.4).
pub(crate) fn parse_fingerprint(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let is_one = matches!(digits.len(), 40 | 64) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_one.then(|| digits.to_ascii_uppercase())
}
