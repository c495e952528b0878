//! What a config layer holds.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use digest::Digest;
use rootfs::config::{self, Base, Config, Overlay, Permission, Source};
use rootfs::ids::{Ids, complete};
use rootfs::paths::Paths;
use rootfs::tarball::{Header, Kind, Writer, read};
use rootfs::{Error, accounts::Accounts};

use crate::accounts::{accounts, user};

const EPOCH: i64 = 1_800_000_000;
const TREE_TIME: i64 = 1_700_000_000;

const CAPABILITY: &str = "security.capability";
/// `cap_net_raw=ep`, as capabilities(7) has it in a file of version 2.
const NET_RAW: [u8; 20] = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const ACL: &str = "system.posix_acl_access";

/// Owner, a group with all, a mask, others, as acl(5) and posix_acl_xattr.h have them.
fn acl(group: u32, mask: u8, others: u8) -> Vec<u8> {
    let entry = |tag: u8, bits: u8, id: [u8; 4]| [vec![tag, 0, bits, 0], id.to_vec()].concat();
    let nobody = [255; 4];
    let version = 2_u32.to_le_bytes().to_vec();
    let owner = entry(1, 7, nobody);
    let named = entry(8, 7, group.to_le_bytes());
    [version, owner, named, entry(16, mask, nobody), entry(32, others, nobody)].concat()
}

type Layer = BTreeMap<String, (Header, String)>;

/// A package tree with what trees have.
fn tree() -> Vec<(Header, &'static str)> {
    let directory = |path: &str, mode| (Header::new(path, Kind::Directory, mode, TREE_TIME), "");
    let file = |path: &str, content: &'static str| {
        (Header::new(path, Kind::File(content.len() as u64), 0o600, TREE_TIME), content)
    };
    let link = |path: &str, target: &str| {
        (Header::new(path, Kind::Symlink(target.into()), 0o777, TREE_TIME), "")
    };
    let mut tree = vec![
        directory("", 0o755),
        directory("etc", 0o755),
        directory("etc/dovecot", 0o750),
        file("etc/dovecot/users", "alice\n"),
        file("etc/passwd", ""),
        directory("run", 0o755),
        directory("usr", 0o755),
        directory("usr/bin", 0o755),
        file("usr/bin/ping", "#!"),
        directory("usr/lib", 0o755),
        link("lib", "usr/lib"),
        directory("var", 0o755),
        link("var/run", "/run"),
        directory("var/mail", 0o2775),
        link("var/spool", "mail"),
    ];
    tree[2].0.gid = 101;
    for (header, _) in &mut tree {
        match header.path.as_slice() {
            b"usr/bin/ping" => {
                header.mode = 0o755;
                header.xattrs.insert(CAPABILITY.to_owned(), NET_RAW.to_vec());
                header.xattrs.insert(ACL.to_owned(), acl(101, 7, 5));
            }
            b"var/mail" => _ = header.xattrs.insert(ACL.to_owned(), acl(101, 7, 5)),
            _ => {}
        }
    }
    tree.sort_by(|one, other| one.0.path.cmp(&other.0.path));
    tree
}

/// The state that begins with files, as path and number.
fn begins(config: &Config) -> Vec<(String, usize)> {
    let paths = Paths::new(tree().iter().map(|(header, _)| header));
    let accounts: Accounts = accounts();
    let recorded = Ids { users: BTreeMap::new(), groups: BTreeMap::new() };
    let ids = complete(&recorded, &accounts, &config.users, &config.groups).unwrap();
    let base = Base { paths: &paths, accounts: &accounts, ids: &ids };
    let begins = config::begins(config, &base).unwrap();
    begins.into_iter().map(|it| (it.path, it.files)).collect()
}

