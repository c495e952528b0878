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
    for name in ["gitserver", "mailserver", "webserver"] {
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
    assert_eq!(parts, ["base", "ssh", "mailserver"]);

    let kernel = server.install.iter().find(|request| request.name == server.kernel[0]).unwrap();
    assert_eq!(kernel.to_string(), "linux-image-cloud-amd64/bookworm-backports");
    let plain = |name: &str| {
        server.install.iter().any(|r| r.name.as_str() == name && r.constraint == Constraint::Any)
    };
    assert!(plain("systemd") && plain("openssh-server") && plain("postfix"));

    let entry = |path: &str| server.overlay.iter().find(|entry| entry.path.as_str() == path);
    let target = "../run/systemd/resolve/stub-resolv.conf".to_owned();
    assert_eq!(entry("/etc/resolv.conf").unwrap().kind, Kind::Symlink { target });
    assert_eq!(entry("/etc/postfix/main.cf").unwrap().part.as_str(), "mailserver");

    let state: Vec<&str> = server.state.iter().map(|entry| entry.path.as_str()).collect();
    assert!(state.contains(&"/var/mail") && state.contains(&"/etc/machine-id"));
    assert!(server.definition_bytes < 64 * 1024, "{} bytes", server.definition_bytes);
}
