//! Whose signatures count when a lock is made.

use archive::Error;
use archive::arch::Keyring;
use testarchive::{Keys, Package, Signer};

use crate::server::{MONDAY, Server, TUESDAY, request, request_of, shown};

fn signed_by(signer: Signer) -> (Server, Result<lock::Lock, Error>) {
    let server = Server::of(&[Package::new("aa", "1-1").signed_by(signer)]);
    let lock = server.resolve(&request(&["aa"]));
    (server, lock)
}

#[test]
fn packagers_in_good_standing_may_sign() {
    for signer in [Signer::Packager, Signer::Subkey, Signer::BeforeExpiry] {
        let (server, lock) = signed_by(signer);
        let lock = lock.unwrap();
        let signature = lock.package("aa").unwrap().signature.unwrap();
        let bytes = std::fs::read(server.path(signature.sha256)).unwrap();
        assert_eq!(bytes.len() as u64, signature.size);
        server.verify(&lock).unwrap();
    }
}

#[test]
fn others_may_not_and_the_refusal_names_package_signer_and_reason() {
    for (signer, why) in [
        (Signer::Revoked, "is on the keyring's list of revoked keys"),
        (Signer::SelfRevoked, "is revoked"),
        (Signer::Expired, "had expired by then"),
        (Signer::Stranger, "2 of the main keys have certified, and 3 have to"),
        (Signer::Withdrawn, "2 of the main keys have certified, and 3 have to"),
        (Signer::Doubtful, "2 of the main keys have certified, and 3 have to"),
        (Signer::Unknown, "is not in the keyring"),
    ] {
        let (server, lock) = signed_by(signer);
        let text = shown(&lock.unwrap_err());
        let keys = &server.keys;
        let key = match signer {
            Signer::Revoked => &keys.revoked,
            Signer::SelfRevoked => &keys.self_revoked,
            Signer::Expired => &keys.expired,
            Signer::Stranger => &keys.stranger,
            Signer::Withdrawn => &keys.withdrawn,
            Signer::Doubtful => &keys.doubtful,
            _ => &keys.unknown,
        };
        assert!(text.starts_with("aa 1-1 is not accepted: made by "), "{text}");
        assert!(text.to_uppercase().contains(&key.fingerprint()), "{text}");
        assert!(text.contains(why), "{signer:?}: {text}");
    }
}

#[test]
fn a_missing_signature_is_told_with_every_source() {
    let (_server, lock) = signed_by(Signer::None);
    let text = shown(&lock.unwrap_err());
    assert!(text.contains("cannot fetch the signature of aa 1-1"), "{text}");
    assert!(text.contains("127.0.0.1"), "{text}");
}

#[test]
fn what_is_no_signature_is_refused() {
    let server = Server::new();
    for garbage in [&b"nothing"[..], b"", &[0xc2; 40]] {
        let mut aa = Package::new("aa", "1-1").pack(&server.keys);
        aa.signature = Some(garbage.to_vec());
        server.archive().day(MONDAY, "core", &[&server.keyring, &aa]);
        let text = shown(&server.resolve(&request(&["aa"])).unwrap_err());
        assert!(text.contains("aa 1-1"), "{text}");
    }
}

#[test]
fn every_signature_of_a_file_has_to_count() {
    let server = Server::new();
    let mut aa = Package::new("aa", "1-1").pack(&server.keys);
    let second = server.keys.sign(Signer::Stranger, &aa.bytes, testarchive::MADE + 90_000).unwrap();
    aa.signature.as_mut().unwrap().extend(second);
    server.archive().day(MONDAY, "core", &[&server.keyring, &aa]);
    let text = shown(&server.resolve(&request(&["aa"])).unwrap_err());
    assert!(text.contains("2 of the main keys have certified"), "{text}");
}

#[test]
fn a_signature_in_the_database_need_not_be_fetched() {
    let server = Server::new();
    let mut aa = Package::new("aa", "1-1").pack(&server.keys);
    let signature = base64(&aa.signature.take().unwrap());
    aa.desc.push_str(&format!("%PGPSIG%\n{signature}\n\n"));
    server.archive().day(MONDAY, "core", &[&server.keyring, &aa]);
    let lock = server.resolve(&request(&["aa"])).unwrap();
    assert!(server.served.asked().iter().all(|path| !path.contains("aa-1-1")));
    let signature = lock.package("aa").unwrap().signature.unwrap();
    assert!(server.path(signature.sha256).exists());
}

#[test]
fn only_what_is_new_to_a_lock_is_asked_for() {
    let server = Server::new();
    let aa = Package::new("aa", "1-1").pack(&server.keys);
    let bb = Package::new("bb", "1-1").pack(&server.keys);
    let archive = server.archive().day(MONDAY, "core", &[&server.keyring, &aa]);
    archive.day(TUESDAY, "core", &[&server.keyring, &aa, &bb]);
    let monday = server.resolve(&request_of(MONDAY, &["aa"])).unwrap();
    let before = server.served.asked().len();
    let tuesday = server.resolve_after(&request_of(TUESDAY, &["aa", "bb"]), &monday).unwrap();
    assert_eq!(tuesday.package("aa"), monday.package("aa"));
    let asked = server.served.asked()[before..].to_vec();
    assert!(asked.iter().any(|path| path.contains("bb-1-1")), "{asked:?}");
    assert!(!asked.iter().any(|path| path.contains("aa-1-1")), "{asked:?}");
}

