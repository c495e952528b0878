//! Breadcrumbs: whole or not there, read back as they were, hostile ones refused.

#![cfg(test)]

use std::fs;

use digest::Digest;
use generation::progress::{MAX_ERROR, MAX_SIZE};
use generation::{Layout, Progress, Step};
use proptest::prelude::*;

/// Another version reads it: this test fails when the form changes.
#[test]
fn the_form_is_one_line_that_other_versions_read() {
    let generation = Digest::of("m");
    for (step, name) in [
        (Step::Data, "data"),
        (Step::Manifest, "manifest"),
        (Step::Layer(2), "layer 2"),
        (Step::State, "state"),
        (Step::Handover, "handover"),
    ] {
        let progress = Progress::new(generation, step);
        let text = format!(r#"{{"generation":"{generation}","step":"{name}"}}"#);
        assert_eq!(String::from_utf8(progress.to_bytes()).unwrap(), text);
        assert_eq!(Progress::parse(text.as_bytes()).unwrap(), progress);
    }
    let failed = Progress::new(generation, Step::Manifest).failed("no\nroom");
    let text = format!(r#"{{"generation":"{generation}","step":"manifest","error":"no\nroom"}}"#);
    assert_eq!(String::from_utf8(failed.to_bytes()).unwrap(), text);
}

#[test]
fn what_a_newer_init_writes_is_read() {
    let generation = Digest::of("m");
    let text = format!(r#"{{"at":1,"generation":"{generation}","step":"unlock 3","tries":[2]}}"#);
    let read = Progress::parse(text.as_bytes()).unwrap();
    assert_eq!(read, Progress::new(generation, Step::Other("unlock 3".into())));
    for name in ["layer", "layer 01", "layer +1", "layer -1", "Data", "data "] {
        assert_eq!(name.parse::<Step>().unwrap(), Step::Other(name.into()));
    }
}

#[test]
fn hostile_bytes_are_refused() {
    let digest = Digest::of("m");
    let with = |step: &str| format!(r#"{{"generation":"{digest}","step":"{step}"}}"#);
    let long = "x".repeat(MAX_ERROR + 1);
    for text in [
        String::new(),
        "null".into(),
        format!("[{}", "[".repeat(10_000)),
        with(""),
        with(r"data\u0000"),
        with(r"data\u001b[2J"),
        with("dätä"),
        with(&"x".repeat(65)),
        with("data").replace("sha256:", "sha512:"),
        with("data").replace(r#""step""#, r#""other""#),
        with("data").replace(r#""step""#, r#""step":"state","step""#),
        format!(r#"{{"generation":"{digest}","step":"data","error":7}}"#),
        format!(r#"{{"generation":"{digest}","step":"data","error":"{long}"}}"#),
        format!("{}{}", with("data"), " ".repeat(MAX_SIZE as usize)),
    ] {
        assert!(Progress::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn the_last_one_is_on_the_disk_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Progress::read(dir.path()).unwrap(), None);
    for step in [Step::Data, Step::Manifest] {
        let progress = Progress::new(Digest::of("m"), step);
        progress.write(dir.path()).unwrap();
        assert_eq!(Progress::read(dir.path()).unwrap(), Some(progress));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
    Progress::remove(dir.path()).unwrap();
    Progress::remove(dir.path()).unwrap();
    assert_eq!(Progress::read(dir.path()).unwrap(), None);
}

#[test]
fn what_a_power_cut_left_is_cleared_with_the_layout() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::create(dir.path()).unwrap();
    Progress::new(Digest::of("m"), Step::Data).write(dir.path()).unwrap();
    fs::write(dir.path().join(".progress-1"), "{").unwrap();
    layout.remove_leftovers().unwrap();
    assert!(!dir.path().join(".progress-1").exists());
    assert!(Progress::read(dir.path()).unwrap().is_some());
}

#[test]
fn a_directory_that_is_not_there_is_an_error_of_the_writer_only() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("imgs");
    assert!(Progress::new(Digest::of("m"), Step::Data).write(&missing).is_err());
    assert_eq!(Progress::read(&missing).unwrap(), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        name in "(data|manifest|state|handover|layer [0-9]{1,3}|[ -~]{1,64})",
        error in proptest::option::of(".{0,40}"),
        seed: u64,
    ) {
        let step = name.parse::<Step>().unwrap();
        prop_assert_eq!(step.to_string(), name);
        let generation = Digest::of(seed.to_le_bytes());
        let progress = Progress::new(generation, step);
        let progress = match &error {
            Some(error) => progress.failed(error),
            None => progress,
        };
        prop_assert_eq!(Progress::parse(&progress.to_bytes()).unwrap(), progress);
    }

    /// Whatever init has to say fits, and reads back as its beginning.
    #[test]
    fn a_long_error_is_cut_between_characters(character: char, length in 0usize..5000) {
        let error = character.to_string().repeat(length);
        let written = Progress::new(Digest::of("m"), Step::Data).failed(&error);
        let read = Progress::parse(&written.to_bytes()).unwrap().error.unwrap();
        prop_assert!(read.len() <= MAX_ERROR && error.starts_with(&read));
        prop_assert!(read.len() + 4 > error.len().min(MAX_ERROR));
    }

    #[test]
    fn no_bytes_make_the_reader_stumble(bytes: Vec<u8>) {
        let _ = Progress::parse(&bytes);
    }
}
