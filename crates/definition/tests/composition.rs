//! How parts make a server.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use definition::{
    Board, DistributionName, Kind, Laid, Origin, PartName, Problems, RoleFiles, RoleToml, Server,
    ServerFiles, ServerToml, compose,
};
use proptest::prelude::*;

fn name(text: &str) -> PartName {
    text.parse().unwrap()
}

fn names(texts: &[&str]) -> BTreeSet<PartName> {
    texts.iter().map(|text| name(text)).collect()
}

fn file(part: &str, path: &str) -> Laid {
    laid(part, path, Kind::File { executable: false, bytes: 1 })
}

fn laid(part: &str, path: &str, kind: Kind) -> Laid {
    let source = PathBuf::from(format!("{part}/rootfs{path}"));
    let origin = Origin::file(&source);
    Laid { path: path.parse().unwrap(), source, kind, origin }
}

fn board() -> Board {
    let text = r#"
        architecture = "x86_64"
        firmware = ["bios"]
        [kernel]
        cmdline = ["console=ttyS0"]
        [kernel.debian]
        packages = ["linux-image-cloud-amd64"]
    "#;
    let dir = Path::new("boards/pc");
    Board::parse(name("pc"), dir, Path::new("boards/pc/board.toml"), text).unwrap()
}

fn role(part: &str, depends: &[&str], toml: &str, files: &[&str]) -> RoleFiles {
    RoleFiles {
        name: name(part),
        dir: part.into(),
        role: RoleToml::parse(Path::new(&format!("{part}/role.toml")), toml).unwrap(),
        laid: files.iter().map(|path| file(part, path)).collect(),
        laid_for: BTreeMap::new(),
        depends: names(depends),
        bytes: 1,
    }
}

fn server(depends: &[&str], toml: &str, files: &[&str]) -> ServerFiles {
    let head = "hostname = \"s\"\nboard = \"pc\"\n[archive]\ndistribution = \"debian\"\n\
                suite = \"bookworm\"\npockets = [\"backports\"]\ndate = \"2026-11-22\"\n";
    let text = format!("{head}{toml}");
    ServerFiles {
        name: name("server"),
        dir: "server".into(),
        server: ServerToml::parse(Path::new("server/server.toml"), &text).unwrap(),
        laid: files.iter().map(|path| file("server", path)).collect(),
        laid_for: BTreeMap::new(),
        depends: names(depends),
        bytes: 1,
    }
}

fn composed(server: &ServerFiles, roles: &[RoleFiles]) -> Result<Server, Problems> {
    compose(server, roles, &board())
}

fn laid_by<'a>(server: &'a Server, path: &str) -> &'a str {
    let entry = server.overlay.iter().find(|entry| entry.path.as_str() == path);
    entry.unwrap().part.as_str()
}

fn complaint(server: &ServerFiles, roles: &[RoleFiles]) -> String {
    composed(server, roles).unwrap_err().to_string()
}

#[test]
fn what_depends_on_a_part_overrides_it() {
    let roles = [
        role("base", &[], "[state]\n\"/srv/a\" = \"a\"", &["/etc/issue", "/etc/motd"]),
        role("web", &["base"], "[state]\n\"/srv/a\" = \"web\"", &["/etc/issue"]),
    ];
    let made = composed(&server(&["base", "web"], "", &["/etc/motd"]), &roles).unwrap();
    assert_eq!(laid_by(&made, "/etc/issue"), "web");
    assert_eq!(laid_by(&made, "/etc/motd"), "server");
    assert_eq!(made.state[0].at.as_str(), "web");
    assert_eq!(made.parts, ["base", "web", "server"].map(name));
}

