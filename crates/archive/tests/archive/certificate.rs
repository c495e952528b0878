//! OpenPGP keys to sign with, as good or bad as a test wants them. Times are seconds since 1970.

use pgp::composed::{
    CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedKeyDetails, SignedPublicKey,
    SignedPublicSubKey, SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, Password, SigningKey, Timestamp};
use rand::SeedableRng;

/// When keys are made: 1 January 2020.
pub(crate) const MADE: u32 = 1_577_836_800;
/// A day.
pub(crate) const DAY: u32 = 86_400;

/// What a key and its subkey are like.
#[derive(Clone)]
pub(crate) struct Nature {
    /// Seconds that the primary key is valid.
    pub(crate) lifetime: Option<u32>,
    pub(crate) revoked: bool,
    /// The digest of what the key says about itself and its subkey.
    pub(crate) hash: HashAlgorithm,
    /// RSA keys sign any digest, the others no weak one.
    pub(crate) rsa: bool,
    /// Whether the primary key may sign documents.
    pub(crate) may_sign: bool,
    pub(crate) subkey_lifetime: Option<u32>,
    pub(crate) subkey_revoked: bool,
    pub(crate) subkey_may_sign: bool,
    /// Whether the subkey has signed back.
    pub(crate) back_signature: bool,
}

impl Default for Nature {
    fn default() -> Self {
        Self {
            lifetime: None,
            revoked: false,
            hash: HashAlgorithm::Sha512,
            rsa: false,
            may_sign: true,
            subkey_lifetime: None,
            subkey_revoked: false,
            subkey_may_sign: true,
            back_signature: true,
        }
    }
}

/// A key with one subkey.
pub(crate) struct Certificate {
    secret: SignedSecretKey,
    nature: Nature,
}

/// Which of the two keys signs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    Primary,
    Subkey,
}

impl Certificate {
    /// The same seed makes the same key.
    pub(crate) fn new(seed: u64, nature: Nature) -> Self {
        let made = Timestamp::from_secs(MADE);
        let key_type = if nature.rsa { KeyType::Rsa(2048) } else { KeyType::Ed25519Legacy };
        let subkey = SubkeyParamsBuilder::default()
            .key_type(key_type.clone())
            .created_at(made)
            .can_sign(true)
            .build()
            .unwrap();
        let secret = SecretKeyParamsBuilder::default()
            .key_type(key_type)
            .created_at(made)
            .can_certify(true)
            .can_sign(true)
            .primary_user_id("Archive <archive@example.org>".to_owned())
            .subkey(subkey)
            .build()
            .unwrap()
            .generate(rand::rngs::StdRng::seed_from_u64(seed))
            .unwrap();
        Self { secret, nature }
    }

    /// A key with nothing wrong.
    pub(crate) fn good(seed: u64) -> Self {
        Self::new(seed, Nature::default())
    }

    /// The public certificate, in binary form.
    pub(crate) fn public(&self) -> Vec<u8> {
        let nature = &self.nature;
        let primary = self.secret.primary_key.public_key().clone();
        let about = self.statement(SignatureType::Key, nature.may_sign, nature.lifetime);
        let direct = about.sign_key(&self.secret.primary_key, &password(), &primary).unwrap();
        let mut revocations = Vec::new();
        if nature.revoked {
            let revocation = self.statement(SignatureType::KeyRevocation, true, None);
            let revocation = revocation.sign_key(&self.secret.primary_key, &password(), &primary);
            revocations.push(revocation.unwrap());
        }
        let details = SignedKeyDetails::new(revocations, vec![direct], Vec::new(), Vec::new());
        let public_subkeys = vec![self.subkey()];
        SignedPublicKey { primary_key: primary, details, public_subkeys }.to_bytes().unwrap()
    }

    /// The certificate whose own statements are made with another digest.
    pub(crate) fn public_with(&self, hash: HashAlgorithm) -> Vec<u8> {
        let nature = Nature { hash, ..self.nature.clone() };
        Self { secret: self.secret.clone(), nature }.public()
    }

    /// This key's certificate with the subkey of another, as a forger would have it.
    pub(crate) fn with_subkey_of(&self, other: &Self) -> Vec<u8> {
        use pgp::composed::Deserializable;
        let mut certificate = SignedPublicKey::from_bytes(&self.public()[..]).unwrap();
        certificate.public_subkeys = vec![other.subkey()];
        certificate.to_bytes().unwrap()
    }

