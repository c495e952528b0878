//! Programs of a tree that is being configured.

use libtest_mimic::Trial;
use sandbox::{Error, RootCommand, in_namespace};

use crate::jobs::{Configure, Configured, are_possible};
use crate::{Outcome, check, refused, roots, same};

pub(crate) fn all() -> Vec<Trial> {
    let jobs = [
        Trial::test("a_tree_is_the_whole_of_what_its_programs_see", sees_the_tree),
        Trial::test("services_are_forbidden_and_stubs_lie_over_programs", stubs),
        Trial::test("what_is_laid_over_a_tree_leaves_no_trace", no_trace),
        Trial::test("a_tree_can_be_changed_and_owners_given", changes),
        Trial::test("the_environment_of_a_tree_is_the_fixed_one", environment),
        Trial::test("a_failed_script_shows_what_it_said", failure),
    ];
    let possible = are_possible();
    let mut all: Vec<_> = jobs.map(|job| job.with_ignored_flag(!possible)).into();
    all.push(Trial::test("a_tree_is_not_configured_outside_of_a_job", outside));
    all
}

fn configure(script: &str) -> Configure {
    Configure {
        tree: roots::tree().into(),
        script: script.into(),
        stub: None,
        stdin: String::new(),
        chrooted: false,
    }
}

fn run(script: &str) -> Result<Configured, Error> {
    in_namespace(&configure(script))
}

fn sees_the_tree() -> Outcome {
    let script = "ls /run /tmp /sys 2>/dev/null | tr -d '\\n'; ls /home /root 2>/dev/null; \
                  tail -n +3 /proc/net/dev | cut -d: -f1; \
                  name=$(cat /proc/sys/kernel/hostname); grep_hosts=$(cat /etc/hosts); \
                  case $grep_hosts in *\" $name \"*) echo resolves;; esac; \
                  : >/dev/null && : >/dev/full; test -e /dev/kmsg || echo no kmsg; \
                  sync /dev/null && echo free";
    let found = run(script)?.text;
    let words: Vec<_> = found.split_whitespace().collect();
    let expected: Vec<_> = "/run:/tmp: lo resolves no kmsg free".split_whitespace().collect();
    same(words, expected)
}

fn stubs() -> Outcome {
    let mut job = configure("env; echo $?; /usr/sbin/policy-rc.d; echo $?; cat");
    job.stub = Some(("/usr/bin/env".into(), "#!/bin/sh\necho stubbed\nexit 7\n".into()));
    job.stdin = "answers".into();
    same(in_namespace(&job)?.text.as_str(), "stubbed\n7\n101\nanswers")
}

fn no_trace() -> Outcome {
    let mut job =
        configure("test -x /usr/sbin/policy-rc.d && test -e /etc/hosts && test -e /opt/new/stub");
    job.stub = Some(("/opt/new/stub".into(), "#!/bin/sh\n".into()));
    let found = in_namespace(&job)?;
    same(found.after, found.before)
}

fn changes() -> Outcome {
    let script = "mkdir -p /etc/own && echo kept >/etc/own/file && chown 33:44 /etc/own/file && \
                  echo gone >/tmp/file && echo gone >/run/file && stat -c %u:%g:%a /etc/own/file";
    let found = run(script)?;
    same(found.text.as_str(), "33:44:644\n")?;
    let listed = |name: &str| found.after.iter().filter(|line| line.ends_with(name)).count();
    same(listed("file"), 1)
}

fn environment() -> Outcome {
    let text = run("env -u PWD -u OLDPWD -u _")?.text;
    let mut found: Vec<_> = text.lines().collect();
    found.sort_unstable();
    let mut expected: Vec<String> =
        RootCommand::ENVIRONMENT.iter().map(|(key, value)| format!("{key}={value}")).collect();
    expected.push("SOURCE_DATE_EPOCH=11".into());
    expected.sort();
    same(found, expected.iter().map(String::as_str).collect())
}

fn failure() -> Outcome {
    let error = refused(run("echo one; echo two >&2; exit 9"))?;
    let text = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    check(text.ends_with("ended with exit status 9; it said:\none\ntwo"), text)
}

fn outside() -> Outcome {
    match RootCommand::new(roots::tree(), "/bin/sh").run() {
        Err(Error::OutsideJob { .. }) => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}
