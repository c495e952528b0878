//! Lock files: their form, and what is not believed of them.

use std::fs;
use std::path::Path;

use lock::{Error, Ids, Lock};
use proptest::prelude::*;

const GOOD: &str = r#"# written by `cargo xtask lock mailserver`; edit server.toml instead

version = 1
distribution = "debian"
architecture = "amd64"
date = "2026-11-22"
request = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

[[index]]
suite = "bookworm"
signed = "2026-07-11T10:16:37Z"
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

[[package]]
name = "adduser"
version = "3.134"
architecture = "all"
size = 183272
sha256 = "c24fe4eb8e60d8632d72ed104cce7c92cff200847c897dc8ba764b6c47b519e0"
path = "pool/main/a/adduser/adduser_3.134_all.deb"
archive = "debian"

[[package]]
name = "libstdc++6"
version = "12.2.0-14+deb12u1"
architecture = "amd64"
size = 613000
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
path = "pool/main/g/gcc-12/libstdc++6_12.2.0-14+deb12u1_amd64.deb"
archive = "debian"

[users]
_chrony = 102
postfix = 101

[groups]
postfix = 103
"#;

fn parse(text: &str) -> Result<Lock, Error> {
    Lock::parse(text, Path::new("server.lock"))
}

/// The error of a good lock in which one thing was replaced.
fn refusal(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    match parse(&GOOD.replacen(from, to, 1)) {
        Err(error) => error.to_string(),
        Ok(_) => format!("{to:?} was accepted"),
    }
}

#[test]
fn a_lock_is_written_as_it_was_read() {
    let lock = parse(GOOD).unwrap();
    assert_eq!(lock.text("mailserver"), GOOD);
    assert_eq!(lock.package("libstdc++6").unwrap().size, 613_000);
    let item = &lock.items()[0];
    assert_eq!(item.name, "adduser_3.134_all.deb");
    assert_eq!(item.date, lock.date);
    assert_eq!(lock.size(), 183_272 + 613_000);
}

/// A lock of Arch, whose packages have signatures.
const ARCH: &str = r#"# written by `cargo xtask lock gitserver`; edit server.toml instead

version = 1
distribution = "arch"
architecture = "x86_64"
date = "2026-11-22"
request = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

[[index]]
suite = "core"
signed = "2026-11-22T10:16:37Z"
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

[[package]]
name = "zlib"
version = "1:1.3.1-2"
architecture = "x86_64"
size = 98765
sha256 = "c24fe4eb8e60d8632d72ed104cce7c92cff200847c897dc8ba764b6c47b519e0"
path = "core/os/x86_64/zlib-1:1.3.1-2-x86_64.pkg.tar.zst"
archive = "archlinux"
signature = { size = 566, sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" }
"#;

#[test]
fn a_lock_of_arch_has_signatures_as_files_of_their_own() {
    let lock = parse(ARCH).unwrap();
    assert_eq!(lock.text("gitserver"), ARCH);
    let items = lock.items();
    assert_eq!(items.len(), 2);
    assert_eq!(items[1].path, "core/os/x86_64/zlib-1:1.3.1-2-x86_64.pkg.tar.zst.sig");
    assert_eq!(items[1].name, "zlib-1:1.3.1-2-x86_64.pkg.tar.zst.sig");
    assert_eq!(items[1].size, 566);
    assert_eq!(lock.size(), 98_765);
}

#[test]
fn arch_signs_every_package_and_debian_none() {
    let refusal = |text: &str| parse(text).unwrap_err().to_string();
    let line = ARCH.lines().last().unwrap();
    let unsigned = ARCH.replace(line, "");
    assert!(refusal(&unsigned).contains("zlib has no `signature`"), "{}", refusal(&unsigned));
    let debian =
        GOOD.replacen("archive = \"debian\"\n", &format!("archive = \"debian\"\n{line}\n"), 1);
    assert!(refusal(&debian).contains("adduser has a `signature`"), "{}", refusal(&debian));
    for size in ["0", "99999999"] {
        let text = ARCH.replace("{ size = 566", &format!("{{ size = {size}"));
        assert!(refusal(&text).contains("is not the size of a signature"), "{}", refusal(&text));
    }
}

#[test]
fn only_package_files_change_the_digest_of_the_packages() {
    let lock = parse(GOOD).unwrap();
    let other = parse(&GOOD.replace("postfix = 101", "postfix = 111")).unwrap();
    assert_eq!(lock.packages_digest(), other.packages_digest());
    let hex = lock.packages[0].sha256.hex();
    let other = parse(&GOOD.replace(&hex, &hex.chars().rev().collect::<String>())).unwrap();
    assert_ne!(lock.packages_digest(), other.packages_digest());
}

#[test]
fn a_lock_replaces_a_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.lock");
    let lock = parse(GOOD).unwrap();
    fs::write(&path, "what was there before").unwrap();
    lock.write(&path, "mailserver").unwrap();
    assert_eq!(Lock::read(&path).unwrap(), lock);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing temporary is left");
    let error = lock.write(&folder.path().join("none/server.lock"), "mailserver").unwrap_err();
    assert!(error.to_string().contains("none/server.lock"), "{error}");
}

