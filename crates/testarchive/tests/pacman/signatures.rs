//! Signatures, the keyring, and the archive as pacman sees it.

use jiff::civil::date;
use libtest_mimic::{Failed, Trial};
use testarchive::{Archive, Key, Keys, Package, Served, Signer};

use crate::Outcome;
use crate::bench::{Bench, HERE};

pub(crate) fn all() -> Vec<Trial> {
    vec![
        Trial::test("gpg_knows_what_each_signature_is_worth", worth),
        Trial::test("a_signature_is_of_these_bytes_and_no_others", tampered),
        Trial::test("pacman_fetches_what_trusted_packagers_signed_and_nothing_else", fetched),
        Trial::test("pacman_sees_each_day_as_it_was", days),
        Trial::test("pacman_believes_a_signed_database", signed_database),
    ]
}

/// Every signer with what gpg says of its signature and of the key: gpg's DETAILS, "--status-fd".
const SIGNERS: [(Signer, &str, &str); 10] = [
    (Signer::Packager, "GOODSIG", "TRUST_FULLY"),
    (Signer::Subkey, "GOODSIG", "TRUST_FULLY"),
    // gpg has not read archlinux-revoked.
    (Signer::Revoked, "GOODSIG", "TRUST_FULLY"),
    (Signer::SelfRevoked, "REVKEYSIG", ""),
    (Signer::Expired, "EXPKEYSIG", ""),
    (Signer::BeforeExpiry, "EXPKEYSIG", ""),
    (Signer::Stranger, "GOODSIG", "TRUST_MARGINAL"),
    (Signer::Withdrawn, "GOODSIG", "TRUST_MARGINAL"),
    (Signer::Doubtful, "GOODSIG", "TRUST_MARGINAL"),
    (Signer::Unknown, "NO_PUBKEY", ""),
];

/// Makes pacman's keyring as pacman-key(8) does: main keys are certified by a key of the machine's
/// own, and trusted as far as archlinux-trusted says, which is marginally.
fn keyring(bench: &Bench, keys: &Keys) -> Outcome {
    let machine = Key::generate("This Machine");
    let mut certificates = machine.certified_by(&[]);
    for key in &keys.main {
        certificates.extend(key.certified_by(&[&machine]));
    }
    bench.write("own", &certificates)?;
    bench.write("archlinux.gpg", &keys.armored())?;
    bench
        .write("trusted", format!("{}:6:\n{}", machine.fingerprint(), keys.trusted()).as_bytes())?;
    for arguments in [["--import", "own"], ["--import", "archlinux.gpg"]] {
        gpg(bench, &arguments)?;
    }
    gpg(bench, &["--import-ownertrust", "trusted"])?;
    gpg(bench, &["--check-trustdb"])?;
    Ok(())
}

/// What gpg says, for programs and for people.
fn gpg(bench: &Bench, arguments: &[&str]) -> Result<String, Failed> {
    let home = format!("{HERE}/root/gnupg");
    let own = ["--batch", "--no-permission-warning", "--status-fd", "1", "--homedir", &home];
    let output = bench.run_whatever("gpg", &[&own, arguments].concat())?;
    Ok(output.text() + &String::from_utf8_lossy(&output.stderr))
}

fn worth() -> Outcome {
    let bench = Bench::new()?;
    let keys = Keys::generate();
    keyring(&bench, &keys)?;
    for (signer, signature, trust) in SIGNERS {
        let packed = Package::new("hello", "1-1").signed_by(signer).pack(&keys);
        bench.write("hello", &packed.bytes)?;
        bench.write("hello.sig", packed.signature.as_deref().unwrap())?;
        let said = gpg(&bench, &["--verify", "hello.sig", "hello"])?;
        assert!(said.contains(&format!("[GNUPG:] {signature} ")), "{signer:?}: {said}");
        assert!(said.contains(trust), "{signer:?}: {said}");
    }
    assert_eq!(Package::new("hello", "1-1").signed_by(Signer::None).pack(&keys).signature, None);
    Ok(())
}

fn tampered() -> Outcome {
    let bench = Bench::new()?;
    let keys = Keys::generate();
    keyring(&bench, &keys)?;
    let packed = Package::new("hello", "1-1").pack(&keys);
    bench.write("hello", &[packed.bytes, vec![0]].concat())?;
    bench.write("hello.sig", &packed.signature.unwrap())?;
    let said = gpg(&bench, &["--verify", "hello.sig", "hello"])?;
    assert!(said.contains("[GNUPG:] BADSIG "), "{said}");
    Ok(())
}