fn layer_of(config: &Config) -> Result<Layer, Error> {
    let tree = tree();
    let directory = tempfile::tempdir().unwrap();
    let tar = directory.path().join("tree.tar");
    let mut writer = Writer::new(fs::File::create(&tar).unwrap());
    for (header, content) in &tree {
        writer.append(header, &mut content.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
    let paths = Paths::new(tree.iter().map(|(header, _)| header));
    let accounts: Accounts = accounts();
    let recorded = Ids { users: BTreeMap::new(), groups: [("postdrop".to_owned(), 333)].into() };
    let ids = complete(&recorded, &accounts, &config.users, &config.groups).unwrap();
    let base = Base { paths: &paths, accounts: &accounts, ids: &ids };
    let bytes = config::write(config, &base, &tar, Vec::new())?;
    let mut layer = Layer::new();
    read(bytes.as_slice(), |header, content| -> Result<(), Error> {
        let mut text = String::new();
        content.read_to_string(&mut text)?;
        layer.insert(String::from_utf8(header.path.clone()).unwrap(), (header, text));
        Ok(())
    })?;
    Ok(layer)
}

fn bytes(path: &str, text: &str) -> Overlay {
    let source = Source::Bytes { bytes: text.into(), executable: false };
    Overlay { path: path.to_owned(), source }
}

fn permission(path: &str, owner: &str, group: &str, mode: u32) -> Permission {
    Permission {
        path: path.to_owned(),
        owner: Some(owner.to_owned()),
        group: Some(group.to_owned()),
        mode: Some(mode),
    }
}

fn config() -> Config {
    Config { epoch: EPOCH, ..Config::default() }
}

fn error_of(config: Config) -> (String, Option<String>) {
    let error = layer_of(&config).unwrap_err();
    (error.to_string(), error.hint())
}

#[test]
fn a_file_that_is_not_what_it_was_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file: PathBuf = directory.path().join("edited");
    fs::write(&file, "saved meanwhile").unwrap();
    let source =
        Source::File { file: file.clone(), digest: Digest::of("as read"), executable: false };
    let overlay = vec![Overlay { path: "/etc/edited".to_owned(), source }];
    let error = layer_of(&Config { overlay, ..config() }).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(error.to_string(), format!("cannot read {}", file.display()));
    assert_eq!(cause, "it changed while it was read; build once more");
}

#[test]
fn modes_come_from_the_executable_bit_and_times_from_the_epoch() {
    let directory = tempfile::tempdir().unwrap();
    let file: PathBuf = directory.path().join("odd");
    fs::write(&file, "content").unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o604)).unwrap();
    let digest = Digest::of("content");
    let source = |executable| Source::File { file: file.clone(), digest, executable };
    let overlay = vec![
        Overlay { path: "/etc/plain".to_owned(), source: source(false) },
        Overlay { path: "/usr/local/bin/run".to_owned(), source: source(true) },
        Overlay { path: "/etc/link".to_owned(), source: Source::Symlink("plain".to_owned()) },
        Overlay { path: "/srv/empty".to_owned(), source: Source::Directory },
    ];
    let layer = layer_of(&Config { overlay, ..config() }).unwrap();
    let modes: Vec<(&str, u32, i64)> = layer
        .iter()
        .map(|(path, (header, _))| (path.as_str(), header.mode, header.mtime))
        .collect();
    assert_eq!(
        modes,
        [
            ("", 0o755, TREE_TIME),
            ("etc", 0o755, TREE_TIME),
            ("etc/link", 0o777, EPOCH),
            ("etc/plain", 0o644, EPOCH),
            ("srv", 0o755, EPOCH),
            ("srv/empty", 0o755, EPOCH),
            ("usr", 0o755, TREE_TIME),
            ("usr/local", 0o755, EPOCH),
            ("usr/local/bin", 0o755, EPOCH),
            ("usr/local/bin/run", 0o755, EPOCH),
        ]
    );
    assert_eq!(layer["etc/plain"].1, "content");
}

#[test]
fn directories_of_packages_keep_their_owner_in_the_locks_numbers() {
    let overlay = vec![bytes("/etc/dovecot/local.conf", "x")];
    let layer = layer_of(&Config { overlay, ..config() }).unwrap();
    let header = &layer["etc/dovecot"].0;
    assert_eq!((header.mode, header.gid), (0o750, 333));
    assert_eq!(layer["etc/dovecot/local.conf"].0.gid, 0);
}

#[test]
fn files_are_laid_where_links_of_the_packages_lead() {
    let overlay = vec![bytes("/lib/systemd/x.conf", "x"), bytes("/var/spool/y", "y")];
    let layer = layer_of(&Config { overlay, ..config() }).unwrap();
    assert!(layer.contains_key("usr/lib/systemd/x.conf"));
    assert!(layer.contains_key("var/mail/y"));
    assert!(!layer.contains_key("lib"));
    let (message, hint) =
        error_of(Config { overlay: vec![bytes("/var/run/x.pid", "")], ..config() });
    assert_eq!(message, "/var/run/x.pid: it lies in /run, which is empty at each boot");
    assert!(hint.unwrap().contains("tmpfiles.d"));
}

