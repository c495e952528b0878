//! Repositories beside the distribution's: those of `repositories/`, which reprepro and aptly made,
//! and some that are made up here.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use archive::debian::{Archive, Files, Keyring};
use archive::{Cause, Error};
use digest::Digest;
use jiff::civil::Date;
use lock::debian::Request;
use lock::{Extra, Lock, OwnFile, Package};
use store::Item;

use crate::certificate::{Certificate, DAY, Nature};
use crate::fake::{Fake, Suite, TODAY, request};

/// The distribution: `tool` is in it, `bash` and what awk is, and a virtual `mta`.
const MAIN: &str = "Package: bash\nVersion: 5.2\nEssential: yes\n\nPackage: mawk\nProvides: awk\n\n\
                    Package: awk-user\nDepends: awk\n\nPackage: tool\nVersion: 1\n";

/// The distribution's archive, and others by their URLs.
struct Archives {
    main: Fake,
    folders: HashMap<String, PathBuf>,
    made_up: HashMap<String, Fake>,
}

impl Archives {
    fn new() -> Self {
        Self { main: Fake::of(MAIN), folders: HashMap::new(), made_up: HashMap::new() }
    }

    /// With the repository that `tool` made, as `acme`.
    fn with(tool: &str) -> (Self, Extra) {
        let mut archives = Self::new();
        let url = format!("https://{tool}.example/debian");
        archives.folders.insert(url.clone(), repositories().join(tool));
        let key = std::fs::read(repositories().join("key.asc")).unwrap();
        (archives, extra(&url, "bookworm", key, ""))
    }

    /// With a repository that is made up and signed by `certificate`, as `acme`.
    fn with_made_up(packages: &str, certificate: Certificate) -> (Self, Extra) {
        let mut archives = Self::new();
        let key = certificate.public();
        let mut fake = Fake::empty();
        fake.certificate = certificate;
        let lists = [("amd64", packages)];
        fake.add("mirror", &Suite { name: "y", lists: &lists, ..Suite::default() });
        archives.made_up.insert(URL.to_owned(), fake);
        (archives, extra(URL, "y", key, ""))
    }

    fn archive(&self) -> Archive<'_> {
        Archive::new(self, Keyring::parse(&self.main.certificate.public()).unwrap())
    }

    fn lock(&self, request: &Request) -> Result<Lock, Error> {
        self.archive().resolve(request, None)
    }

    fn names(&self, extra: &Extra, packages: &[&str]) -> Vec<String> {
        names(&self.lock(&with_extra(extra, packages)).unwrap())
    }

    fn refusal(&self, extra: &Extra, packages: &[&str]) -> Error {
        self.lock(&with_extra(extra, packages)).unwrap_err()
    }

    /// The made-up repository.
    fn acme(&mut self) -> &mut Fake {
        self.made_up.get_mut(URL).unwrap()
    }
}

const URL: &str = "https://acme.example/debian";

impl Files for Archives {
    fn find(
        &self,
        archive: &str,
        path: &str,
        date: Date,
        accept: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), Cause> {
        if let Some(folder) = self.folders.get(archive) {
            return Ok(accept(&std::fs::read(folder.join(path))?)?);
        }
        match self.made_up.get(archive) {
            Some(fake) => fake.find(archive, path, date, accept),
            None if archive.contains("://") => Err(format!("{archive}: not found").into()),
            None => self.main.find(archive, path, date, accept),
        }
    }

    fn file(&self, item: &Item) -> Result<Vec<u8>, Cause> {
        if let Some(folder) = self.folders.get(&item.archive) {
            let bytes = std::fs::read(folder.join(&item.path))?;
            return match Digest::of(&bytes) == item.digest {
                true => Ok(bytes),
                false => Err("other bytes".into()),
            };
        }
        self.made_up.get(&item.archive).unwrap_or(&self.main).file(item)
    }

    fn keep(&self, bytes: &[u8]) -> Result<(), Cause> {
        self.main.keep(bytes)
    }

    fn kept(&self, digest: Digest) -> Option<Vec<u8>> {
        self.main.kept(digest)
    }
}

fn repositories() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/archive/repositories")
}

/// `acme`; without a fingerprint that of the first key of `key`.
fn extra(url: &str, suite: &str, key: Vec<u8>, fingerprint: &str) -> Extra {
    let fingerprint = match fingerprint {
        "" => fingerprint_of(&key),
        given => given.to_owned(),
    };
    Extra {
        name: "acme".to_owned(),
        url: url.to_owned(),
        suite: suite.to_owned(),
        components: vec!["main".to_owned()],
        key,
        fingerprint,
        packages: Vec::new(),
        place: "server.toml:9:8".to_owned(),
    }
}