/// Tells pacman of one repository on a day.
fn configure(bench: &Bench, url: &str, day: &str, levels: &str) -> Outcome {
    let text = format!(
        "[options]\nArchitecture = x86_64\nSigLevel = {levels}\n\
         [core]\nServer = {url}repos/{day}/$repo/os/$arch\n"
    );
    bench.write("pacman.conf", text.as_bytes())
}

fn fetched() -> Outcome {
    let bench = Bench::new()?;
    let keys = Keys::generate();
    let signers = [
        ("good", Signer::Packager),
        ("sub", Signer::Subkey),
        ("strange", Signer::Stranger),
        ("withdrawn", Signer::Withdrawn),
        ("doubtful", Signer::Doubtful),
        ("unknown", Signer::Unknown),
        ("revoked", Signer::SelfRevoked),
        ("unsigned", Signer::None),
    ];
    let packed = signers.map(|(name, by)| Package::new(name, "1-1").signed_by(by).pack(&keys));
    let archive = tempfile::tempdir()?;
    Archive::new(archive.path(), &keys).day(date(2020, 6, 1), "core", &packed.each_ref());
    let served = Served::start(archive.path());
    configure(&bench, &served.url(), "2020/06/01", "Required DatabaseNever TrustedOnly")?;
    keyring(&bench, &keys)?;
    bench.pacman(&["-Sy"])?;
    for (name, signer) in signers {
        let result = bench.pacman(&["-Sw", name]);
        let is_trusted = matches!(signer, Signer::Packager | Signer::Subkey);
        assert_eq!(result.is_ok(), is_trusted, "{name}: {result:?}");
    }
    let path = "/repos/2020/06/01/core/os/x86_64/good-1-1-x86_64.pkg.tar.zst.sig";
    assert!(served.asked().iter().any(|asked| asked == path), "{:?}", served.asked());
    assert!(archive.path().join("packages/g/good/good-1-1-x86_64.pkg.tar.zst.sig").exists());
    Ok(())
}

fn days() -> Outcome {
    let bench = Bench::new()?;
    let keys = Keys::generate();
    let [one, two] = ["1-1", "2-1"].map(|version| Package::new("hello", version).pack(&keys));
    let extra = Package::new("extra", "1:3-1").depends("hello>=2").groups("more").pack(&keys);
    let archive = tempfile::tempdir()?;
    Archive::new(archive.path(), &keys).day(date(2020, 6, 1), "core", &[&one]).day(
        date(2020, 6, 2),
        "core",
        &[&two, &extra],
    );
    let served = Served::start(archive.path());
    for (day, expected) in
        [("2020/06/01", "core hello 1-1\n"), ("2020/06/02", "core extra 1:3-1\ncore hello 2-1\n")]
    {
        configure(&bench, &served.url(), day, "Never")?;
        // Twice, because it is older than the last one once.
        bench.pacman(&["-Syy"])?;
        assert_eq!(bench.pacman(&["-Sl", "core"])?.text(), expected);
    }
    let plan = bench.pacman(&["-Sp", "--print-format", "%r/%n-%v %s", "more"])?.text();
    let line = |packed: &testarchive::Packed| {
        format!("core/{}-{} {}\n", packed.name, packed.version, packed.bytes.len())
    };
    assert_eq!(plan, line(&two) + &line(&extra));
    Ok(())
}

fn signed_database() -> Outcome {
    let bench = Bench::new()?;
    let keys = Keys::generate();
    let archive = tempfile::tempdir()?;
    let day = date(2020, 6, 1);
    let packed = Package::new("hello", "1-1").pack(&keys);
    let filled = Archive::new(archive.path(), &keys).sign_databases().day(day, "core", &[&packed]);
    let served = Served::start(archive.path());
    configure(&bench, &served.url(), "2020/06/01", "Required TrustedOnly")?;
    keyring(&bench, &keys)?;
    bench.pacman(&["-Sy"])?;
    let path = filled.repository(day, "core").join("core.db");
    let other = Archive::new(&archive.path().join("other"), &keys).day(day, "core", &[]);
    std::fs::copy(other.repository(day, "core").join("core.db"), path)?;
    let refused = bench.pacman(&["-Syy"]);
    assert!(refused.is_err(), "{refused:?}");
    Ok(())
}