#[test]
fn two_names_of_one_place_are_an_error_that_names_both() {
    let overlay = vec![bytes("/usr/lib/x", "1"), bytes("/lib/x", "2")];
    let (message, _) = error_of(Config { overlay, ..config() });
    assert!(message.contains("/usr/lib/x") && message.contains("/lib/x"), "{message}");
}

#[test]
fn a_file_cannot_stand_where_packages_have_a_directory_or_the_other_way_round() {
    let (message, _) = error_of(Config { overlay: vec![bytes("/etc/dovecot", "")], ..config() });
    assert!(message.contains("a directory at /etc/dovecot"), "{message}");
    let overlay = vec![bytes("/etc/dovecot/users/x", "")];
    let (message, _) = error_of(Config { overlay, ..config() });
    assert!(message.contains("/etc/dovecot/users is a file"), "{message}");
}

#[test]
fn permissions_reach_overlay_state_and_packages() {
    let layer = layer_of(&Config {
        overlay: vec![bytes("/etc/secret", "s")],
        users: vec![user("vmail", true)],
        mounts: vec!["/srv/mail".to_owned(), "/var/spool".to_owned()],
        permissions: vec![
            permission("/etc/secret", "vmail", "vmail", 0o400),
            permission("/srv/mail", "vmail", "mail", 0o2770),
            permission("/etc/dovecot/users", "root", "postdrop", 0o640),
        ],
        ..config()
    })
    .unwrap();
    let owned = |path: &str| {
        let header = &layer[path].0;
        (header.uid, header.gid, header.mode)
    };
    assert_eq!(owned("etc/secret"), (101, 100, 0o400));
    assert_eq!(owned("srv/mail"), (101, 8, 0o2770));
    assert_eq!(owned("etc/dovecot/users"), (0, 333, 0o640));
    assert_eq!(layer["etc/dovecot/users"].1, "alice\n", "the packages' content comes along");
    assert_eq!(layer["etc/dovecot/users"].0.mtime, TREE_TIME);
    assert!(!layer.contains_key("var/mail"), "a mount point that packages have stays theirs");
    assert!(layer["etc/passwd"].1.contains("vmail:x:101:100:"));
    assert!(layer["etc/group"].1.contains("postdrop:x:333:"));
}

/// A server that has the state already would not see them in the image: systemd-tmpfiles sets them.
#[test]
fn permissions_of_state_are_set_at_each_boot_and_others_are_not() {
    const TMPFILES: &str = "usr/lib/tmpfiles.d/00-heirloom-state.conf";
    let permissions = vec![
        permission("/etc/dovecot/users", "root", "postdrop", 0o640),
        Permission { owner: None, ..permission("/var/spool", "root", "postdrop", 0o2770) },
    ];
    let config = Config { mounts: vec!["/var/mail".to_owned()], permissions, ..config() };
    let layer = layer_of(&config).unwrap();
    let lines: Vec<_> = layer[TMPFILES].1.lines().skip(1).collect();
    assert_eq!(lines, ["z \"/var/mail\" 2770 - 333 - -"], "by the place, not by the link");
    let kept_nowhere = Config { mounts: Vec::new(), ..config };
    assert!(!layer_of(&kept_nowhere).unwrap().contains_key(TMPFILES));
}

#[test]
fn state_that_lies_in_other_state_behind_a_link_is_refused() {
    let mounts = vec!["/var/mail".to_owned(), "/var/spool/postfix".to_owned()];
    let (message, hint) = error_of(Config { mounts, ..config() });
    assert!(message.contains("/var/mail/postfix"), "{message}");
    assert!(hint.unwrap().contains("leave the inner one out"));
}

#[test]
fn files_that_only_a_new_server_gets_are_counted_where_links_lead() {
    let mounts = ["/etc/dovecot", "/etc/passwd", "/srv/empty", "/var/spool"].map(str::to_owned);
    let overlay = vec![
        // In the place of a package's, and beside it.
        bytes("/etc/dovecot/users", "bob\n"),
        bytes("/etc/dovecot/conf.d/a", ""),
        Overlay { path: "/var/mail/link".to_owned(), source: Source::Symlink("x".to_owned()) },
        Overlay { path: "/srv/empty/inner".to_owned(), source: Source::Directory },
    ];
    let config = Config { mounts: mounts.into(), overlay, ..config() };
    assert_eq!(begins(&config), [("/etc/dovecot".into(), 2), ("/var/spool".into(), 1)]);
}

const DYNAMIC: &str = "[Service]\nDynamicUser=yes\nStateDirectory=dyn\n";