fn fingerprint_of(key: &[u8]) -> String {
    use pgp::composed::{Deserializable, SignedPublicKey};
    use pgp::types::KeyDetails;
    let (mut keys, _) = SignedPublicKey::from_reader_many(key).unwrap();
    keys.next().unwrap().unwrap().fingerprint().to_string().to_uppercase()
}

fn with_extra(extra: &Extra, packages: &[&str]) -> Request {
    Request { extras: vec![extra.clone()], essential: true, ..request(packages) }
}

/// `name version archive` of each package.
fn names(lock: &Lock) -> Vec<String> {
    let name = |it: &Package| format!("{} {} {}", it.name, it.version, it.archive);
    lock.packages.iter().map(name).collect()
}

#[test]
fn what_reprepro_and_aptly_made_is_read_and_only_what_the_distribution_lacks_is_taken() {
    for tool in ["reprepro", "aptly"] {
        let (archives, extra) = Archives::with(tool);
        // bash and mawk are there too, newer, and stay the distribution's.
        let expected = ["bash 5.2 debian", "own-library 1.2-1 acme", "own-tool 1.0 acme"];
        assert_eq!(archives.names(&extra, &["own-tool"]), expected, "{tool}");
        let lock = archives.lock(&with_extra(&extra, &["own-tool"])).unwrap();
        assert_eq!(lock.sources[0].url, extra.url);
        assert_eq!(lock.indexes[1].archive.as_deref(), Some("acme"));
        let read = Lock::parse(&lock.text("web"), Path::new("server.lock")).unwrap();
        assert_eq!(read, lock);
        let item = read.items().into_iter().find(|item| item.name.starts_with("own-tool")).unwrap();
        assert_eq!(item.archive, extra.url);
        let bytes = archives.file(&item).unwrap();
        assert_eq!(bytes.len() as u64, item.size, "{tool}");
    }
}

#[test]
fn names_that_the_distribution_has_too_are_taken_where_the_definition_says_so() {
    let (archives, extra) = Archives::with("reprepro");
    let listed = Extra { packages: vec!["bash".to_owned()], ..extra.clone() };
    let taken = ["bash 99.0 acme", "tool 1 debian"];
    assert_eq!(archives.names(&listed, &["tool", "bash"]), taken);
    assert_eq!(archives.names(&listed, &["tool"]), taken, "it is essential all the same");
    let mawk = Extra { packages: vec!["mawk".to_owned()], ..extra.clone() };
    let others = ["bash 5.2 debian", "tool 1 debian"];
    assert_eq!(archives.names(&mawk, &["tool"]), others, "nobody asks for it");
    // As apt has it, a package may be asked for from there.
    assert_eq!(archives.names(&extra, &["tool", "bash/acme"]), taken);
    let error = archives.refusal(&extra, &["tool/acme"]);
    assert!(error.to_string().contains("no package `tool`"), "{error}");
    let mistyped = Extra { packages: vec!["owntool".to_owned()], ..extra };
    let error = archives.refusal(&mistyped, &["tool"]);
    assert_eq!(error.to_string(), "server.toml:9:8: acme has no package `owntool`");
}

#[test]
fn a_repository_decides_nothing_that_it_is_not_asked_for() {
    let packages = "Package: evil-awk\nProvides: awk\nPriority: required\n\n\
                    Package: evil\nEssential: yes\n";
    let (archives, extra) = Archives::with_made_up(packages, Certificate::good(7));
    let expected = ["awk-user 1 debian", "bash 5.2 debian", "mawk 1 debian"];
    assert_eq!(archives.names(&extra, &["awk-user"]), expected);
}

#[test]
fn the_first_repository_that_has_a_name_has_it() {
    let (mut archives, first) = Archives::with("reprepro");
    let (made_up, second) =
        Archives::with_made_up("Package: own-library\nVersion: 7\n", Certificate::good(7));
    archives.made_up = made_up.made_up;
    let second = Extra { name: "other".to_owned(), ..second };
    let names_of = |extras: [&Extra; 2]| {
        let extras = extras.map(Clone::clone).to_vec();
        let request = Request { extras, ..request(&["own-library"]) };
        names(&archives.lock(&request).unwrap()).join(" ")
    };
    assert!(names_of([&first, &second]).contains("own-library 1.2-1 acme"));
    assert!(names_of([&second, &first]).contains("own-library 7 other"));
}

