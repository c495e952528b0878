//! Disks that are whole and disks that are not, judged with the programs of the tool root.

#![cfg(test)]

mod server;

use std::error::Error as StdError;

use libtest_mimic::{Arguments, Failed, Trial};
use powercut::{
    BootView, Choice, DataView, Judge, Partitions, Plan, Replay, State, Survey, Verdict,
};
use sandbox::{Group, ToolRoot, Tools};
use store::{Options, Store};

use server::{Lacking, Server};

type Outcome = Result<(), Box<dyn StdError>>;

fn main() {
    sandbox::serve(&[]);
    let trials = vec![
        Trial::test("a_whole_server_starts", || with_tools(whole)),
        Trial::test("what_a_generation_lacks_is_named", || with_tools(lacking)),
        Trial::test("a_generation_of_the_index_that_is_not_started_counts", || with_tools(other)),
        Trial::test("another_kernel_than_the_generations_is_found", || with_tools(kernel)),
        Trial::test("no_entry_no_table_no_filesystem_is_no_start", || with_tools(nothing)),
        Trial::test("a_survey_counts_and_names_what_fails", || with_tools(survey)),
        Trial::test("a_damaged_filesystem_is_told", || with_tools(damaged)),
        Trial::test("every_byte_is_compared_when_asked", || with_tools(corrupt)),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn with_tools(test: fn(&ToolRoot) -> Outcome) -> Result<(), Failed> {
    let run = || -> Outcome {
        let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
        let store = Store::open(Options::from_environment()?)?;
        let tools = Tools::open(workspace.ok_or("no workspace")?, &store)?.root(Group::Image)?;
        test(&tools)
    };
    run().map_err(|error| error.to_string().into())
}

/// Starts the entry that names kernel, initramfs and generation, a line each.
fn choose(view: &BootView) -> Option<Choice> {
    let text = view.text("entry")?;
    let mut lines = text.lines().map(str::to_owned);
    let (kernel, initramfs) = (lines.next()?, lines.next()?);
    let generation = lines.next()?.parse().ok()?;
    Some(Choice { entry: "entry".into(), generation, kernel, initramfs })
}

/// A disk of `server` that nobody has written to.
fn state(tools: &ToolRoot, server: &Server) -> Result<State, Box<dyn StdError>> {
    let folder = tempfile::tempdir()?;
    let (disk, log) = (folder.path().join("disk"), folder.path().join("log"));
    server.write(tools, &disk)?;
    std::fs::write(&log, server::empty_log())?;
    Ok(Replay::open(&disk, None, &log, Plan::default())?.end()?)
}

fn verdict(tools: &ToolRoot, server: &Server) -> Result<Verdict, Box<dyn StdError>> {
    let scratch = tempfile::tempdir()?;
    let state = state(tools, server)?;
    let mut judge = Judge::new(&choose).with_data(tools, scratch.path());
    let verdict = judge.judge(&state)?;
    assert_eq!(judge.judge(&state)?, verdict, "asked again it says something else");
    assert_eq!(std::fs::read_dir(scratch.path())?.count(), 0, "something is left behind");
    Ok(verdict)
}

fn whole(tools: &ToolRoot) -> Outcome {
    let server = Server::default();
    let verdict = verdict(tools, &server)?;
    assert_eq!(verdict.whole().map(|choice| choice.generation), Some(server.generation()));
    assert!(verdict.to_string().starts_with("starts entry ("), "{verdict}");
    Ok(())
}

fn lacking(tools: &ToolRoot) -> Outcome {
    for (lacking, told) in [
        (Lacking::Layer, "blob"),
        (Lacking::EndOfLayer, "right length"),
        (Lacking::Manifest, "manifest"),
        (Lacking::Index, "index.json"),
        (Lacking::Initramfs, "heirloom/initrd"),
    ] {
        let verdict = verdict(tools, &Server { lacking, ..Server::default() })?;
        assert!(matches!(&verdict, Verdict::Half { .. }), "{lacking:?}: {verdict}");
        assert!(verdict.to_string().contains(told), "{lacking:?}: {verdict}");
    }
    Ok(())
}

fn other(tools: &ToolRoot) -> Outcome {
    let server = Server { announced: Some(digest::Digest::of("other")), ..Server::default() };
    let verdict = verdict(tools, &server)?.to_string();
    let other = digest::Digest::of("other").short();
    assert!(verdict.contains(&format!("manifest {other}")), "{verdict}");
    Ok(())
}

fn kernel(tools: &ToolRoot) -> Outcome {
    let verdict = verdict(tools, &Server { lacking: Lacking::RightKernel, ..Server::default() })?;
    assert!(verdict.to_string().contains("the content of heirloom/linux"), "{verdict}");
    Ok(())
}

fn nothing(tools: &ToolRoot) -> Outcome {
    for (lacking, told) in [
        (Lacking::Entry, "no boot entry"),
        (Lacking::Table, "partition table"),
        (Lacking::BootSector, "boot partition"),
    ] {
        let verdict = verdict(tools, &Server { lacking, ..Server::default() })?;
        assert!(matches!(&verdict, Verdict::Nothing { why } if why.contains(told)), "{verdict}");
    }
    Ok(())
}

fn survey(tools: &ToolRoot) -> Outcome {
    let [good, bad] = [Lacking::Nothing, Lacking::Entry];
    let states = [good, good, bad].map(|lacking| Server { lacking, ..Server::default() });
    let states: Result<Vec<_>, _> = states.iter().map(|server| state(tools, server)).collect();
    let mut judge = Judge::new(&choose);
    let mut seen = 0;
    let survey = Survey::of(states?.into_iter().map(Ok), &mut judge, |_, _| {
        seen += 1;
        if seen == 1 { Ok(()) } else { Err("given up".into()) }
    })?;
    assert_eq!((survey.states, survey.starts["entry"], survey.failed), (3, 2, 2));
    let text = survey.to_string();
    assert!(text.contains("given up") && text.contains("no boot entry"), "{text}");
    assert!(text.contains("cut 0 (flushed)"), "{text}");
    Ok(())
}

fn damaged(tools: &ToolRoot) -> Outcome {
    let verdict = verdict(tools, &Server { lacking: Lacking::Inodes, ..Server::default() })?;
    assert!(verdict.to_string().contains("without damage"), "{verdict}");
    Ok(())
}

fn corrupt(tools: &ToolRoot) -> Outcome {
    let scratch = tempfile::tempdir()?;
    for (lacking, expected) in [(Lacking::Nothing, 0), (Lacking::RightLayer, 1)] {
        let server = Server { lacking, ..Server::default() };
        let state = state(tools, &server)?;
        let data = Partitions::of(&state)?.data;
        let view = DataView::open(tools, &state, data, scratch.path())?;
        let manifest = view.manifest(server.generation())?.ok_or("no manifest")?;
        assert_eq!(view.lacks(server.generation())?, Vec::<String>::new());
        assert_eq!(view.corrupt(&manifest)?.len(), expected);
    }
    Ok(())
}