#[test]
fn state_of_a_dynamic_user_is_kept_where_systemd_has_it() {
    let unit = bytes("/etc/systemd/system/dyn.service", DYNAMIC);
    let mounts = |path: &str| vec![path.to_owned()];
    let config = |path| Config { overlay: vec![unit.clone()], mounts: mounts(path), ..config() };
    for (path, meant) in
        [("/var/lib/dyn", "/var/lib/private/dyn"), ("/var/lib/dyn/a", "/var/lib/private/dyn/a")]
    {
        let (message, hint) = error_of(config(path));
        assert!(message.contains("dyn.service has DynamicUser="), "{message}");
        assert_eq!(hint.unwrap(), format!("write `{meant}`"));
    }
    let layer = layer_of(&config("/var/lib/private/dyn")).unwrap();
    assert_eq!(layer["var/lib/private"].0.mode, 0o700);
    assert_eq!(layer["var/lib/private/dyn"].0.mode, 0o755);
    // A unit that is masked does not run.
    let mut masked = config("/var/lib/dyn");
    let source = Source::Symlink("/dev/null".to_owned());
    masked.overlay = vec![Overlay { path: "/etc/systemd/system/dyn.service".to_owned(), source }];
    assert!(layer_of(&masked).is_ok());
}

#[test]
fn a_permission_on_nothing_or_for_nobody_says_what_may_be_meant() {
    let nothing = vec![permission("/etc/dovecot/user", "root", "root", 0o644)];
    let (message, hint) = error_of(Config { permissions: nothing, ..config() });
    assert!(message.contains("neither the packages nor the definition"), "{message}");
    assert_eq!(hint.as_deref(), Some("did you mean `/etc/dovecot/users`?"));
    let nobody = vec![permission("/etc/dovecot/users", "root", "postdorp", 0o644)];
    let (message, hint) = error_of(Config { permissions: nobody, ..config() });
    assert!(message.contains("`postdorp`"), "{message}");
    assert_eq!(hint.as_deref(), Some("did you mean `postdrop`?"));
}

#[test]
fn the_host_has_a_name_that_resolves_and_the_definition_may_say_otherwise() {
    let named = Config { hostname: Some("mail.example.org".to_owned()), ..config() };
    let layer = layer_of(&named).unwrap();
    assert_eq!(layer["etc/hostname"].1, "mail.example.org\n");
    assert!(layer["etc/hosts"].1.contains("127.0.1.1 mail.example.org mail\n"));
    let overlay = vec![bytes("/etc/hosts", "mine\n")];
    assert_eq!(layer_of(&Config { overlay, ..named }).unwrap()["etc/hosts"].1, "mine\n");
}

#[test]
fn account_files_are_either_declared_or_written_by_hand() {
    let overlay = vec![bytes("/etc/passwd", "root:x:0:0::/:/bin/sh\n")];
    assert!(layer_of(&Config { overlay: overlay.clone(), ..config() }).is_ok());
    let users = vec![user("vmail", true)];
    assert!(error_of(Config { overlay, users, ..config() }).1.is_some());
}

#[test]
fn a_file_of_a_package_keeps_its_capabilities_under_another_mode_and_owner() {
    let permissions = vec![Permission {
        path: "/usr/bin/ping".to_owned(),
        owner: None,
        group: Some("postdrop".to_owned()),
        mode: Some(0o750),
    }];
    let config = Config { permissions, ..config() };
    let layer = layer_of(&config).unwrap();
    let (ping, content) = &layer["usr/bin/ping"];
    assert_eq!((ping.mode, ping.uid, ping.gid, content.as_str()), (0o750, 0, 333, "#!"));
    assert_eq!(ping.xattrs[CAPABILITY], NET_RAW);
    // The list has the lock's ids, and the new mode: the kernel would go by the list.
    assert_eq!(ping.xattrs[ACL], acl(333, 5, 0));
    assert_eq!(layer, layer_of(&config).unwrap());
}

#[test]
fn directories_on_the_way_keep_their_attributes() {
    let overlay = vec![bytes("/var/mail/note", "x"), bytes("/usr/bin/ping", "another")];
    let layer = layer_of(&Config { overlay, ..config() }).unwrap();
    assert_eq!(layer["var/mail"].0.xattrs[ACL], acl(333, 7, 5));
    assert!(layer["var/mail/note"].0.xattrs.is_empty());
    assert!(layer["usr/bin/ping"].0.xattrs.is_empty(), "another file has none of its capabilities");
}
