//! OpenPGP signatures (RFC 9580): which key has made one, and whether it was a key that may.
//!
//! The library verifies bytes; what follows here is the policy that archives of all distributions
//! have in common:
//!
//! * a subkey counts when its primary key has bound it as a signing key and it has signed back;
//! * keys have to be valid *when they signed*: a dated archive is read years after its keys
//!   expired. A revoked key counts for nothing at any time: who revokes a key says that its
//!   signatures, and thus the times that they claim, cannot be trusted;
//! * nothing that rests on MD5, SHA-1, RIPEMD-160 or SHA-224.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Read;

use pgp::composed::{Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::ser::Serialize;
use pgp::types::{Fingerprint, KeyDetails, Tag, Timestamp};

use crate::armor;

/// Why one signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("made by {0}, which is not in the keyring")]
    Foreign(String),
    #[error("made by {0} with {1}, which is too weak")]
    Weak(String, HashAlgorithm),
    #[error("made by {0}, not as the signature of a document")]
    Type(String),
    #[error("made by {0}, without the time when it was made")]
    Undated(String),
    #[error("does not fit the text or file (key {0})")]
    Broken(String),
    #[error("made by {key}, which {why}")]
    Key { key: String, why: KeyRefusal },
}

impl Refusal {
    /// Of a key that has to be valid today too.
    pub(crate) fn since(self) -> Self {
        match self {
            Self::Key { key, why: KeyRefusal::Expired } => {
                Self::Key { key, why: KeyRefusal::ExpiredSince }
            }
            other => other,
        }
    }
}

/// Why a key does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyRefusal {
    #[error("is revoked")]
    Revoked,
    #[error("was not valid at that time")]
    NotThen,
    #[error("had expired by then")]
    Expired,
    #[error("has expired since")]
    ExpiredSince,
    #[error("may not sign")]
    MayNotSign,
    #[error("is not properly bound to its primary key")]
    Unbound,
    #[error("is on the keyring's list of revoked keys")]
    Listed,
    #[error("{0} of the main keys have certified, and {1} have to")]
    Uncertified(usize, usize),
}

/// The certificates of a keyring, binary or armored in one block or several. Those that are not
/// understood are left out; what several say of one key counts together.
///
/// # Errors
/// When it is none.
pub(crate) fn certificates(bytes: &[u8]) -> Result<Vec<SignedPublicKey>, String> {
    let mut places: HashMap<Fingerprint, usize> = HashMap::new();
    let mut certificates: Vec<SignedPublicKey> = Vec::new();
    // Each block by itself: a packet that is cut short does not take the next block with it.
    for block in armor::blocks(bytes, armor::PUBLIC_KEYS)? {
        let found = SignedPublicKey::from_bytes_many(&*block).map_err(|error| error.to_string())?;
        for certificate in found.flatten() {
            match places.entry(certificate.fingerprint()) {
                Entry::Vacant(place) => {
                    place.insert(certificates.len());
                    certificates.push(certificate);
                }
                Entry::Occupied(place) => merge(&mut certificates[*place.get()], certificate),
            }
        }
    }
    Ok(certificates)
}

/// Adds what another certificate says of the same key: a revocation must not be overlooked because
/// an older copy has none.
fn merge(certificate: &mut SignedPublicKey, other: SignedPublicKey) {
    let details = &mut certificate.details;
    details.revocation_signatures.extend(other.details.revocation_signatures);
    details.direct_signatures.extend(other.details.direct_signatures);
    for user in other.details.users {
        match details.users.iter_mut().find(|known| known.id == user.id) {
            Some(known) => known.signatures.extend(user.signatures),
            None => details.users.push(user),
        }
    }
    for subkey in other.public_subkeys {
        let mut known = certificate.public_subkeys.iter_mut();
        match known.find(|known| known.key.fingerprint() == subkey.key.fingerprint()) {
            Some(known) => known.signatures.extend(subkey.signatures),
            None => certificate.public_subkeys.push(subkey),
        }
    }
}

