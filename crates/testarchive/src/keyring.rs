//! What the package archlinux-keyring has: certificates, main keys, revoked keys.

use pgp::armor::{self, BlockType};
use pgp::composed::{SignedKeyDetails, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{
    KeyFlags, RevocationCode, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData,
    UserId,
};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, Password, SignedUser, Tag};

use crate::keys::{DAY, EXPIRY, Key, Keys, MADE, about, issuer};
use crate::package::Package;

/// Where the package has them.
const FOLDER: &str = "usr/share/pacman/keyrings";

/// What a certificate says, besides that its owner says it.
#[derive(Default)]
struct Nature<'k> {
    certified_by: Vec<&'k Key>,
    /// Those of them that take it back.
    withdrawn_by: Vec<&'k Key>,
    lifetime: Option<u32>,
    is_revoked: bool,
}

impl<'k> Nature<'k> {
    fn by(keys: &[&'k Key]) -> Self {
        Self { certified_by: keys.to_vec(), ..Self::default() }
    }
}

impl Keys {
    /// The package archlinux-keyring, signed by the packager.
    pub fn package(&self, version: &str) -> Package {
        self.package_with(version, self.armored())
    }

    /// The same with another form of `archlinux.gpg`.
    pub fn package_with(&self, version: &str, certificates: Vec<u8>) -> Package {
        Package::new("archlinux-keyring", version)
            .arch("any")
            .description("Arch Linux PGP keyring")
            .file(&format!("{FOLDER}/archlinux.gpg"), 0o644, certificates)
            .file(&format!("{FOLDER}/archlinux-trusted"), 0o644, self.trusted())
            .file(&format!("{FOLDER}/archlinux-revoked"), 0o644, self.revoked_list())
    }

    /// `archlinux.gpg`: all certificates in one block of ASCII armor, as the real one is since 2022.
    pub fn armored(&self) -> Vec<u8> {
        armored(self.certificates().concat())
    }

    /// The same with a block for each certificate, one after the other, as the real one was before.
    pub fn armored_blocks(&self) -> Vec<u8> {
        self.certificates().into_iter().flat_map(armored).collect()
    }

    /// All certificates in binary form, one after the other.
    pub fn binary(&self) -> Vec<u8> {
        self.certificates().concat()
    }

    /// Each certificate, binary.
    fn certificates(&self) -> Vec<Vec<u8>> {
        let main: Vec<&Key> = self.main.iter().collect();
        let mut certificates = Vec::new();
        for key in main.iter().copied().chain([&self.former]) {
            // Main keys certify each other.
            let others: Vec<&Key> =
                main.iter().copied().filter(|it| !std::ptr::eq(*it, key)).collect();
            certificates.push(key.certified_by(&others));
        }
        for key in [&self.packager, &self.revoked] {
            certificates.push(key.certified_by(&main));
        }
        let others = [
            (&self.self_revoked, Nature { is_revoked: true, ..Nature::by(&main) }),
            (&self.expired, Nature { lifetime: Some(EXPIRY - MADE), ..Nature::by(&main) }),
            (&self.stranger, Nature::by(&main[..2])),
            (&self.withdrawn, Nature { withdrawn_by: vec![main[1]], ..Nature::by(&main[..3]) }),
        ];
        for (key, nature) in others {
            certificates.push(key.certificate(&nature));
        }
        certificates.push(self.doubtful.certified_by(&[main[0], main[1], &self.former]));
        certificates
    }

    /// `archlinux-trusted`: the main keys, in the form of gpg's ownertrust.
    pub fn trusted(&self) -> String {
        self.main_fingerprints().iter().map(|key| format!("{key}:4:\n")).collect()
    }

    /// `archlinux-revoked`: keys that are no longer to be used, one a line.
    pub fn revoked_list(&self) -> String {
        [&self.revoked, &self.former].map(|key| format!("{}\n", key.fingerprint())).concat()
    }
}

impl Key {
    /// Its certificate with certifications by `others`, binary.
    pub fn certified_by(&self, others: &[&Key]) -> Vec<u8> {
        self.certificate(&Nature::by(others))
    }