#[test]
fn an_index_unsigned_or_signed_by_another_key_is_refused() {
    let (mut archives, extra) = Archives::with_made_up("Package: own\n", Certificate::good(7));
    let release = archives.acme().release(&Suite { name: "y", ..Suite::default() });
    for (signed, why) in [
        (release.clone(), "carries no OpenPGP signature"),
        (Certificate::good(8).sign(&release), "not in the keyring"),
        (archives.main.certificate.sign(&release), "not in the keyring"),
    ] {
        archives.acme().add_signed("mirror", "y", signed);
        let error = archives.refusal(&extra, &["own"]);
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.to_string().contains("no index of acme") && source.contains(why), "{source}");
    }
    // Of a file with several keys the one with the fingerprint counts, and no other.
    let mut key = Certificate::good(8).public();
    let only = fingerprint_of(&key);
    key.extend(archives.acme().certificate.public());
    let release = archives.acme().release(&Suite { name: "y", ..Suite::default() });
    let signed = archives.acme().certificate.sign(&release);
    archives.acme().add_signed("mirror", "y", signed);
    let error = archives.refusal(&self::extra(URL, "y", key, &only), &["own"]);
    assert!(matches!(error, Error::NoIndex { .. }), "{error}");
}

#[test]
fn a_wrong_fingerprint_and_a_file_that_is_no_key_are_named_with_their_place() {
    let (archives, extra) = Archives::with("aptly");
    let wrong = Extra { fingerprint: "AB".repeat(20), ..extra.clone() };
    let error = archives.refusal(&wrong, &["own-tool"]);
    assert!(error.to_string().starts_with("server.toml:9:8: "), "{error}");
    assert!(error.to_string().contains(&"AB".repeat(20)), "{error}");
    assert!(error.hint().unwrap().contains(&extra.fingerprint), "{:?}", error.hint());
    let error = archives.refusal(&Extra { key: b"words".to_vec(), ..extra }, &["own-tool"]);
    assert!(matches!(error, Error::KeyFile { .. }), "{error}");
    assert!(error.to_string().starts_with("server.toml:9:8: "), "{error}");
}

#[test]
fn components_suites_and_urls_that_are_not_there_are_refused() {
    let (archives, extra) = Archives::with("aptly");
    let other = Extra { components: vec!["contrib".to_owned()], ..extra.clone() };
    let error = archives.refusal(&other, &["own-tool"]);
    assert_eq!(error.to_string(), "server.toml:9:8: acme has no contrib for amd64");
    for other in [
        Extra { suite: "trixie".to_owned(), ..extra.clone() },
        Extra { url: "https://nowhere.example".to_owned(), ..extra },
    ] {
        let error = archives.refusal(&other, &["own-tool"]);
        assert!(error.to_string().starts_with("server.toml:9:8: no index of acme"), "{error}");
        assert!(error.hint().unwrap().contains("`url` and `suite`"), "{error}");
    }
}

/// With `Valid-Until`, in a repository of that URL.
fn valid_until(until: &str, url: &str) -> Result<Lock, Error> {
    let (mut archives, _) = Archives::with_made_up("Package: own\n", Certificate::good(7));
    let mut fake = archives.made_up.remove(URL).unwrap();
    let release = fake.release(&Suite {
        name: "y",
        lists: &[("amd64", "Package: own\n")],
        ..Suite::default()
    });
    let release = release.replacen("SHA256:", &format!("Valid-Until: {until}\nSHA256:"), 1);
    let signed = fake.certificate.sign(&release);
    fake.add_signed("mirror", "y", signed);
    let extra = extra(url, "y", fake.certificate.public(), "");
    archives.made_up.insert(extra.url_of(TODAY), fake);
    archives.lock(&with_extra(&extra, &["own"]))
}

#[test]
fn an_expired_repository_is_refused_where_it_has_no_days() {
    let (past, future) = ("Wed, 03 Jun 2020 12:00:00 UTC", "Thu, 31 Dec 2099 12:00:00 UTC");
    let error = valid_until(past, URL).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("it was valid until 2020-06-03"), "{source}");
    assert!(error.hint().unwrap().contains("no longer looked after"));
    valid_until(future, URL).unwrap();
    // What it was on a day, it stays: the day is 2020-06-15.
    let dated = "https://acme.example/{year}/{month}/{day}";
    let that_day = "Mon, 15 Jun 2020 00:00:01 UTC";
    let lock = valid_until(that_day, dated).unwrap();
    assert_eq!(lock.sources[0].url, "https://acme.example/2020/06/15");
    let error = valid_until("Sun, 14 Jun 2020 23:59:59 UTC", dated).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("it was valid until 2020-06-14"), "{source}");
    assert!(valid_until("yesterday", URL).is_err());
}

