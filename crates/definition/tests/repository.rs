//! The definitions of this repository.

#![cfg(test)]

use std::path::Path;

use definition::{Constraint, Kind, Workspace};

fn workspace() -> Workspace {
    Workspace::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn every_server_of_this_repository_can_be_composed() {
    let workspace = workspace();
    for name in ["calendar", "gitserver", "homeserver", "mailserver", "webserver"] {
        assert!(workspace.servers().contains(&name), "{name}");
    }
    for name in workspace.servers() {
        if let Err(error) = workspace.server(name) {
            panic!("{name}: {error}");
        }
    }
}

#[test]
fn the_mail_server_is_made_of_its_roles_and_its_board() {
    let server = workspace().server("mailserver").unwrap();
    let parts: Vec<&str> = server.parts.iter().map(|part| part.as_str()).collect();
    assert_eq!(parts, ["base", "mail", "ssh", "mailserver"]);

    let kernel = server.install.iter().find(|request| request.name == server.kernel[0]).unwrap();
    assert_eq!(kernel.to_string(), "linux-image-cloud-amd64/bookworm-backports");
    let plain = |name: &str| {
        server.install.iter().any(|r| r.name.as_str() == name && r.constraint == Constraint::Any)
    };
    assert!(plain("systemd") && plain("openssh-server") && plain("postfix"));

    let entry = |path: &str| server.overlay.iter().find(|entry| entry.path.as_str() == path);
    let target = "../run/systemd/resolve/stub-resolv.conf".to_owned();
    assert_eq!(entry("/etc/resolv.conf").unwrap().kind, Kind::Symlink { target });
    assert_eq!(entry("/etc/postfix/main.cf").unwrap().part.as_str(), "mail");

    let state: Vec<&str> = server.state.iter().map(|entry| entry.path.as_str()).collect();
    assert!(state.contains(&"/var/mail") && state.contains(&"/etc/machine-id"));
    assert!(server.definition_bytes < 64 * 1024, "{} bytes", server.definition_bytes);
}

#[test]
fn a_server_can_be_read_with_another_text_in_place_of_its_own() {
    let workspace = workspace();
    let server = workspace.server("webserver").unwrap();
    let path = server.definition_path();
    let text = std::fs::read_to_string(&path).unwrap();
    let renamed = text.replace("hostname = \"www\"", "hostname = \"web\"");
    let other = workspace.server_with("webserver", &renamed).unwrap();
    assert_eq!(
        (server.hostname.to_string(), other.hostname.to_string()),
        ("www".into(), "web".into())
    );
    assert_eq!(server.install, other.install);
    // Mistakes are shown in the text that was given.
    let error = workspace.server_with("webserver", "hostname = 1\n").unwrap_err().to_string();
    assert!(error.contains("servers/webserver/server.toml:1:12"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn the_home_server_gets_what_is_for_arch() {
    let server = workspace().server("homeserver").unwrap();
    let asked: Vec<String> = server.install.iter().map(ToString::to_string).collect();
    for package in ["base", "dovecot", "linux", "openssh", "postfix"] {
        assert!(asked.iter().any(|asked| asked == package), "{package}: {asked:?}");
    }
    let paths: Vec<&str> = server.overlay.iter().map(|entry| entry.path.as_str()).collect();
    let units = "/etc/systemd/system";
    assert!(paths.contains(&format!("{units}/multi-user.target.wants/sshd.service").as_str()));
    assert!(!paths.contains(&format!("{units}/apt-daily.timer").as_str()));
    assert_eq!(server.pins.len(), 1);
}

#[test]
fn a_server_lets_in_whose_key_is_laid() {
    let server = workspace().server("mailserver").unwrap();
    // Comments are no keys, and nobody has put one into this repository.
    assert_eq!(server.lets_in("root").unwrap(), Some(false));
    assert_eq!(server.lets_in("nobody").unwrap(), Some(false));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root");
    std::fs::write(&file, "# mine\nssh-ed25519 AAAA me\n").unwrap();
    let mut with_key = server.clone();
    let laid = |entry: &&mut definition::OverlayEntry| entry.path.as_str().ends_with("keys/root");
    with_key.overlay.iter_mut().find(laid).unwrap().source = file;
    assert_eq!(with_key.lets_in("root").unwrap(), Some(true));

    let mut without = server;
    without.overlay.retain(|entry| !entry.path.as_str().starts_with("/etc/ssh/authorized_keys/"));
    assert_eq!(without.lets_in("root").unwrap(), None);
}