/// A time as OpenPGP has it, which ends in 2106.
pub(crate) fn timestamp(time: jiff::Timestamp) -> Timestamp {
    Timestamp::from_secs(u32::try_from(time.as_second()).unwrap_or(u32::MAX))
}

/// When a signature of a document was made, if it is one and may count at all.
pub(crate) fn when_made(signature: &Signature) -> Result<Timestamp, Refusal> {
    if !matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary)) {
        return Err(Refusal::Type(issuer(signature)));
    }
    if !is_strong(signature) {
        let hash = signature.hash_alg().unwrap_or(HashAlgorithm::None);
        return Err(Refusal::Weak(issuer(signature), hash));
    }
    signature.created().ok_or_else(|| Refusal::Undated(issuer(signature)))
}

/// A key of a keyring that a signature says has made it.
pub(crate) struct Maker<'k> {
    pub(crate) certificate: &'k SignedPublicKey,
    /// None where it is the primary key.
    subkey: Option<&'k SignedPublicSubKey>,
}

impl<'k> Maker<'k> {
    /// Those keys. A short name may fit several.
    pub(crate) fn of(keys: &'k [SignedPublicKey], signature: &Signature) -> Vec<Self> {
        let mut makers = Vec::new();
        for certificate in keys {
            if is_issuer(signature, &certificate.primary_key) {
                makers.push(Self { certificate, subkey: None });
            }
            let subkeys = certificate.public_subkeys.iter();
            let makes = subkeys.filter(|subkey| is_issuer(signature, &subkey.key));
            makers.extend(makes.map(|subkey| Self { certificate, subkey: Some(subkey) }));
        }
        makers
    }

    /// Whether the key could make a signature at `made`, as its owner's newest statement from
    /// before `as_of` says.
    pub(crate) fn check(&self, made: Timestamp, as_of: Timestamp) -> Result<(), Refusal> {
        let checked = match self.subkey {
            None => check_primary(self.certificate, made, as_of, true),
            Some(subkey) => check_primary(self.certificate, made, as_of, false)
                .and_then(|()| check_subkey(self.certificate, subkey, made, as_of)),
        };
        checked.map_err(|why| self.refused(why))
    }

    /// Whether the signature is one of these bytes.
    pub(crate) fn verify(&self, signature: &Signature, bytes: impl Read) -> Result<(), Refusal> {
        let verified = match self.subkey {
            None => signature.verify(&self.certificate.primary_key, bytes),
            Some(subkey) => signature.verify(&subkey.key, bytes),
        };
        verified.map_err(|_| Refusal::Broken(self.fingerprint()))
    }

    /// The refusal of this key.
    pub(crate) fn refused(&self, why: KeyRefusal) -> Refusal {
        Refusal::Key { key: self.fingerprint(), why }
    }

    fn fingerprint(&self) -> String {
        match self.subkey {
            None => self.certificate.fingerprint().to_string(),
            Some(subkey) => subkey.key.fingerprint().to_string(),
        }
    }
}

/// Whether the primary key was valid at `when`, as its own newest statement from before `as_of` says.
fn check_primary(
    certificate: &SignedPublicKey,
    when: Timestamp,
    as_of: Timestamp,
    has_to_sign: bool,
) -> Result<(), KeyRefusal> {
    let key = &certificate.primary_key;
    let details = &certificate.details;
    if is_revoked(certificate) {
        return Err(KeyRefusal::Revoked);
    }
    if key.created_at() > when {
        return Err(KeyRefusal::NotThen);
    }
    let of_users = details.users.iter().filter_map(|user| {
        let about = user.signatures.iter().filter(|s| is_about_user(s) && is_issuer(s, key));
        let sound = |s: &Signature| s.verify_certification(key, Tag::UserId, &user.id).is_ok();
        newest(about, as_of, sound).filter(|s| is_certification(s))
    });
    let direct = details.direct_signatures.iter();
    let direct = direct.filter(|s| s.typ() == Some(SignatureType::Key) && is_issuer(s, key));
    let direct = newest(direct, as_of, |s| s.verify_key(key).is_ok());
    let statement = of_users.chain(direct).max_by_key(|s| s.created());
    let statement = statement.ok_or(KeyRefusal::NotThen)?;
    if is_expired(key.created_at(), statement, when) {
        return Err(KeyRefusal::Expired);
    }
    if has_to_sign && !statement.key_flags().sign() {
        return Err(KeyRefusal::MayNotSign);
    }
    Ok(())
}

