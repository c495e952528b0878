//! Signatures of `InRelease` files: the OpenPGP cleartext framework (RFC 9580, section 7), checked
//! against a keyring.
//!
//! The library verifies bytes; what follows here is the policy, in the manner of gpgv:
//!
//! * only text that was signed is given out, never what stands around it;
//! * one good signature by a key of the keyring is enough, what others say does not matter: the
//!   archive signs with the keys of two releases at once;
//! * a subkey counts when its primary key has bound it as a signing key and it has signed back;
//! * keys have to be valid *when they signed*: a dated archive is read years after its keys
//!   expired. A revoked key counts for nothing at any time: who revokes a key says that its
//!   signatures, and thus the times that they claim, cannot be trusted;
//! * nothing that rests on MD5, SHA-1, RIPEMD-160 or SHA-224.

use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, Tag, Timestamp, VerifyingKey};

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

/// Why one signature does not count.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("made by {0}, which is not in the keyring")]
    Foreign(String),
    #[error("made with {0}, which is too weak")]
    Weak(HashAlgorithm),
    #[error("not a signature of a document")]
    Type,
    #[error("without the time when it was made")]
    Undated,
    #[error("does not fit the text (key {0})")]
    Broken(String),
    #[error("made by {key}, which {why}")]
    Key { key: String, why: KeyRefusal },
}

/// Why a key does not count.
#[derive(Debug, thiserror::Error)]
enum KeyRefusal {
    #[error("is revoked")]
    Revoked,
    #[error("was not valid at that time")]
    NotThen,
    #[error("had expired by then")]
    Expired,
    #[error("may not sign")]
    MayNotSign,
    #[error("is not properly bound to its primary key")]
    Unbound,
}

impl Keyring {
    /// Reads a keyring, binary or armored. Keys that are not understood are left out; a keyring
    /// with none left is an error.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyringError> {
        let wrong = |error: pgp::errors::Error| KeyringError(error.to_string());
        let keys: Vec<_> = if bytes.starts_with(b"-----BEGIN") {
            SignedPublicKey::from_armor_many(bytes).map_err(wrong)?.0.flatten().collect()
        } else {
            SignedPublicKey::from_bytes_many(bytes).map_err(wrong)?.flatten().collect()
        };
        if keys.is_empty() {
            return Err(KeyringError("it holds no key".to_owned()));
        }
        Ok(Self(keys))
    }

    /// The text of a cleartext-signed file, if a signature on it counts. Line ends are `\n`.
    pub fn verify(&self, signed: &[u8]) -> Result<String, SignatureError> {
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
            match self.check(signature, signed_text.as_bytes()) {
                Ok(()) => return Ok(signed_text.replace("\r\n", "\n")),
                Err(refusal) => refusals.push(refusal.to_string()),
            }
        }
        if refusals.is_empty() {
            return Err(SignatureError::Missing);
        }
        Err(SignatureError::NoneGood(refusals))
    }

    fn check(&self, signature: &Signature, text: &[u8]) -> Result<(), Refusal> {
        if !matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary)) {
            return Err(Refusal::Type);
        }
        let hash = signature.hash_alg().unwrap_or(HashAlgorithm::None);
        if !is_strong(signature) {
            return Err(Refusal::Weak(hash));
        }
        let made = signature.created().ok_or(Refusal::Undated)?;
        let mut refusal = Refusal::Foreign(issuer(signature));
        for certificate in &self.0 {
            let primary = &certificate.primary_key;
            if is_issuer(signature, primary) {
                let checked = check_primary(certificate, made, true);
                match verdict(signature, primary, text, checked) {
                    Ok(()) => return Ok(()),
                    Err(why) => refusal = why,
                }
            }
            for subkey in &certificate.public_subkeys {
                if is_issuer(signature, &subkey.key) {
                    let checked = check_primary(certificate, made, false)
                        .and_then(|()| check_subkey(certificate, subkey, made));
                    match verdict(signature, &subkey.key, text, checked) {
                        Ok(()) => return Ok(()),
                        Err(why) => refusal = why,
                    }
                }
            }
        }
        Err(refusal)
    }
}

fn verdict(
    signature: &Signature,
    key: &impl VerifyingKey,
    text: &[u8],
    checked: Result<(), KeyRefusal>,
) -> Result<(), Refusal> {
    let name = key.fingerprint().to_string();
    checked.map_err(|why| Refusal::Key { key: name.clone(), why })?;
    signature.verify(key, text).map_err(|_| Refusal::Broken(name))
}