#[test]
fn the_keyring_has_to_be_signed_by_one_whom_the_main_keys_of_the_definition_have_certified() {
    let server = Server::of(&[]);
    let others = Keys::generate();
    let mut foreign = request(&[]);
    foreign.main_keys = others.main_fingerprints();
    let text = shown(&archive::arch::resolve(&server.store, &foreign, None).unwrap_err());
    assert!(text.starts_with("archlinux-keyring 20200501-1 is not accepted: made by"), "{text}");
    assert!(text.contains("0 of the main keys have certified, and 3 have to"), "{text}");
    foreign.main_keys = vec!["nonsense".to_owned()];
    let text = shown(&archive::arch::resolve(&server.store, &foreign, None).unwrap_err());
    assert!(text.contains("\"nonsense\" is not a fingerprint"), "{text}");
}

#[test]
fn a_keyring_by_a_stranger_is_refused_whatever_it_says_of_itself() {
    // All of another archive's keys, in a package that they have signed: the main keys in it are
    // not those that trust begins with.
    let server = Server::new();
    let others = Keys::generate();
    let forged = others.package("20200601-1").pack(&others);
    let aa = Package::new("aa", "1-1").pack(&others);
    server.archive().day(MONDAY, "core", &[&forged, &aa]);
    let text = shown(&server.resolve(&request(&["aa"])).unwrap_err());
    assert!(text.starts_with("archlinux-keyring 20200601-1 is not accepted"), "{text}");
}

#[test]
fn a_database_need_not_be_signed_but_a_signature_that_is_there_has_to_be_good() {
    let server = Server::new();
    let aa = Package::new("aa", "1-1").pack(&server.keys);
    server.archive().sign_databases().day(MONDAY, "core", &[&server.keyring, &aa]);
    server.resolve(&request(&["aa"])).unwrap();
    let signature = server.archive().repository(MONDAY, "core").join("core.db.sig");
    let stranger = server.keys.stranger.sign(b"another file", testarchive::MADE + 90_000);
    std::fs::write(&signature, stranger).unwrap();
    let text = shown(&server.resolve(&request(&["aa"])).unwrap_err());
    assert!(text.contains("no index of core can be used for 2020-06-01"), "{text}");
    assert!(text.to_uppercase().contains(&server.keys.stranger.fingerprint()), "{text}");
    let other = server.keys.packager.sign(b"another file", testarchive::MADE + 90_000);
    std::fs::write(&signature, other).unwrap();
    let text = shown(&server.resolve(&request(&["aa"])).unwrap_err());
    assert!(text.contains("does not fit"), "{text}");
    std::fs::remove_file(&signature).unwrap();
    server.resolve(&request(&["aa"])).unwrap();
}

#[test]
fn a_keyring_is_read_in_every_form_that_it_had() {
    let server = Server::new();
    let aa = Package::new("aa", "1-1").pack(&server.keys);
    let revoked = Package::new("bb", "1-1").signed_by(Signer::SelfRevoked).pack(&server.keys);
    let blocks = server.keys.armored_blocks();
    let text = String::from_utf8(blocks.clone()).unwrap();
    let remarked = format!("# keys\n{}", text.replace("-----BEGIN", "\nof somebody:\n-----BEGIN"));
    for form in [blocks, server.keys.binary(), remarked.into(), text.replace('\n', "\r\n").into()] {
        let keyring = server.keys.package_with("20200501-1", form).pack(&server.keys);
        server.archive().day(MONDAY, "core", &[&keyring, &aa, &revoked]);
        let lock = server.resolve(&request(&["aa"])).unwrap();
        server.verify(&lock).unwrap();
        let text = shown(&server.resolve(&request(&["bb"])).unwrap_err());
        assert!(text.contains("is revoked"), "{text}");
    }
}

#[test]
fn all_blocks_of_a_real_keyrings_form_are_read() {
    let keyring = |certificates: &[u8]| {
        Keyring::new(certificates, include_str!("data/keyring/trusted"), "").unwrap()
    };
    let signature = include_bytes!("data/keyring/file.sig");
    let file = || Ok(&include_bytes!("data/keyring/file")[..]);
    for form in [
        &include_bytes!("data/keyring/one-block.gpg")[..],
        include_bytes!("data/keyring/four-blocks.gpg"),
    ] {
        keyring(form).verify(signature, file).unwrap();
    }
}

#[test]
fn what_a_second_copy_of_a_certificate_says_counts_as_well() {
    let keys = Keys::generate();
    let main: Vec<_> = keys.main.iter().collect();
    let older = keys.self_revoked.certified_by(&main);
    let signature = keys.sign(Signer::SelfRevoked, b"file", testarchive::MADE + 90_000).unwrap();
    let verdict = |certificates: Vec<u8>| {
        let keyring = Keyring::new(&certificates, &keys.trusted(), "").unwrap();
        keyring.check_signer(&signature).map_err(|error| error.to_string())
    };
    for both in [[older.clone(), keys.binary()].concat(), [keys.binary(), older.clone()].concat()] {
        let refused = verdict(both).unwrap_err();
        assert!(refused.contains("is revoked"), "{refused}");
    }
    // Certifications may stand in several copies.
    let halves = [
        keys.stranger.certified_by(&main[..1]),
        keys.stranger.certified_by(&main[2..3]),
        keys.binary(),
    ];
    let signature = keys.sign(Signer::Stranger, b"file", testarchive::MADE + 90_000).unwrap();
    let keyring = Keyring::new(&halves.concat(), &keys.trusted(), "").unwrap();
    keyring.check_signer(&signature).unwrap();
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(bytes)
}