#[test]
fn a_key_that_has_expired_is_refused_where_the_repository_has_no_days() {
    let mortal = || Certificate::new(7, Nature { lifetime: Some(30 * DAY), ..Nature::default() });
    let (archives, extra) = Archives::with_made_up("Package: own\n", mortal());
    let error = archives.refusal(&extra, &["own"]);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("has expired since"), "{source}");

    let dated = "https://acme.example/{year}/{month}/{day}";
    let (mut archives, extra) = Archives::with_made_up("Package: own\n", mortal());
    let fake = archives.made_up.remove(URL).unwrap();
    archives.made_up.insert("https://acme.example/2020/06/15".to_owned(), fake);
    archives.lock(&with_extra(&Extra { url: dated.to_owned(), ..extra }, &["own"])).unwrap();
}

#[test]
fn an_index_of_after_the_day_stands_for_it_only_where_there_are_no_days() {
    let date = "Wed, 17 Jun 2020 12:00:00 UTC";
    for (url, accepted) in [(URL, true), ("https://acme.example/{year}{month}{day}", false)] {
        let (mut archives, _) = Archives::with_made_up("", Certificate::good(7));
        let mut fake = archives.made_up.remove(URL).unwrap();
        let lists = [("amd64", "Package: own\n")];
        fake.add("mirror", &Suite { name: "y", date, lists: &lists, ..Suite::default() });
        let extra = extra(url, "y", fake.certificate.public(), "");
        archives.made_up.insert(extra.url_of(TODAY), fake);
        assert_eq!(archives.lock(&with_extra(&extra, &["own"])).is_ok(), accepted, "{url}");
    }
}

#[test]
fn other_bytes_under_the_version_of_the_lock_are_refused() {
    let (archives, extra) =
        Archives::with_made_up("Package: own\nVersion: 1\n", Certificate::good(7));
    let request = with_extra(&extra, &["own"]);
    let first = archives.lock(&request).unwrap();
    let changed = format!("Package: own\nVersion: 1\nSHA256: {}\n", Digest::of("other").hex());
    let (archives, _) = Archives::with_made_up(&changed, Certificate::good(7));
    let again = archives.archive().resolve(&request, Some(&first));
    let error = again.unwrap_err();
    assert!(matches!(&error, Error::Replaced { package, .. } if package == "own 1"), "{error}");
    let updated = archives.archive().update(&request, &first, &["own".to_owned()]);
    assert!(matches!(updated, Err(Error::Replaced { .. })));
    // Another version is an update.
    let newer = changed.replace("Version: 1", "Version: 2");
    let (archives, _) = Archives::with_made_up(&newer, Certificate::good(7));
    let lock = archives.archive().resolve(&request, Some(&first)).unwrap();
    assert!(names(&lock).contains(&"own 2 acme".to_owned()));
}

#[test]
fn an_index_older_than_the_lock_s_is_a_replay() {
    let (archives, extra) = Archives::with_made_up("Package: own\n", Certificate::good(7));
    let request = with_extra(&extra, &["own"]);
    let mut lock = archives.lock(&request).unwrap();
    lock.indexes[1].signed = "2020-06-10T00:00:00Z".parse().unwrap();
    let error = archives.archive().resolve(&request, Some(&lock)).unwrap_err();
    assert!(error.to_string().contains("no index of acme"), "{error}");
}

#[test]
fn paths_and_names_that_lead_out_of_the_repository_are_refused() {
    for packages in [
        "Package: own\nFilename: ../../etc/passwd\n",
        "Package: own\nFilename: /etc/passwd\n",
        "Package: ../own\n",
        "Package: own\nVersion: 1/../2\n",
        "Package: own\nArchitecture: ../amd64\n",
        "Package: own\nSHA256: abc\n",
    ] {
        let (archives, extra) = Archives::with_made_up(packages, Certificate::good(7));
        assert!(archives.lock(&with_extra(&extra, &["own"])).is_err(), "{packages}");
    }
}