#[test]
fn a_missing_lock_says_how_to_get_one() {
    let error = Lock::read(Path::new("/nonexistent/server.lock")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the lock /nonexistent/server.lock");
    assert!(error.hint().unwrap().contains("cargo xtask lock"));
}

#[test]
fn what_is_wrong_is_named_with_line_and_column() {
    let text = refusal("size = 183272", "size = \"large\"");
    assert!(text.starts_with("server.lock:18:8: "), "{text}");
    let text = refusal("archive = \"debian\"", "archive = \"debian\"\ncolour = \"red\"");
    assert!(text.starts_with("server.lock:22:1: ") && text.contains("colour"), "{text}");
    let text = refusal("[[index]]", "[[index]");
    assert!(text.starts_with("server.lock:9:"), "{text}");
    let text = refusal("libstdc++6\"", "lib/stdc++\"");
    assert!(text.starts_with("server.lock:23:1: "), "{text}");
    let text = refusal("postfix = 103", "postfix = 99999");
    assert!(text.starts_with("server.lock:36:1: "), "{text}");
}

#[test]
fn paths_that_leave_the_archive_are_refused() {
    for path in [
        "/etc/passwd",
        "../adduser.deb",
        "pool/../../etc/passwd",
        "pool//adduser.deb",
        "pool/./adduser.deb",
        "pool/",
        "",
        "pool/a b.deb",
        "pool/a\\\\b.deb",
        "pool/a\\nb.deb",
        "pool/a\\u0000b.deb",
        "pool/a\\u202eb.deb",
        "pool/a?b.deb",
        "pool/a#b.deb",
        "pool/a%2e%2e/b.deb",
    ] {
        let text = refusal("pool/main/a/adduser/adduser_3.134_all.deb", path);
        assert!(text.contains("is not a path below"), "{path}: {text}");
    }
}

#[test]
fn names_versions_and_sizes_have_to_make_sense() {
    for (from, to, reason) in [
        ("name = \"adduser\"", "name = \"../adduser\"", "name of a package"),
        ("name = \"adduser\"", "name = \"\"", "name of a package"),
        ("name = \"adduser\"", "name = \"-rf\"", "name of a package"),
        ("name = \"adduser\"", "name = \"add\\u001buser\"", "name of a package"),
        ("\"3.134\"", "\"3.134 \"", "not a version"),
        ("\"3.134\"", "\"3/134\"", "not a version"),
        ("architecture = \"all\"", "architecture = \"a/b\"", "not an architecture"),
        ("architecture = \"amd64\"", "architecture = \"..\"", "not an architecture"),
        ("archive = \"debian\"", "archive = \"../debian\"", "name of an archive"),
        ("size = 183272", "size = 0", "not the size"),
        ("size = 183272", "size = 9000000000000000000", "not the size"),
        ("size = 183272", "size = -1", "invalid value"),
        ("suite = \"bookworm\"", "suite = \"book worm\"", "name of a suite"),
        ("postfix = 101", "postfix = -1", "invalid value"),
        ("postfix = 101", "\"post fix\" = 101", "name of a user"),
        ("postfix = 101", "\"root:x\" = 101", "name of a user"),
        ("version = 1\n", "version = 2\n", "lock of form 2"),
        ("\"debian\"", "\"windows\"", "not a distribution"),
        ("2026-11-22", "2026-13-22", "month"),
        ("sha256:ba", "sha512:ba", "not a sha256"),
        ("\"c24f", "\"C24F", "not a sha256"),
    ] {
        let text = refusal(from, to);
        assert!(text.contains(reason), "{from} -> {to}: {text}");
    }
}

#[test]
fn packages_are_sorted_and_there_once() {
    let text = refusal("name = \"adduser\"", "name = \"zsh\"");
    assert!(text.contains("libstdc++6 stands after zsh"), "{text}");
    let block = &GOOD[GOOD.find("[[package]]").unwrap()..GOOD.rfind("[[package]]").unwrap()];
    let error = parse(&GOOD.replacen(block, &format!("{block}{block}"), 1)).unwrap_err();
    assert!(error.to_string().contains("adduser:all is there twice"), "{error}");
}

#[test]
fn a_lock_with_any_name_that_adduser_accepts_is_read_as_it_was_written() {
    let names =
        ["Debian-snmp", "Debian-exim", "_apt", "host$", "first.last", "0x", "a+b", "müller"];
    let mut lock = parse(GOOD).unwrap();
    lock.users.extend((200..).zip(names).map(|(id, name)| (name.to_owned(), id)));
    lock.groups = lock.users.clone();
    assert_eq!(lock.fault(), None);
    assert_eq!(parse(&lock.text("x")).unwrap(), lock);
    for name in ["a:b", "a b", "", "-a", "a/b", "12"] {
        let text = refusal("postfix = 101", &format!("{name:?} = 101"));
        assert!(text.contains("is not the name of a user or group"), "{text}");
    }
}

#[test]
fn a_lock_makes_nobody_root_or_another_account_of_the_distribution() {
    for id in [0, 1, 42, 99, 60_000, 65_534, 65_535, u32::MAX] {
        let text = refusal("postfix = 101", &format!("postfix = {id}"));
        assert!(text.contains(&format!("`postfix` has the id {id}, which is not one")), "{text}");
        let text = refusal("postfix = 103", &format!("git = {id}"));
        assert!(text.contains(&format!("`git` has the id {id}, which is not one")), "{text}");
    }
    for id in [100, 999, 1000, 59_999] {
        let text = GOOD.replacen("postfix = 101", &format!("postfix = {id}"), 1);
        assert_eq!(parse(&text).unwrap().users["postfix"], id);
    }
}

#[test]
fn the_ids_of_a_lock_that_cannot_be_read_are_kept() {
    let path = Path::new("server.lock");
    let known = parse(GOOD).unwrap().ids();
    // A merge of two branches, each with another package and what its users are.
    let conflict = |mine: &str, theirs: &str| {
        format!("<<<<<<< HEAD\n{mine}=======\n{theirs}>>>>>>> a branch\n")
    };
    let text = GOOD.replacen("[[package]]", &format!("{}[[package]]", conflict("a\n", "b\n")), 1);
    assert!(parse(&text).is_err());
    assert_eq!(Ids::salvage(&text, path).unwrap(), known);
    let both = conflict("postfix = 101\nmine = 120\n", "postfix = 101\ntheirs = 121\n");
    let text = text.replacen("postfix = 101\n", &both, 1);
    let ids = Ids::salvage(&text, path).unwrap();
    assert_eq!((ids.users["mine"], ids.users["theirs"], ids.users["postfix"]), (120, 121, 101));
    assert_eq!(ids.groups, known.groups);
    assert_eq!(Ids::salvage("nothing of a lock", path).unwrap(), Ids::default());
}

#[test]
fn ids_that_nobody_can_choose_between_are_not_kept() {
    for (from, to, reason) in [
        ("postfix = 101\n", "postfix = 101\npostfix = 102\n", "duplicate key"),
        ("postfix = 101\n", "postfix = 0\n", "has the id 0, which is not one"),
        ("postfix = 101\n", "postfix = 101\n]\n", ""),
        ("version = 1\n", "version = 2\n", "lock of form 2"),
    ] {
        let text = GOOD.replacen(from, to, 1).replacen("[[package]]", "[[package", 1);
        let error = Ids::salvage(&text, Path::new("server.lock")).unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains("server.lock:"), "{error}");
        if to.starts_with("postfix") && !reason.is_empty() {
            let last = to.lines().last().unwrap();
            let line = text.lines().position(|line| line == last).unwrap() + 1;
            assert!(error.starts_with(&format!("server.lock:{line}:")), "{error}");
        }
    }
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.lock");
    let mut lock = parse(GOOD).unwrap();
    lock.users.insert("postfix".into(), 0);
    let error = lock.write(&path, "mailserver").unwrap_err().to_string();
    assert!(error.contains("`postfix` has the id 0"), "{error}");
    assert!(!path.exists());
}