    fn subkey(&self) -> SignedPublicSubKey {
        let nature = &self.nature;
        let primary = &self.secret.primary_key;
        let subkey = &self.secret.secret_subkeys[0].key;
        let mut binding = self.statement(
            SignatureType::SubkeyBinding,
            nature.subkey_may_sign,
            nature.subkey_lifetime,
        );
        if nature.back_signature {
            let back = SignatureConfig {
                hashed_subpackets: vec![
                    regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(MADE))),
                    regular(SubpacketData::IssuerFingerprint(subkey.fingerprint())),
                ],
                ..SignatureConfig::v4(SignatureType::KeyBinding, subkey.algorithm(), nature.hash)
            };
            let public = subkey.public_key();
            let back = back
                .sign_primary_key_binding(subkey, public, &password(), primary.public_key())
                .unwrap();
            binding
                .hashed_subpackets
                .push(regular(SubpacketData::EmbeddedSignature(Box::new(back))));
        }
        let bind = |config: SignatureConfig| {
            config
                .sign_subkey_binding(
                    primary,
                    primary.public_key(),
                    &password(),
                    subkey.public_key(),
                )
                .unwrap()
        };
        let mut signatures = vec![bind(binding)];
        if nature.subkey_revoked {
            signatures.push(bind(self.statement(SignatureType::SubkeyRevocation, true, None)));
        }
        SignedPublicSubKey::new(subkey.public_key().clone(), signatures)
    }

    /// A statement of the primary key, made when the key was.
    fn statement(
        &self,
        typ: SignatureType,
        may_sign: bool,
        lifetime: Option<u32>,
    ) -> SignatureConfig {
        let primary = &self.secret.primary_key;
        let mut flags = KeyFlags::default();
        flags.set_certify(true);
        flags.set_sign(may_sign);
        let mut config = SignatureConfig::v4(typ, primary.algorithm(), self.nature.hash);
        config.hashed_subpackets = vec![
            regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(MADE))),
            regular(SubpacketData::IssuerFingerprint(primary.fingerprint())),
            regular(SubpacketData::KeyFlags(flags)),
        ];
        if let Some(seconds) = lifetime {
            let lifetime = Duration::from_secs(seconds);
            config.hashed_subpackets.push(regular(SubpacketData::KeyExpirationTime(lifetime)));
        }
        config
    }

    /// A text in the cleartext framework, signed with SHA-512 a day after the key was made.
    pub(crate) fn sign(&self, text: &str) -> String {
        self.sign_at(text, By::Subkey, MADE + DAY, HashAlgorithm::Sha512)
    }

    /// A text in the cleartext framework.
    pub(crate) fn sign_at(&self, text: &str, by: By, when: u32, hash: HashAlgorithm) -> String {
        let message = match by {
            By::Primary => clear(text, &self.secret.primary_key, when, hash),
            By::Subkey => clear(text, &self.secret.secret_subkeys[0].key, when, hash),
        };
        message.to_armored_string(Default::default()).unwrap()
    }

    /// A text signed by several keys.
    pub(crate) fn sign_together(text: &str, signers: &[&Self]) -> String {
        let signatures = |normalized: &str| -> pgp::errors::Result<Vec<Signature>> {
            signers
                .iter()
                .map(|signer| {
                    let key = &signer.secret.secret_subkeys[0].key;
                    let config = config(key, MADE + DAY, HashAlgorithm::Sha512);
                    config.sign(key, &password(), normalized.as_bytes())
                })
                .collect()
        };
        let message = CleartextSignedMessage::new_many(text, signatures).unwrap();
        message.to_armored_string(Default::default()).unwrap()
    }
}

fn clear(
    text: &str,
    key: &impl SigningKey,
    when: u32,
    hash: HashAlgorithm,
) -> CleartextSignedMessage {
    CleartextSignedMessage::new(text, config(key, when, hash), key, &password()).unwrap()
}

fn config(key: &impl SigningKey, when: u32, hash: HashAlgorithm) -> SignatureConfig {
    let mut config = SignatureConfig::v4(SignatureType::Text, key.algorithm(), hash);
    config.hashed_subpackets = vec![
        regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(when))),
        regular(SubpacketData::IssuerFingerprint(key.fingerprint())),
    ];
    config
}

fn regular(data: SubpacketData) -> Subpacket {
    Subpacket::regular(data).unwrap()
}

fn password() -> Password {
    Password::empty()
}
