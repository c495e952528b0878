//! Signatures of `InRelease` files: the OpenPGP cleartext framework (RFC 9580, section 7), checked
//! against a keyring.
//!
//! The library verifies bytes; what follows here is the policy, in the manner of gpgv:
//!
//! * only text that was signed is given out, never what stands around it;
//! * one good signature by a key of the keyring is enough, what others say does not matter: the
//!   archive signs with the keys of two releases at once;
//! * of a key counts what it said of itself when it signed.
//!
//! What is asked of every key and signature besides is said in [`crate::openpgp`].

use pgp::composed::{CleartextSignedMessage, SignedPublicKey};
use pgp::packet::Signature;
use pgp::types::KeyDetails as _;

use crate::openpgp::{Maker, Refusal, certificates, issuer, timestamp, when_made};

/// The keys whose signatures count.
#[derive(Debug)]
pub struct Keyring(Vec<SignedPublicKey>);

/// Why a signed file is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not a cleartext-signed message.
    #[error("it carries no OpenPGP signature")]
    Missing,
    /// A message whose form is broken.
    #[error("its OpenPGP form is broken: {0}")]
    Malformed(String),
    /// No signature counts; one reason for each that is there.
    #[error("none of its signatures counts: {}", .0.join("; "))]
    NoneGood(Vec<String>),
}

/// A keyring that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keyring is not understood: {0}")]
pub struct KeyringError(String);

impl Keyring {
    /// Reads a keyring, binary or armored. Keys that are not understood are left out; a keyring
    /// with none left is an error.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyringError> {
        let keys = certificates(bytes).map_err(KeyringError)?;
        if keys.is_empty() {
            return Err(KeyringError("it holds no key".to_owned()));
        }
        Ok(Self(keys))
    }

    /// Its keys.
    pub(crate) fn into_keys(self) -> Vec<SignedPublicKey> {
        self.0
    }

    /// The one key of a keyring that has this fingerprint; else those that it has.
    pub(crate) fn only(self, fingerprint: &str) -> Result<Self, Vec<String>> {
        let print = |key: &SignedPublicKey| key.fingerprint().to_string().to_uppercase();
        let (one, others): (Vec<_>, Vec<_>) =
            self.0.into_iter().partition(|key| print(key) == fingerprint);
        if one.is_empty() { Err(others.iter().map(print).collect()) } else { Ok(Self(one)) }
    }

    /// The text of a cleartext-signed file, if a signature on it counts. Line ends are `\n`.
    pub fn verify(&self, signed: &[u8]) -> Result<String, SignatureError> {
        self.verify_at(signed, None)
    }

    /// The same, where the key has to be valid `now` too.
    pub(crate) fn verify_at(
        &self,
        signed: &[u8],
        now: Option<jiff::Timestamp>,
    ) -> Result<String, SignatureError> {
        let text = std::str::from_utf8(signed)
            .map_err(|_| SignatureError::Malformed("it is not UTF-8".to_owned()))?;
        if !text.starts_with("-----BEGIN PGP SIGNED MESSAGE-----") {
            return Err(SignatureError::Missing);
        }
        let (message, _) = CleartextSignedMessage::from_string(text)
            .map_err(|error| SignatureError::Malformed(error.to_string()))?;
        let signed_text = message.signed_text();
        let mut refusals = Vec::new();
        for signature in message.signatures() {
            match self.check(signature, signed_text.as_bytes(), now) {
                Ok(()) => return Ok(signed_text.replace("\r\n", "\n")),
                Err(refusal) => refusals.push(refusal.to_string()),
            }
        }
        if refusals.is_empty() {
            return Err(SignatureError::Missing);
        }
        Err(SignatureError::NoneGood(refusals))
    }

    fn check(
        &self,
        signature: &Signature,
        text: &[u8],
        now: Option<jiff::Timestamp>,
    ) -> Result<(), Refusal> {
        let now = now.map(timestamp);
        let is_valid_now = |maker: &Maker<'_>| match now {
            Some(now) => maker.check(now, now).map_err(Refusal::since),
            None => Ok(()),
        };
        let made = when_made(signature)?;
        let mut refusal = Refusal::Foreign(issuer(signature));
        for maker in Maker::of(&self.0, signature) {
            let checked = maker.check(made, made).and_then(|()| is_valid_now(&maker));
            match checked.and_then(|()| maker.verify(signature, text)) {
                Ok(()) => return Ok(()),
                Err(why) => refusal = why,
            }
        }
        Err(refusal)
    }
}
