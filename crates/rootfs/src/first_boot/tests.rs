use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::*;

fn own(path: &str, make: &[&str]) -> Own {
    Own {
        path: path.to_owned(),
        make: make.iter().map(|word| (*word).to_owned()).collect(),
        directory: false,
        beside: vec![],
        state: None,
        before: vec!["x.service".to_owned()],
        needs: vec![],
        owner: None,
        group: None,
        mode: None,
    }
}

fn laid(own: &Own, state: &[&str]) -> Result<Vec<Overlay>, Error> {
    let state: Vec<String> = state.iter().map(|it| (*it).to_owned()).collect();
    overlay(std::slice::from_ref(own), &state)
}

#[test]
fn a_file_outside_of_state_is_a_link_into_it() {
    let key = Own { beside: vec!["k.pub".to_owned()], ..own("/etc/a-b/k", &["/x", "{new}"]) };
    let laid = laid(&key, &[STATE]).unwrap();
    let links: Vec<(&str, &str)> = laid
        .iter()
        .filter_map(|it| match &it.source {
            Source::Symlink(target) => Some((it.path.as_str(), target.as_str())),
            _ => None,
        })
        .collect();
    let unit = r"/etc/systemd/system/first-boot-etc-a\x2db-k.service";
    assert_eq!(
        links,
        [
            (r"/etc/systemd/system/multi-user.target.wants/first-boot-etc-a\x2db-k.service", unit),
            (r"/etc/systemd/system/x.service.requires/first-boot-etc-a\x2db-k.service", unit),
            ("/etc/a-b/k", "/var/lib/first-boot/etc/a-b/k"),
            ("/etc/a-b/k.pub", "/var/lib/first-boot/etc/a-b/k.pub"),
        ]
    );
    assert_eq!(taken_out(&[key]), ["/etc/a-b/k", "/etc/a-b/k.pub"]);
}

#[test]
fn a_unit_makes_under_another_name_syncs_and_renames() {
    let key = own("/var/lib/x/k", &["/usr/bin/make", "--cn", "{hostname}", "100% $HOME", "{new}"]);
    let laid = laid(&key, &["/var/lib/x"]).unwrap();
    let Some(Source::Bytes { bytes, .. }) = laid.last().map(|it| &it.source) else {
        panic!("no unit")
    };
    assert_eq!(
        std::str::from_utf8(bytes).unwrap(),
        r#"[Unit]
Description=Make /var/lib/x/k, which is this machine's own
DefaultDependencies=no
ConditionPathExists=!/var/lib/x/k
RequiresMountsFor="/var/lib/x/k"
After=local-fs.target systemd-tmpfiles-setup.service
Before=shutdown.target x.service
Conflicts=shutdown.target

[Service]
Type=oneshot
UMask=0022
ExecStart="/usr/bin/rm" "-rf" "/var/lib/x/.k.new"
ExecStart="/usr/bin/mkdir" "-p" "/var/lib/x"
ExecStart="/usr/bin/mkdir" "-m" "0700" "/var/lib/x/.k.new"
ExecStart="/usr/bin/make" "--cn" "%H" "100%% $$HOME" "/var/lib/x/.k.new/k"
ExecStart="/usr/bin/chown" "root:root" "/var/lib/x/.k.new/k"
ExecStart="/usr/bin/chmod" "0600" "/var/lib/x/.k.new/k"
ExecStart="/usr/bin/sync" "-f" "/var/lib/x/.k.new"
ExecStart="/usr/bin/mv" "-f" "-T" "/var/lib/x/.k.new/k" "/var/lib/x/k"
ExecStart="/usr/bin/rm" "-rf" "/var/lib/x/.k.new"
ExecStart="/usr/bin/sync" "-f" "/var/lib/x"

[Install]
WantedBy=multi-user.target
"#
    );
}

#[test]
fn what_nothing_can_keep_is_refused_with_what_to_do() {
    let key = own("/etc/k", &["/x", "{new}"]);
    let error = laid(&key, &["/var/lib/x"]).unwrap_err();
    assert!(matches!(&error, Error::Path { hint: Some(hint), .. } if hint.contains("`base`")));
    let error = laid(&key, &["/etc/k"]).unwrap_err();
    assert!(
        matches!(&error, Error::Path { hint: Some(hint), .. } if hint.contains("/etc as state"))
    );
    let directory = Own { directory: true, state: Some(STATE.to_owned()), ..key };
    assert!(laid(&directory, &[STATE]).is_err());
    assert!(laid(&own(&format!("/{}", "k".repeat(300)), &["/x"]), &[STATE]).is_err());
}

/// Runs the commands of one that is made below `root` by whoever runs the tests, up to `most`.
fn run(own: &Own, place: &Place, most: usize) -> bool {
    commands(own, place, &own.path).into_iter().take(most).all(|command| {
        // Owners take root; all else is as on a server.
        let by_root = command[0].ends_with("/chown");
        by_root || Command::new(&command[0]).args(&command[1..]).status().unwrap().success()
    })
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn wherever_it_is_cut_short_the_next_boot_makes_the_whole_of_it() {
    let script = "printf whole > {new}; printf public > {new}.pub";
    for place in [Place::Here, Place::Mounted] {
        for most in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("deep/k");
            let mut key = own(path.to_str().unwrap(), &["/bin/sh", "-c", script]);
            let mounted = place == Place::Mounted;
            if mounted {
                key.directory = true;
                key.make[2] = "printf 1 > {new}/one; printf 2 > {new}/.two".to_owned();
                fs::create_dir_all(&path).unwrap();
            } else {
                key.beside = vec!["k.pub".to_owned()];
            }
            assert!(run(&key, &place, most));
            let whole = |file: &str| fs::read_to_string(path.join(file)).ok();
            if mounted {
                let marked = path.join(MARK).exists();
                let empty = fs::read_dir(&path).unwrap().next().is_none();
                if marked || empty {
                    assert!(run(&key, &place, usize::MAX));
                }
                assert_eq!([whole("one"), whole(".two")].map(Option::unwrap), ["1", "2"]);
                assert_eq!(fs::read_dir(&path).unwrap().count(), 2);
            } else {
                if !path.exists() {
                    assert!(run(&key, &place, usize::MAX));
                }
                assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
                assert_eq!(fs::read_to_string(path.with_extension("pub")).unwrap(), "public");
                assert_eq!(mode(&path), 0o600);
            }
        }
    }
}

#[test]
fn without_a_place_to_write_to_what_a_program_says_is_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("id with a $pace");
    let id = own(path.to_str().unwrap(), &["/bin/echo", "an", "id"]);
    assert!(run(&Own { mode: Some(0o644), ..id }, &Place::Here, usize::MAX));
    assert_eq!(fs::read_to_string(&path).unwrap(), "an id\n");
    assert_eq!(mode(&path), 0o644);
}

#[test]
fn a_program_that_fails_leaves_nothing_at_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k");
    let key = own(path.to_str().unwrap(), &["/bin/sh", "-c", "printf half > {new}; exit 1"]);
    assert!(!run(&key, &Place::Here, usize::MAX));
    assert!(!path.exists());
}