#[test]
fn two_unrelated_parts_that_lay_one_path_are_named() {
    let roles = [role("web", &[], "", &["/etc/issue"]), role("git", &[], "", &["/etc/issue"])];
    insta::assert_snapshot!(complaint(&server(&["web", "git"], "", &[]), &roles), @r"
    `/etc/issue` is laid by `git` and by `web`, neither of which depends on the other
     --> git/rootfs/etc/issue
     --> web/rootfs/etc/issue
    ");
}

#[test]
fn a_part_that_depends_on_both_settles_it() {
    let roles = [role("web", &[], "", &["/etc/issue"]), role("git", &[], "", &["/etc/issue"])];
    let made = composed(&server(&["web", "git"], "", &["/etc/issue"]), &roles).unwrap();
    assert_eq!(laid_by(&made, "/etc/issue"), "server");
}

#[test]
fn the_same_rule_holds_for_all_that_parts_declare() {
    for toml in [
        "[state]\n\"/srv/x\" = \"x\"",
        "[permissions]\n\"/etc/x\" = { mode = \"0600\" }",
        "[users.x]",
        "[groups.x]",
        "[debconf]\n\"a/b\" = \"c\"",
    ] {
        let roles = [role("web", &[], toml, &[]), role("git", &[], toml, &[])];
        let text = complaint(&server(&["web", "git"], "", &[]), &roles);
        assert!(text.contains("`git`") && text.contains("`web`"), "{toml}: {text}");
        assert!(text.contains("git/role.toml") && text.contains("web/role.toml"), "{text}");

        let settled = [role("web", &["git"], toml, &[]), role("git", &[], toml, &[])];
        assert!(composed(&server(&["web"], "", &[]), &settled).is_ok(), "{toml}");
    }
}

#[test]
fn directories_go_together_and_never_become_files() {
    let mut one = role("one", &[], "", &["/etc/x/a"]);
    let mut two = role("two", &["one"], "", &["/etc/x/b"]);
    one.laid.push(laid("one", "/etc/x", Kind::Directory));
    two.laid.push(laid("two", "/etc/x", Kind::Directory));
    let roles = [one.clone(), two.clone()];
    assert_eq!(composed(&server(&["two"], "", &[]), &roles).unwrap().overlay.len(), 3);

    // A symlink in place of a directory would carry what lies in it somewhere else.
    two.laid = vec![laid("two", "/etc/x", Kind::Symlink { target: "/root".into() })];
    let text = complaint(&server(&["two"], "", &[]), &[one, two]);
    assert!(text.contains("`/etc/x` is a directory in `one` and none in `two`"), "{text}");
}

#[test]
fn places_of_state_do_not_overlap() {
    let toml = "[state]\n\"/srv\" = \"srv\"\n\"/srv/git\" = \"git\"\n\"/var/mail\" = \"git/mail\"";
    insta::assert_snapshot!(complaint(&server(&[], toml, &[]), &[]), @r#"
    2 mistakes in the definition

    1. `/srv/git` lies within the state `/srv`
      --> server/server.toml:10:1
       |
    10 | "/srv/git" = "git"
       | ^^^^^^^^^^
      --> server/server.toml:9:1
       |
     9 | "/srv" = "srv"
       | ^^^^^^
       help: it is kept with it: leave the inner one out

    2. `/var/mail` and `/srv/git` are kept in one place below /state
      --> server/server.toml:11:1
       |
    11 | "/var/mail" = "git/mail"
       | ^^^^^^^^^^^
      --> server/server.toml:10:1
       |
    10 | "/srv/git" = "git"
       | ^^^^^^^^^^
       help: give each a directory of its own
    "#);
}

#[test]
fn the_kernel_comes_from_the_pocket_that_the_server_names() {
    let request = |toml: &str| {
        let made = composed(&server(&[], toml, &[]), &[]).unwrap();
        assert_eq!(made.install.len(), 1);
        assert_eq!(made.kernel, [made.install[0].name.clone()]);
        made.install[0].to_string()
    };
    assert_eq!(request(""), "linux-image-cloud-amd64");
    let backports = "linux-image-cloud-amd64/bookworm-backports";
    assert_eq!(request("[kernel]\npocket = \"backports\""), backports);
    assert_eq!(request("[kernel]\npackage = \"linux-image-amd64\""), "linux-image-amd64");

    let toml = "[kernel]\npocket = \"security\"";
    insta::assert_snapshot!(complaint(&server(&[], toml, &[]), &[]), @r#"
    `linux-image-cloud-amd64` is to come from `bookworm-security`, which is no part of [archive]
     --> server/server.toml:9:10
      |
    9 | pocket = "security"
      |          ^^^^^^^^^^
    "#);
}

#[test]
fn a_request_for_some_version_wins_over_one_for_any_and_two_must_agree() {
    let any = role("any", &[], "[packages]\ninstall = [\"git\"]", &[]);
    let new = role("new", &[], "[packages]\ninstall = [\"git/backports\"]", &[]);
    let old = role("old", &[], "[packages]\ninstall = [\"git=1:2.39\"]", &[]);
    let ask = |roles: &[RoleFiles]| {
        let made = composed(&server(&["any", "new", "old"], "", &[]), roles);
        made.map(|made| made.install[0].to_string())
    };
    assert_eq!(ask(&[any.clone(), new.clone()]).unwrap(), "git/bookworm-backports");
    assert_eq!(ask(&[any.clone(), old.clone()]).unwrap(), "git=1:2.39");
    let text = ask(&[any, new.clone(), old.clone()]).unwrap_err().to_string();
    assert!(text.contains("different versions of `git` are asked for by `new` and by `old`"));

    let settled = "[packages]\ninstall = [\"git=1:2.40\"]";
    let made = composed(&server(&["new", "old"], settled, &[]), &[new, old]).unwrap();
    assert_eq!(made.install[0].to_string(), "git=1:2.40");
}

#[test]
fn packages_are_those_of_the_distribution() {
    let toml = "[packages]\ninstall = [\"git\"]\n[packages.debian]\ninstall = [\"openssh-server\"]\n\
                [packages.arch]\ninstall = [\"openssh\"]";
    let made = composed(&server(&["ssh"], "", &[]), &[role("ssh", &[], toml, &[])]).unwrap();
    let asked: Vec<String> = made.install.iter().map(ToString::to_string).collect();
    assert_eq!(asked, ["git", "linux-image-cloud-amd64", "openssh-server"]);
}

#[test]
fn capitals_are_in_names_of_packages_of_arch_alone() {
    let toml = "[packages]\ninstall = [\"hunspell-en_US\", \"WIREGUARD-MODULE\"]\n\
                pin = [{ name = \"R\", version = \"1-1\", reason = \"x\" }]";
    let text = complaint(&server(&[], toml, &[]), &[]);
    for line in [
        "`hunspell-en_US` has the upper-case letter `U`",
        "`WIREGUARD-MODULE` has the upper-case letter `W`",
        "`R` has the upper-case letter `R`",
        "server/server.toml:9:12",
        "server/server.toml:10:17",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let arch = "hostname = \"s\"\nboard = \"pc\"\n[archive]\ndistribution = \"arch\"\n\
                date = \"2018-01-01\"\n[kernel]\npackage = \"linux\"\n";
    let server_toml = ServerToml::parse(Path::new("s"), &format!("{arch}{toml}")).unwrap();
    let made = composed(&ServerFiles { server: server_toml, ..server(&[], "", &[]) }, &[]).unwrap();
    let asked: Vec<String> = made.install.iter().map(ToString::to_string).collect();
    assert_eq!(asked, ["WIREGUARD-MODULE", "hunspell-en_US", "linux"]);
    assert_eq!(made.pins[0].name.as_str(), "R");
}

#[test]
fn a_role_for_one_distribution_refuses_servers_of_another() {
    let database = role("database", &[], "distributions = [\"debian\"]", &[]);
    composed(&server(&["database"], "", &[]), std::slice::from_ref(&database)).unwrap();
    let arch = "hostname = \"s\"\nboard = \"pc\"\n[archive]\ndistribution = \"arch\"\n\
                date = \"2018-01-01\"\n[kernel]\npackage = \"linux\"\n";
    let server_toml = ServerToml::parse(Path::new("s"), arch).unwrap();
    let of_arch = ServerFiles { server: server_toml, ..server(&["database"], "", &[]) };
    let said = complaint(&of_arch, &[database]);
    assert!(
        said.contains("the role `database` is for servers of debian only, this one is of arch"),
        "{said}"
    );
    assert!(said.contains("database/role.toml:1:"), "{said}");
}

#[test]
fn files_for_the_distribution_are_laid_over_those_for_all() {
    let mut both = role("ssh", &[], "", &["/etc/issue", "/etc/motd"]);
    let laid_for = |name, path| (name, vec![file(&format!("ssh/{name}"), path)]);
    both.laid_for = BTreeMap::from([
        laid_for(DistributionName::Debian, "/etc/issue"),
        laid_for(DistributionName::Arch, "/etc/motd"),
    ]);
    let made = composed(&server(&["ssh"], "", &[]), &[both]).unwrap();
    let sources: Vec<_> = made.overlay.iter().map(|it| it.source.to_str().unwrap()).collect();
    assert_eq!(sources, ["ssh/debian/rootfs/etc/issue", "ssh/rootfs/etc/motd"]);
}

#[test]
fn a_command_line_that_no_kernel_reads_to_its_end_is_shown_where_it_gets_too_long() {
    let board = "console=ttyS0".len();
    let first = "a".repeat(1000);
    // With a space before each.
    let rest = definition::LONGEST_CMDLINE - board - 1 - first.len() - 1;
    let role = role("a", &[], &format!("[kernel]\ncmdline = [\"{first}\"]"), &[]);
    let server = |length: usize| {
        let last = "b".repeat(length);
        server(&["a"], &format!("[kernel]\ncmdline = [\"{last}\", \"c\"]"), &[])
    };
    assert!(composed(&server(rest - 2), std::slice::from_ref(&role)).is_ok());
    let said = complaint(&server(rest - 1), std::slice::from_ref(&role));
    assert!(
        said.contains("more than 1536 bytes from here on\n --> server/server.toml:9:"),
        "{said}"
    );
    assert!(said.contains("\"c\"]"), "{said}");
    let said = complaint(&server(rest + 1), std::slice::from_ref(&role));
    assert_eq!(said.matches("more than").count(), 1, "{said}");
}

#[test]
fn the_command_line_is_the_boards_then_the_roles_then_the_servers() {
    let role = role("a", &[], "[kernel]\ncmdline = [\"quiet\", \"console=ttyS0\"]", &[]);
    let made = composed(&server(&["a"], "[kernel]\ncmdline = [\"x=1\"]", &[]), &[role]).unwrap();
    let line: Vec<&str> = made.cmdline.iter().map(|argument| argument.as_str()).collect();
    assert_eq!(line, ["console=ttyS0", "quiet", "x=1"]);
}

#[test]
fn a_server_survives_being_written_down() {
    let roles = [role("a", &[], "[state]\n\"/srv/a\" = \"a\"\n[users.x]", &["/etc/a"])];
    let made = composed(&server(&["a"], "", &[]), &roles).unwrap();
    let json = serde_json::to_string(&made).unwrap();
    assert_eq!(serde_json::from_str::<Server>(&json).unwrap(), made);
    let hostile = json.replace("/srv/a", "/srv/../a");
    assert!(serde_json::from_str::<Server>(&hostile).is_err());
}

/// Some roles that depend on earlier ones only, as Cargo has it, and lay and declare what comes.
fn some_roles() -> impl Strategy<Value = Vec<RoleFiles>> {
    let one = (
        any::<u8>(),
        proptest::sample::subsequence(vec!["/etc/a", "/etc/b", "/srv/c/d"], 0..=3),
        proptest::sample::subsequence(vec!["git", "nginx/backports", "nginx=1"], 0..=2),
        proptest::sample::subsequence(vec!["quiet", "x=1"], 0..=2),
    );
    proptest::collection::vec(one, 1..6).prop_map(|roles| {
        let mut made: Vec<RoleFiles> = Vec::new();
        for (index, (depends, files, mut packages, cmdline)) in roles.into_iter().enumerate() {
            // Twice one package in one list is a mistake of its own.
            packages.dedup_by_key(|package| package[..3].to_owned());
            let depends: Vec<String> = (0..index)
                .filter(|earlier| depends & (1 << earlier) != 0)
                .map(|earlier| format!("role{earlier}"))
                .collect();
            let depends: Vec<&str> = depends.iter().map(String::as_str).collect();
            let toml =
                format!("[packages]\ninstall = {packages:?}\n[kernel]\ncmdline = {cmdline:?}");
            made.push(role(&format!("role{index}"), &depends, &toml, &files));
        }
        made
    })
}

proptest! {
    #[test]
    fn the_order_in_which_parts_are_found_does_not_matter(
        roles in some_roles(),
        seed in any::<prop::sample::Index>(),
    ) {
        let all: Vec<String> = roles.iter().map(|role| role.name.to_string()).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let server = server(&all, "", &["/etc/a"]);
        let expected = composed(&server, &roles).map_err(|problems| problems.to_string());
        let mut shuffled = roles.clone();
        shuffled.rotate_left(seed.index(roles.len()));
        for role in &mut shuffled {
            role.laid.reverse();
        }
        let made = composed(&server, &shuffled).map_err(|problems| problems.to_string());
        prop_assert_eq!(&made, &expected);
        shuffled.reverse();
        let made = composed(&server, &shuffled).map_err(|problems| problems.to_string());
        prop_assert_eq!(&made, &expected);

        // Nobody who is depended upon has the last word, and every dependency is laid earlier.
        if let Ok(made) = expected {
            prop_assert_eq!(laid_by(&made, "/etc/a"), "server");
            let place = |name: &PartName| made.parts.iter().position(|part| part == name);
            for role in &roles {
                for depends in &role.depends {
                    prop_assert!(place(depends) < place(&role.name));
                }
            }
        }
    }

    #[test]
    fn no_text_makes_reading_panic(text in ".{0,200}") {
        let _ = ServerToml::parse(Path::new("server.toml"), &text);
        let _ = RoleToml::parse(Path::new("role.toml"), &text);
    }
}
