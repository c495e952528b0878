//! Work of ours in 65,536 ids.

use std::net::TcpListener;
use std::path::Path;

use libtest_mimic::Trial;
use sandbox::{Error, Status, in_namespace};

use crate::jobs::{Connect, Echo, Fail, Give, Panic, are_possible};
use crate::{Outcome, check, refused, same};

pub(crate) fn all() -> Vec<Trial> {
    let jobs = [
        Trial::test("a_job_is_root_of_65536_ids_and_leaves_nothing_behind", ids),
        Trial::test("a_jobs_error_arrives_with_causes_and_hint", error),
        Trial::test("a_job_that_panics_is_an_error", panic),
        Trial::test("long_input_and_output_arrive_whole", long),
        Trial::test("a_job_cannot_reach_the_hosts_network", network),
        Trial::test("jobs_run_side_by_side", side_by_side),
    ];
    let possible = are_possible();
    let mut all: Vec<_> = jobs.map(|job| job.with_ignored_flag(!possible)).into();
    all.push(
        Trial::test("without_ids_the_error_says_what_to_enable", no_ids)
            .with_ignored_flag(possible),
    );
    all
}

fn ids() -> Outcome {
    let ids = vec![0, 1, 33, 999, 65_534, 65_535];
    let (scratch, found) = in_namespace(&Give { ids: ids.clone() })?;
    same(found, ids)?;
    check(!scratch.exists(), "the scratch is still there")?;
    check(!scratch.parent().is_some_and(Path::exists), "the scratch's parent is still there")
}

fn error() -> Outcome {
    let error = refused(in_namespace(&Fail))?;
    same(error.to_string().as_str(), "package tree failed")?;
    same(error.hint().as_deref(), Some("try again"))?;
    let first = std::error::Error::source(&error);
    same(first.map(ToString::to_string), Some("the tree is not done".into()))?;
    let second = first.and_then(|first| first.source());
    same(second.map(ToString::to_string), Some("postinst failed".into()))
}

fn panic() -> Outcome {
    match in_namespace(&Panic) {
        Err(Error::JobDied { name: "panic", status: Status::Exited(101) }) => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn long() -> Outcome {
    let text = "ä\n\"".repeat(1 << 20);
    check(in_namespace(&Echo { text: text.clone() })? == text, "the text is another")
}

fn network() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    check(!in_namespace(&Connect { port })?, "the host's port was reached")
}

fn side_by_side() -> Outcome {
    let threads: Vec<_> = (0..4)
        .map(|n| std::thread::spawn(move || in_namespace(&Echo { text: n.to_string() })))
        .collect();
    for (n, thread) in threads.into_iter().enumerate() {
        let found = thread.join().map_err(|_| "a thread panicked")??;
        same(found, n.to_string())?;
    }
    Ok(())
}

fn no_ids() -> Outcome {
    let error = refused(in_namespace(&Fail))?;
    let known = matches!(
        error,
        Error::NoIdRange { .. }
            | Error::NoIdMapper { .. }
            | Error::IdMapper { .. }
            | Error::Setup { .. }
    );
    check(known, format!("{error:?}"))?;
    check(error.hint().is_some(), "there is no hint")
}
