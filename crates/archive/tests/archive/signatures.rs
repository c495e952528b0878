//! Whose signature counts, and when.

use archive::debian::{Keyring, SignatureError};
use pgp::crypto::hash::HashAlgorithm;

use crate::certificate::{By, Certificate, DAY, MADE, Nature};

const TEXT: &str = "Origin: Test\nCodename: x\n\n- a line with a dash\n";

/// Whether a text signed a day after the key was made is accepted from a key of that nature.
fn judge(nature: Nature, by: By) -> Result<String, SignatureError> {
    let certificate = Certificate::new(1, nature);
    let signed = certificate.sign_at(TEXT, by, MADE + DAY, HashAlgorithm::Sha512);
    Keyring::parse(&certificate.public()).unwrap().verify(signed.as_bytes())
}

fn refusal(result: Result<String, SignatureError>) -> String {
    match result {
        Ok(_) => "nothing".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_text_is_given_as_it_was_signed() {
    for by in [By::Primary, By::Subkey] {
        assert_eq!(judge(Nature::default(), by).unwrap().trim_end(), TEXT.trim_end(), "{by:?}");
    }
}

#[test]
fn a_changed_text_is_refused() {
    let certificate = Certificate::good(1);
    let keyring = Keyring::parse(&certificate.public()).unwrap();
    let signed = certificate.sign(TEXT);
    let changed = signed.replace("Origin: Test", "Origin: Best");
    assert_ne!(signed, changed);
    let refusal = refusal(keyring.verify(changed.as_bytes()));
    assert!(refusal.contains("does not fit the text"), "{refusal}");
}

#[test]
fn what_stands_around_the_signed_text_is_never_given_out() {
    let certificate = Certificate::good(1);
    let keyring = Keyring::parse(&certificate.public()).unwrap();
    let signed = certificate.sign(TEXT);
    for around in [format!("Codename: evil\n{signed}"), format!("\n{signed}")] {
        assert_eq!(keyring.verify(around.as_bytes()), Err(SignatureError::Missing));
    }
    let after = format!("{signed}\nCodename: evil\n");
    if let Ok(text) = keyring.verify(after.as_bytes()) {
        assert!(!text.contains("evil"), "{text}");
    }
    let headed = signed.replacen("Hash: SHA512", "Hash: SHA512\nCodename: evil", 1);
    if let Ok(text) = keyring.verify(headed.as_bytes()) {
        assert!(!text.contains("evil"), "{text}");
    }
}

#[test]
fn a_key_that_is_not_in_the_keyring_does_not_count() {
    let keyring = Keyring::parse(&Certificate::good(1).public()).unwrap();
    let signed = Certificate::good(2).sign(TEXT);
    let refusal = refusal(keyring.verify(signed.as_bytes()));
    assert!(refusal.contains("not in the keyring"), "{refusal}");
}

#[test]
fn one_good_signature_among_foreign_ones_is_enough() {
    let (ours, foreign) = (Certificate::good(1), Certificate::good(2));
    let keyring = Keyring::parse(&ours.public()).unwrap();
    for signers in [[&ours, &foreign], [&foreign, &ours]] {
        let signed = Certificate::sign_together(TEXT, &signers);
        keyring.verify(signed.as_bytes()).unwrap();
    }
    let signed = Certificate::sign_together(TEXT, &[&foreign, &foreign]);
    assert!(keyring.verify(signed.as_bytes()).is_err());
}

#[test]
fn a_file_without_signature_is_refused() {
    let keyring = Keyring::parse(&Certificate::good(1).public()).unwrap();
    assert_eq!(keyring.verify(TEXT.as_bytes()), Err(SignatureError::Missing));
    assert_eq!(keyring.verify(b""), Err(SignatureError::Missing));
    let signed = Certificate::good(1).sign(TEXT);
    let cut = &signed[..signed.find("-----BEGIN PGP SIGNATURE").unwrap()];
    assert!(matches!(
        keyring.verify(cut.as_bytes()),
        Err(SignatureError::Malformed(_) | SignatureError::Missing)
    ));
    let half = &signed[..signed.len() - 60];
    assert!(keyring.verify(half.as_bytes()).is_err());
}

#[test]
fn keys_have_to_be_valid_when_they_signed_and_not_today() {
    // Both have long expired by now.
    let long_enough = Some(2 * DAY);
    let nature =
        Nature { lifetime: long_enough, subkey_lifetime: long_enough, ..Nature::default() };
    judge(nature.clone(), By::Primary).unwrap();
    judge(nature, By::Subkey).unwrap();

    let expired = Nature { lifetime: Some(DAY), ..Nature::default() };
    for by in [By::Primary, By::Subkey] {
        let refusal = refusal(judge(expired.clone(), by));
        assert!(refusal.contains("had expired"), "{by:?}: {refusal}");
    }
    let subkey_expired = Nature { subkey_lifetime: Some(DAY), ..Nature::default() };
    judge(subkey_expired.clone(), By::Primary).unwrap();
    let refusal = refusal(judge(subkey_expired, By::Subkey));
    assert!(refusal.contains("had expired"), "{refusal}");
}

#[test]
fn a_signature_from_before_the_key_was_made_is_refused() {
    let certificate = Certificate::good(1);
    let keyring = Keyring::parse(&certificate.public()).unwrap();
    for by in [By::Primary, By::Subkey] {
        let signed = certificate.sign_at(TEXT, by, MADE - DAY, HashAlgorithm::Sha512);
        let refusal = refusal(keyring.verify(signed.as_bytes()));
        assert!(refusal.contains("not valid at that time"), "{by:?}: {refusal}");
    }
}

#[test]
fn a_revoked_key_counts_for_nothing() {
    let revoked = Nature { revoked: true, ..Nature::default() };
    for by in [By::Primary, By::Subkey] {
        let refusal = refusal(judge(revoked.clone(), by));
        assert!(refusal.contains("is revoked"), "{by:?}: {refusal}");
    }
    let subkey_revoked = Nature { subkey_revoked: true, ..Nature::default() };
    judge(subkey_revoked.clone(), By::Primary).unwrap();
    let refusal = refusal(judge(subkey_revoked, By::Subkey));
    assert!(refusal.contains("is revoked"), "{refusal}");
}

#[test]
fn only_signing_keys_sign() {
    let primary = Nature { may_sign: false, ..Nature::default() };
    judge(primary.clone(), By::Subkey).unwrap();
    let refused = refusal(judge(primary, By::Primary));
    assert!(refused.contains("may not sign"), "{refused}");
    let subkey = Nature { subkey_may_sign: false, ..Nature::default() };
    let refused = refusal(judge(subkey, By::Subkey));
    assert!(refused.contains("may not sign"), "{refused}");
}

#[test]
fn a_subkey_has_to_sign_back() {
    let nature = Nature { back_signature: false, ..Nature::default() };
    let refusal = refusal(judge(nature, By::Subkey));
    assert!(refusal.contains("not properly bound"), "{refusal}");
}

#[test]
fn a_subkey_of_another_key_does_not_count() {
    // The attacker's subkey, put behind the archive's own primary key.
    let ours = Certificate::good(1);
    let theirs = Certificate::good(2);
    let graft = ours.with_subkey_of(&theirs);
    let keyring = Keyring::parse(&graft).unwrap();
    let refusal = refusal(keyring.verify(theirs.sign(TEXT).as_bytes()));
    assert!(refusal.contains("not properly bound"), "{refusal}");
}

#[test]
fn weak_digests_are_refused_wherever_they_stand() {
    let rsa = Nature { rsa: true, ..Nature::default() };
    let certificate = Certificate::new(1, rsa.clone());
    let keyring = Keyring::parse(&certificate.public()).unwrap();
    for hash in [HashAlgorithm::Sha1, HashAlgorithm::Md5, HashAlgorithm::Sha224] {
        let signed = certificate.sign_at(TEXT, By::Subkey, MADE + DAY, hash);
        let refused = refusal(keyring.verify(signed.as_bytes()));
        assert!(refused.contains("too weak"), "{hash}: {refused}");
        // What the key says about itself and about its subkey.
        let keyring = Keyring::parse(&certificate.public_with(hash)).unwrap();
        for by in [By::Primary, By::Subkey] {
            let signed = certificate.sign_at(TEXT, by, MADE + DAY, HashAlgorithm::Sha512);
            let refused = refusal(keyring.verify(signed.as_bytes()));
            assert!(refused.contains("not valid at that time"), "{hash} {by:?}: {refused}");
        }
    }
    let signed = certificate.sign_at(TEXT, By::Subkey, MADE + DAY, HashAlgorithm::Sha256);
    keyring.verify(signed.as_bytes()).unwrap();
}

#[test]
fn a_keyring_without_keys_is_an_error() {
    assert!(Keyring::parse(b"").is_err());
    assert!(Keyring::parse(b"no keys at all").is_err());
}
