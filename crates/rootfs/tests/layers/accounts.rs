//! Declared users and groups in the account files.

use rootfs::accounts::{Accounts, Group, User};
use rootfs::ids::{Ids, complete};

pub(crate) fn accounts() -> Accounts {
    Accounts {
        passwd: "root:x:0:0:root:/root:/bin/bash\npostfix:x:100:101::/:/bin/false\n".to_owned(),
        group: "root:x:0:\nmail:x:8:\npostdrop:x:101:\n".to_owned(),
        shadow: "root:*:20000:0:99999:7:::\npostfix:!:20000::::::\n".to_owned(),
        gshadow: "root:*::\nmail:*::\npostdrop:!::\n".to_owned(),
    }
}

pub(crate) fn user(name: &str, system: bool) -> User {
    User {
        name: name.to_owned(),
        system,
        group: None,
        groups: vec![],
        comment: "A person".to_owned(),
        home: format!("/home/{name}"),
        shell: "/bin/sh".to_owned(),
        password: None,
    }
}

fn declare(users: &[User], groups: &[Group]) -> Result<Accounts, rootfs::Error> {
    let mut accounts = accounts();
    let ids = complete(&Ids::default(), &accounts, users, groups)?;
    accounts.declare(users, groups, &ids.all, 20_500)?;
    Ok(accounts)
}

#[test]
fn a_declared_user_has_a_line_in_every_file() {
    let vmail = User {
        groups: vec!["mail".to_owned()],
        password: Some("$y$hash".to_owned()),
        ..user("alice", false)
    };
    let accounts = declare(&[vmail, user("vmail", true)], &[]).unwrap();
    assert!(accounts.passwd.contains("\nalice:x:1000:1000:A person:/home/alice:/bin/sh\n"));
    assert!(accounts.passwd.contains("\nvmail:x:101:100:A person:/home/vmail:/bin/sh\n"));
    assert!(accounts.group.contains("\nalice:x:1000:\n"));
    assert!(accounts.group.contains("\nmail:x:8:alice\n"));
    assert!(accounts.shadow.contains("\nalice:$y$hash:20500:0:99999:7:::\n"));
    assert!(accounts.shadow.contains("\nvmail:!:20500::::::\n"));
    assert!(accounts.gshadow.contains("\nmail:*::alice\n"));
    assert!(accounts.gshadow.ends_with("\nvmail:!::\n"));
}

#[test]
fn a_user_of_the_packages_stays_and_may_join_groups() {
    let postfix = User { groups: vec!["mail".to_owned()], ..user("postfix", true) };
    let accounts = declare(&[postfix], &[]).unwrap();
    assert_eq!(accounts.passwd.matches("postfix").count(), 1);
    assert!(accounts.group.contains("\nmail:x:8:postfix\n"));
}

#[test]
fn what_would_break_the_files_is_refused() {
    let nowhere = User { groups: vec!["nowhere".to_owned()], ..user("a", true) };
    assert!(declare(&[nowhere], &[]).unwrap_err().to_string().contains("`nowhere`"));
    for comment in ["a:b", "a\nroot2:x:0:0::/:/bin/sh"] {
        let evil = User { comment: comment.to_owned(), ..user("a", true) };
        assert!(declare(&[evil], &[]).is_err());
    }
    let evil = User { password: Some("x:0\n".to_owned()), ..user("a", true) };
    assert!(declare(&[evil], &[]).is_err());
}

#[test]
fn a_declared_group_can_be_anyones_primary_group() {
    let vmail = User { group: Some("shared".to_owned()), ..user("vmail", true) };
    let group = Group { name: "shared".to_owned(), system: true };
    let accounts = declare(&[vmail], &[group]).unwrap();
    assert!(accounts.group.contains("\nshared:x:100:\n"));
    assert!(accounts.passwd.contains("\nvmail:x:101:100:"));
    assert!(!accounts.group.contains("\nvmail:"), "no group of its own");
}