/// Whether the primary key was valid at `when`, as its own newest statement from before that says.
fn check_primary(
    certificate: &SignedPublicKey,
    when: Timestamp,
    has_to_sign: bool,
) -> Result<(), KeyRefusal> {
    let key = &certificate.primary_key;
    let details = &certificate.details;
    let revoked = details
        .revocation_signatures
        .iter()
        .any(|s| s.typ() == Some(SignatureType::KeyRevocation) && s.verify_key(key).is_ok());
    if revoked {
        return Err(KeyRefusal::Revoked);
    }
    if key.created_at() > when {
        return Err(KeyRefusal::NotThen);
    }
    let of_users = details.users.iter().flat_map(|user| {
        user.signatures.iter().filter(|s| {
            s.is_certification() && s.verify_certification(key, Tag::UserId, &user.id).is_ok()
        })
    });
    let direct = details
        .direct_signatures
        .iter()
        .filter(|s| s.typ() == Some(SignatureType::Key) && s.verify_key(key).is_ok());
    let statement = newest(of_users.chain(direct), when).ok_or(KeyRefusal::NotThen)?;
    if is_expired(key.created_at(), statement, when) {
        return Err(KeyRefusal::Expired);
    }
    if has_to_sign && !statement.key_flags().sign() {
        return Err(KeyRefusal::MayNotSign);
    }
    Ok(())
}

/// Whether the subkey was a signing key at `when`.
fn check_subkey(
    certificate: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    when: Timestamp,
) -> Result<(), KeyRefusal> {
    let primary = &certificate.primary_key;
    let key = &subkey.key;
    let of_type = |typ| {
        subkey
            .signatures
            .iter()
            .filter(move |s| s.typ() == Some(typ) && s.verify_subkey_binding(primary, key).is_ok())
    };
    if of_type(SignatureType::SubkeyRevocation).next().is_some() {
        return Err(KeyRefusal::Revoked);
    }
    if key.created_at() > when {
        return Err(KeyRefusal::NotThen);
    }
    let binding = newest(of_type(SignatureType::SubkeyBinding), when).ok_or(KeyRefusal::Unbound)?;
    if !binding.key_flags().sign() {
        return Err(KeyRefusal::MayNotSign);
    }
    let back = binding.embedded_signature().ok_or(KeyRefusal::Unbound)?;
    if !is_strong(back) || back.verify_primary_key_binding(key, primary).is_err() {
        return Err(KeyRefusal::Unbound);
    }
    if is_expired(key.created_at(), binding, when) {
        return Err(KeyRefusal::Expired);
    }
    Ok(())
}

/// The newest statement about a key that was made by `when`.
fn newest<'s>(
    statements: impl Iterator<Item = &'s Signature>,
    when: Timestamp,
) -> Option<&'s Signature> {
    statements
        .filter(|s| is_strong(s) && s.created().is_some_and(|made| made <= when))
        .max_by_key(|s| s.created())
}

/// A key expires so many seconds after it was made; none or zero is never (RFC 9580, 5.2.3.13).
fn is_expired(created: Timestamp, statement: &Signature, when: Timestamp) -> bool {
    let lifetime = statement.key_expiration_time().map_or(0, |d| u64::from(d.as_secs()));
    lifetime != 0 && u64::from(when.as_secs()) >= u64::from(created.as_secs()) + lifetime
}

fn is_strong(signature: &Signature) -> bool {
    matches!(
        signature.hash_alg(),
        Some(
            HashAlgorithm::Sha256
                | HashAlgorithm::Sha384
                | HashAlgorithm::Sha512
                | HashAlgorithm::Sha3_256
                | HashAlgorithm::Sha3_512
        )
    )
}

/// Whether the signature says that this key made it. One that names nobody is nobody's.
fn is_issuer(signature: &Signature, key: &(impl KeyDetails + Serialize)) -> bool {
    let prints = signature.issuer_fingerprint();
    if prints.is_empty() {
        return signature.issuer_key_id().contains(&&key.legacy_key_id());
    }
    prints.contains(&&key.fingerprint())
}

fn issuer(signature: &Signature) -> String {
    let print = signature.issuer_fingerprint().first().map(ToString::to_string);
    let id = signature.issuer_key_id().first().map(ToString::to_string);
    print.or(id).unwrap_or_else(|| "nobody".to_owned())
}