    fn certificate(&self, nature: &Nature<'_>) -> Vec<u8> {
        let primary = &self.secret.primary_key;
        let public = primary.public_key();
        let revocations = nature.is_revoked.then(|| {
            self.statement(SignatureType::KeyRevocation, MADE + 2 * DAY)
                .sign_key(primary, &Password::empty(), public)
                .unwrap()
        });
        let mut by_itself = self.statement(SignatureType::CertPositive, MADE);
        by_itself.hashed_subpackets.push(flags(true));
        by_itself.hashed_subpackets.extend(nature.lifetime.map(|seconds| {
            regular(SubpacketData::KeyExpirationTime(Duration::from_secs(seconds)))
        }));
        let mut signatures = vec![self.on_user_id(by_itself, self)];
        for other in &nature.certified_by {
            let config = other.statement(SignatureType::CertGeneric, MADE + DAY);
            signatures.push(other.on_user_id(config, self));
        }
        for other in &nature.withdrawn_by {
            let config = other.statement(SignatureType::CertRevocation, MADE + 2 * DAY);
            signatures.push(other.on_user_id(config, self));
        }
        let user = SignedUser::new(self.user_id(), signatures);
        let revocations = revocations.into_iter().collect();
        let details = SignedKeyDetails::new(revocations, vec![], vec![user], vec![]);
        SignedPublicKey {
            primary_key: public.clone(),
            details,
            public_subkeys: vec![self.subkey()],
        }
        .to_bytes()
        .unwrap()
    }

    fn subkey(&self) -> SignedPublicSubKey {
        let primary = &self.secret.primary_key;
        let subkey = &self.secret.secret_subkeys[0].key;
        let mut back = SignatureConfig::v4(
            SignatureType::KeyBinding,
            subkey.algorithm(),
            HashAlgorithm::Sha512,
        );
        back.hashed_subpackets = about(subkey, MADE);
        let password = Password::empty();
        let back = back
            .sign_primary_key_binding(subkey, subkey.public_key(), &password, primary.public_key())
            .unwrap();
        let mut binding = self.statement(SignatureType::SubkeyBinding, MADE);
        binding.hashed_subpackets.push(flags(false));
        binding.hashed_subpackets.push(regular(SubpacketData::EmbeddedSignature(Box::new(back))));
        let binding = binding
            .sign_subkey_binding(primary, primary.public_key(), &password, subkey.public_key())
            .unwrap();
        SignedPublicSubKey::new(subkey.public_key().clone(), vec![binding])
    }

    /// The beginning of a statement of this key's owner.
    fn statement(&self, what: SignatureType, when: u32) -> SignatureConfig {
        let primary = &self.secret.primary_key;
        let mut config = SignatureConfig::v4(what, primary.algorithm(), HashAlgorithm::Sha512);
        config.hashed_subpackets = about(primary, when);
        if matches!(what, SignatureType::KeyRevocation | SignatureType::CertRevocation) {
            let reason = SubpacketData::RevocationReason(RevocationCode::NoReason, "".into());
            config.hashed_subpackets.push(regular(reason));
        }
        config.unhashed_subpackets = vec![issuer(primary)];
        config
    }

    /// This key's owner says something of the user id of `other`.
    fn on_user_id(&self, config: SignatureConfig, other: &Key) -> Signature {
        let signer = &self.secret.primary_key;
        let signee = other.secret.primary_key.public_key();
        config
            .sign_certification_third_party(
                signer,
                &Password::empty(),
                signee,
                Tag::UserId,
                &other.user_id(),
            )
            .unwrap()
    }

    fn user_id(&self) -> UserId {
        UserId::from_str(Default::default(), &self.name).unwrap()
    }
}

fn flags(may_certify: bool) -> Subpacket {
    let mut flags = KeyFlags::default();
    flags.set_certify(may_certify);
    flags.set_sign(true);
    regular(SubpacketData::KeyFlags(flags))
}

fn regular(data: SubpacketData) -> Subpacket {
    Subpacket::regular(data).unwrap()
}

fn armored(packets: Vec<u8>) -> Vec<u8> {
    let mut text = Vec::new();
    armor::write(&Raw(packets), BlockType::PublicKey, &mut text, None, true).unwrap();
    text
}

/// Bytes that are packets already.
struct Raw(Vec<u8>);

impl Serialize for Raw {
    fn to_writer<W: std::io::Write>(&self, writer: &mut W) -> pgp::errors::Result<()> {
        Ok(writer.write_all(&self.0)?)
    }

    fn write_len(&self) -> usize {
        self.0.len()
    }
}
