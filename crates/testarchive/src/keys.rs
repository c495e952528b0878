//! Arch's keys: five main keys that certify packagers, and packagers of all kinds.

use pgp::composed::{
    DetachedSignature, KeyType, SecretKeyParamsBuilder, SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, Password, SigningKey, Timestamp};

/// A day in seconds.
pub(crate) const DAY: u32 = 86_400;
/// When all keys are made: 1 January 2020, in seconds since 1970.
pub const MADE: u32 = 1_577_836_800;
/// When the key of [`Signer::Expired`] expires: 1 January 2021.
pub const EXPIRY: u32 = MADE + 366 * DAY;

/// Who signs a package, and so whether it is to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// Certified by all main keys.
    Packager,
    /// The same, by a subkey.
    Subkey,
    /// Certified by all main keys and listed in `archlinux-revoked`.
    Revoked,
    /// Certified by all main keys and revoked by its own owner.
    SelfRevoked,
    /// Certified by all main keys; signs a day after its key expired.
    Expired,
    /// The same key, a day before it expires.
    BeforeExpiry,
    /// Certified by two main keys.
    Stranger,
    /// Certified by three main keys, one of which has revoked that.
    Withdrawn,
    /// Certified by three main keys, one of which is revoked.
    Doubtful,
    /// Not in the keyring, for all that it calls itself a packager.
    Unknown,
    /// Nobody: there is no signature.
    None,
}

/// One key with one subkey; both sign.
#[derive(Debug)]
pub struct Key {
    pub(crate) secret: SignedSecretKey,
    pub(crate) name: String,
}

/// All of them.
#[derive(Debug)]
pub struct Keys {
    /// The five main keys.
    pub main: Vec<Key>,
    /// A sixth main key, which is in `archlinux-revoked` and no longer trusted.
    pub former: Key,
    /// [`Signer::Packager`] and [`Signer::Subkey`].
    pub packager: Key,
    /// [`Signer::Revoked`].
    pub revoked: Key,
    /// [`Signer::SelfRevoked`].
    pub self_revoked: Key,
    /// [`Signer::Expired`] and [`Signer::BeforeExpiry`].
    pub expired: Key,
    /// [`Signer::Stranger`].
    pub stranger: Key,
    /// [`Signer::Withdrawn`].
    pub withdrawn: Key,
    /// [`Signer::Doubtful`].
    pub doubtful: Key,
    /// [`Signer::Unknown`].
    pub unknown: Key,
}

impl Key {
    /// A new Ed25519 key, made at [`MADE`].
    pub fn generate(name: &str) -> Self {
        let made = Timestamp::from_secs(MADE);
        // gpg 2.2 knows no newer form.
        let subkey = SubkeyParamsBuilder::default()
            .key_type(KeyType::Ed25519Legacy)
            .created_at(made)
            .can_sign(true)
            .build()
            .unwrap();
        let name = format!("{name} <{}@example.org>", name.to_lowercase().replace(' ', "."));
        let secret = SecretKeyParamsBuilder::default()
            .key_type(KeyType::Ed25519Legacy)
            .created_at(made)
            .can_certify(true)
            .can_sign(true)
            .primary_user_id(name.clone())
            .subkey(subkey)
            .build()
            .unwrap()
            .generate(rand::thread_rng())
            .unwrap();
        Self { secret, name }
    }

    /// 40 upper-case hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        self.secret.primary_key.fingerprint().to_string().to_uppercase()
    }

    /// A detached signature of `bytes`, binary, made at `when`, in seconds since 1970.
    pub fn sign(&self, bytes: &[u8], when: u32) -> Vec<u8> {
        detached(&self.secret.primary_key, bytes, when)
    }

    /// The same by the subkey.
    pub fn sign_by_subkey(&self, bytes: &[u8], when: u32) -> Vec<u8> {
        detached(&self.secret.secret_subkeys[0].key, bytes, when)
    }
}

impl Keys {
    /// New ones: others each time.
    pub fn generate() -> Self {
        let main = (1..=5).map(|number| Key::generate(&format!("Main Key {number}"))).collect();
        Self {
            main,
            former: Key::generate("Former Main Key"),
            packager: Key::generate("Packager"),
            revoked: Key::generate("Revoked"),
            self_revoked: Key::generate("Self Revoked"),
            expired: Key::generate("Expired"),
            stranger: Key::generate("Stranger"),
            withdrawn: Key::generate("Withdrawn"),
            doubtful: Key::generate("Doubtful"),
            unknown: Key::generate("Packager"),
        }
    }

    /// The fingerprints of the main keys.
    pub fn main_fingerprints(&self) -> Vec<String> {
        self.main.iter().map(Key::fingerprint).collect()
    }

    /// What `signer` says of `bytes` at `when`, in seconds since 1970: a detached signature.
    pub fn sign(&self, signer: Signer, bytes: &[u8], when: u32) -> Option<Vec<u8>> {
        let key = match signer {
            Signer::None => return None,
            Signer::Subkey => return Some(self.packager.sign_by_subkey(bytes, when)),
            Signer::Packager => &self.packager,
            Signer::Revoked => &self.revoked,
            Signer::SelfRevoked => &self.self_revoked,
            Signer::Expired | Signer::BeforeExpiry => &self.expired,
            Signer::Stranger => &self.stranger,
            Signer::Withdrawn => &self.withdrawn,
            Signer::Doubtful => &self.doubtful,
            Signer::Unknown => &self.unknown,
        };
        Some(key.sign(bytes, when))
    }
}

fn detached(key: &impl SigningKey, bytes: &[u8], when: u32) -> Vec<u8> {
    let mut config =
        SignatureConfig::v4(SignatureType::Binary, key.algorithm(), HashAlgorithm::Sha512);
    config.hashed_subpackets = about(key, when);
    config.unhashed_subpackets = vec![issuer(key)];
    let signature = config.sign(key, &Password::empty(), bytes).unwrap();
    DetachedSignature::new(signature).to_bytes().unwrap()
}

/// Who says something, and when.
pub(crate) fn about(key: &impl KeyDetails, when: u32) -> Vec<Subpacket> {
    let time = SubpacketData::SignatureCreationTime(Timestamp::from_secs(when));
    [time, SubpacketData::IssuerFingerprint(key.fingerprint())]
        .map(|data| Subpacket::regular(data).unwrap())
        .into()
}

/// Who says something, in the short form that gpg adds.
pub(crate) fn issuer(key: &impl KeyDetails) -> Subpacket {
    Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id())).unwrap()
}