#[test]
fn several_locks_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.lock");
    let one = parse(GOOD).unwrap();
    let mut other = one.clone();
    other.packages.truncate(1);
    other.users.clear();
    let locks = [("image".to_owned(), one), ("qemu".to_owned(), other)].into();
    lock::write_groups(&path, &locks, "lock tools", "tools.toml").unwrap();
    assert_eq!(lock::read_groups(&path).unwrap(), locks);

    let text = fs::read_to_string(&path).unwrap();
    let at = text.rfind("pool/main/a").unwrap();
    fs::write(&path, format!("{}/{}", &text[..at], &text[at..])).unwrap();
    let line = text[..text.rfind("[[qemu.package]]").unwrap()].lines().count() + 1;
    let error = lock::read_groups(&path).unwrap_err().to_string();
    assert!(error.contains(&format!("tools.lock:{line}:1: ")), "{error}");
}

proptest! {
    #[test]
    fn no_lock_makes_the_reader_panic(at in 0..GOOD.len(), noise in ".{0,8}") {
        if GOOD.is_char_boundary(at) {
            let text = format!("{}{noise}{}", &GOOD[..at], &GOOD[at..]);
            if let Ok(lock) = parse(&text) {
                prop_assert_eq!(parse(&lock.text("x")).unwrap(), lock);
            }
        }
    }
}