/// Whether the subkey was a signing key at `when`, as the newest statement from before `as_of` says.
fn check_subkey(
    certificate: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    when: Timestamp,
    as_of: Timestamp,
) -> Result<(), KeyRefusal> {
    let primary = &certificate.primary_key;
    let key = &subkey.key;
    let is_sound = |s: &Signature| s.verify_subkey_binding(primary, key).is_ok();
    let of_type = |typ| subkey.signatures.iter().filter(move |s: &&Signature| s.typ() == Some(typ));
    if of_type(SignatureType::SubkeyRevocation).any(is_sound) {
        return Err(KeyRefusal::Revoked);
    }
    if key.created_at() > when {
        return Err(KeyRefusal::NotThen);
    }
    let binding = newest(of_type(SignatureType::SubkeyBinding), as_of, is_sound);
    let binding = binding.ok_or(KeyRefusal::Unbound)?;
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

/// Whether the owner of a key has revoked it.
pub(crate) fn is_revoked(certificate: &SignedPublicKey) -> bool {
    let key = &certificate.primary_key;
    let mut revocations = certificate.details.revocation_signatures.iter();
    revocations.any(|s| s.typ() == Some(SignatureType::KeyRevocation) && s.verify_key(key).is_ok())
}

/// The newest statement about a key that was made by `when` and is sound. To find that out takes a
/// thousand times as long as everything else here, so the newest is tried first.
pub(crate) fn newest<'s>(
    statements: impl Iterator<Item = &'s Signature>,
    when: Timestamp,
    is_sound: impl Fn(&Signature) -> bool,
) -> Option<&'s Signature> {
    let made_by_then = |s: &Signature| s.created().is_some_and(|made| made <= when);
    let mut statements: Vec<_> = statements.filter(|s| is_strong(s) && made_by_then(s)).collect();
    statements.sort_by_key(|s| std::cmp::Reverse(s.created()));
    statements.into_iter().find(|s| is_sound(s))
}

/// Whether a signature says that a user id is the key owner's, or takes that back. (What the
/// library calls a certification is either.)
pub(crate) fn is_about_user(signature: &Signature) -> bool {
    is_certification(signature) || signature.typ() == Some(SignatureType::CertRevocation)
}

/// Whether a signature says that a user id is the key owner's.
pub(crate) fn is_certification(signature: &Signature) -> bool {
    matches!(
        signature.typ(),
        Some(
            SignatureType::CertGeneric
                | SignatureType::CertPersona
                | SignatureType::CertCasual
                | SignatureType::CertPositive
        )
    )
}

/// A key expires so many seconds after it was made; none or zero is never (RFC 9580, 5.2.3.13).
fn is_expired(created: Timestamp, statement: &Signature, when: Timestamp) -> bool {
    let lifetime = statement.key_expiration_time().map_or(0, |d| u64::from(d.as_secs()));
    lifetime != 0 && u64::from(when.as_secs()) >= u64::from(created.as_secs()) + lifetime
}

pub(crate) fn is_strong(signature: &Signature) -> bool {
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
pub(crate) fn is_issuer(signature: &Signature, key: &(impl KeyDetails + Serialize)) -> bool {
    let prints = signature.issuer_fingerprint();
    if prints.is_empty() {
        return signature.issuer_key_id().contains(&&key.legacy_key_id());
    }
    prints.contains(&&key.fingerprint())
}

/// Who a signature says has made it.
pub(crate) fn issuer(signature: &Signature) -> String {
    let print = signature.issuer_fingerprint().first().map(ToString::to_string);
    let id = signature.issuer_key_id().first().map(ToString::to_string);
    print.or(id).unwrap_or_else(|| "nobody".to_owned())
}