/// The package files of `repositories/`, as if they lay beside the definition.
fn own(archives: &Archives, path: &str) -> OwnFile {
    let bytes = match path {
        "key.asc" => std::fs::read(repositories().join(path)).unwrap(),
        _ => std::fs::read(repositories().join("aptly/pool/main").join(path)).unwrap(),
    };
    archives.keep(&bytes).unwrap();
    let name = path.rsplit('/').next().unwrap();
    OwnFile {
        path: format!("servers/web/pkgs/{name}"),
        sha256: Digest::of(&bytes),
        size: bytes.len() as u64,
        place: format!("servers/web/server.toml:12:{}", path.len()),
    }
}

#[test]
fn package_files_beside_the_definition_are_installed_with_what_they_need() {
    let archives = Archives::new();
    let files = ["o/own-tool/own-tool_1.0_all.deb", "o/own-library/own-library_1.2-1_amd64.deb"];
    let files: Vec<_> = files.iter().map(|path| own(&archives, path)).collect();
    let request = Request { own: files.clone(), ..request(&[]) };
    let lock = archives.lock(&request).unwrap();
    assert_eq!(names(&lock), ["bash 5.2 debian", "own-library 1.2-1 own", "own-tool 1.0 own"]);
    let tool = lock.package("own-tool").unwrap();
    assert_eq!(
        (&tool.path, tool.sha256, tool.size),
        (&files[0].path, files[0].sha256, files[0].size)
    );
    assert!(lock.indexes.iter().all(|index| index.archive.is_none()));
    assert_ne!(lock.request, self::request(&[]).digest());
    assert_eq!(lock.request, request.digest());
}

#[test]
fn a_package_file_wins_over_the_distribution_s_package_of_its_name() {
    let archives = Archives::new();
    let own = vec![own(&archives, "b/bash/bash_99.0_amd64.deb")];
    let lock = archives.lock(&Request { own, ..request(&["tool", "bash"]) }).unwrap();
    assert_eq!(names(&lock), ["bash 99.0 own", "tool 1 debian"]);
}

#[test]
fn package_files_that_cannot_be_installed_are_named_with_their_place() {
    let archives = Archives::new();
    let refusal = |own: &[&OwnFile]| {
        let own = own.iter().map(|file| (*file).clone()).collect();
        archives.lock(&Request { own, ..request(&[]) }).unwrap_err().to_string()
    };
    let key = own(&archives, "key.asc");
    let text = refusal(&[&key]);
    assert!(
        text.starts_with("servers/web/server.toml:12:7: `servers/web/pkgs/key.asc` is no package"),
        "{text}"
    );
    let bash = own(&archives, "b/bash/bash_99.0_amd64.deb");
    let again = OwnFile { path: "servers/web/pkgs/again.deb".to_owned(), ..bash.clone() };
    let text = refusal(&[&bash, &again]);
    assert!(text.contains("again.deb` is the package `bash`"), "{text}");
    let elsewhere =
        Request { own: vec![bash], architectures: vec!["arm64".to_owned()], ..request(&[]) };
    let mut arm = Fake::empty();
    arm.add("mirror", &Suite { lists: &[("arm64", MAIN)], ..Suite::default() });
    let other = Archives { main: arm, ..Archives::new() };
    other.keep(&archives.kept(elsewhere.own[0].sha256).unwrap()).unwrap();
    let text = other.lock(&elsewhere).unwrap_err().to_string();
    assert!(text.contains("is of architecture amd64, the server of arm64"), "{text}");
    let lacking = own(&archives, "o/own-tool/own-tool_1.0_all.deb");
    assert!(refusal(&[&lacking]).contains("own-library (>= 1), which nothing satisfies"));
}

#[test]
fn who_asks_for_what_is_not_there_or_in_the_way_is_named() {
    let archives = Archives {
        main: Fake::of(
            "Package: chrony\nConflicts: time-daemon\n\nPackage: timesyncd\nProvides: time-daemon\n",
        ),
        ..Archives::new()
    };
    let by = "the role `base` (roles/base/role.toml:8:5)".to_owned();
    let asked_by = ["timesyncd", "resolved"].map(|name| (name.to_owned(), by.clone()));
    let asked = |packages: &[&str]| {
        let request = Request { asked_by: asked_by.iter().cloned().collect(), ..request(packages) };
        archives.lock(&request).unwrap_err().to_string()
    };
    let text = asked(&["chrony", "timesyncd"]);
    assert!(text.contains(&format!("timesyncd is asked for by {by}")), "{text}");
    let text = asked(&["resolved"]);
    assert!(
        text.contains("no package `resolved`") && text.contains(&format!("{by} asks for it")),
        "{text}"
    );
}