/// With a repository beside the distribution's, and a package of it.
fn with_source(name: &str, url: &str) -> Result<Lock, Error> {
    let source = format!("[[source]]\nname = \"{name}\"\nurl = \"{url}\"\n\n[[package]]");
    let text = GOOD.replacen("[[package]]", &source, 1);
    parse(&text.replacen("archive = \"debian\"", &format!("archive = \"{name}\""), 1))
}

#[test]
fn packages_of_a_source_are_fetched_from_its_url_and_the_text_stays() {
    let lock = with_source("acme", "https://deb.example.org/debian").unwrap();
    let items = lock.items();
    assert_eq!(items[0].archive, "https://deb.example.org/debian");
    assert_eq!(items[1].archive, "debian");
    assert_eq!(parse(&lock.text("mailserver")).unwrap(), lock);
    assert!(!parse(GOOD).unwrap().text("mailserver").contains("source"));
}

#[test]
fn a_source_stands_for_no_archive_of_the_distribution_and_has_a_plain_url() {
    for name in ["debian", "debian-security", "archlinux", "own", "../x", ""] {
        assert!(with_source(name, "https://deb.example.org").is_err(), "{name}");
    }
    for url in
        ["", "https://", "ftp://a", "/etc", "https://me:secret@a/", "https://a/ b", "file://x"]
    {
        assert!(with_source("acme", url).is_err(), "{url}");
    }
    let index = GOOD.replacen("[[package]]", "archive = \"nowhere\"\n\n[[package]]", 1);
    assert!(parse(&index).unwrap_err().to_string().contains("nowhere"));
}
