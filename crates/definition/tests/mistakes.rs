//! What is said about mistakes: each file of `mistakes/` and the text that it gets, beside it.
//!
//! `INSTA_UPDATE=always cargo test -p heirloom-definition` writes the texts anew.

#![cfg(test)]

use std::fs;
use std::path::Path;

use definition::{Board, Problems, RoleToml, ServerToml};

/// The mistakes in a file, which is of the kind that its name begins with.
fn mistakes(name: &str, text: &str) -> Option<Problems> {
    let kind = name.split('-').next().unwrap();
    let file = format!("{kind}.toml");
    let file = Path::new(&file);
    match kind {
        "server" => ServerToml::parse(file, text).err(),
        "role" => RoleToml::parse(file, text).err(),
        "board" => Board::parse("pc".parse().unwrap(), Path::new("pc"), file, text).err(),
        other => panic!("a file of mistakes cannot begin with `{other}`"),
    }
}

#[test]
fn every_mistake_is_shown_where_it_is_and_with_what_would_be_right() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&dir);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut tried = 0;
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let problems = mistakes(name, &text).unwrap_or_else(|| panic!("{name} has no mistake"));
        for problem in problems.iter() {
            let place = problem.places.first().unwrap_or_else(|| panic!("{name}: {problem}"));
            assert!(place.line > 0, "{name}: {problem}\nis nowhere");
            assert!(problem.hint.is_some(), "{name}: {problem}\nhas no hint");
        }
        let hint = problems.hint().map(|hint| format!("\nhelp: {hint}")).unwrap_or_default();
        settings.bind(|| insta::assert_snapshot!(name, format!("error: {problems}{hint}")));
        tried += 1;
    }
    assert!(tried >= 15, "only {tried} files were found");
}
