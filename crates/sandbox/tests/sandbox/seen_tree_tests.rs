//! Trees that a tool changes, and whose programs it starts.

use libtest_mimic::Trial;
use sandbox::{Command, Error, RootCommand, in_namespace};

use crate::jobs::{Configure, Configured, are_possible};
use crate::{Outcome, check, roots, same};

pub(crate) fn all() -> Vec<Trial> {
    let jobs = [
        Trial::test("a_tree_below_tools_has_what_its_programs_need", sees_the_tree),
        Trial::test("a_tree_below_tools_keeps_changes_and_no_traces", changes),
        Trial::test("the_environment_in_a_tree_below_tools_is_the_fixed_one", environment),
    ];
    let possible = are_possible();
    let mut all: Vec<_> = jobs.map(|job| job.with_ignored_flag(!possible)).into();
    all.push(Trial::test("a_tree_below_tools_is_not_changed_outside_of_a_job", outside));
    all
}

fn run(script: &str) -> Result<Configured, Error> {
    in_namespace(&Configure {
        tree: roots::tree().into(),
        script: script.into(),
        stub: None,
        stdin: String::new(),
        chrooted: true,
    })
}

fn sees_the_tree() -> Outcome {
    let script = "ls /run /tmp /sys 2>/dev/null | tr -d '\\n'; ls /home /root 2>/dev/null; \
                  tail -n +3 /proc/net/dev | cut -d: -f1; cat /proc/sys/kernel/hostname; \
                  : >/dev/null && : >/dev/full; test -e /dev/kmsg || echo no kmsg; \
                  test -d /proc/self && sync /dev/null && echo free; \
                  if test -d /run/systemd; then echo systemd; fi";
    let found = run(script)?.text;
    let words: Vec<_> = found.split_whitespace().collect();
    same(words, ["/run:/tmp:", "lo", RootCommand::HOSTNAME, "no", "kmsg", "free"].into())
}

fn changes() -> Outcome {
    let script = "mkdir -p /etc/own && echo kept >/etc/own/file && chown 33:44 /etc/own/file && \
                  for place in tmp run dev/shm; do echo gone >/$place/gone; done && \
                  stat -c %u:%g:%a /etc/own/file";
    let found = run(script)?;
    same(found.text.as_str(), "33:44:644\n")?;
    let is_own = |line: &String| ["own", "file", "own:"].iter().any(|end| line.ends_with(end));
    let more: Vec<_> = found.after.iter().filter(|line| !found.before.contains(line)).collect();
    let unexpected = more.iter().filter(|line| !is_own(line) && !line.is_empty());
    let unexpected: Vec<_> = unexpected.filter(|line| !line.starts_with("total")).collect();
    // `etc` itself has one more name in it.
    check(unexpected.iter().all(|line| line.ends_with(" etc")), format!("{unexpected:#?}"))
}

fn environment() -> Outcome {
    let text = run("env -u PWD -u OLDPWD -u _")?.text;
    let mut found: Vec<_> = text.lines().collect();
    found.sort_unstable();
    let mut expected: Vec<String> =
        RootCommand::ENVIRONMENT.iter().map(|(key, value)| format!("{key}={value}")).collect();
    expected.extend(["SOURCE_DATE_EPOCH=11".into(), "SYSTEMD_OFFLINE=1".into()]);
    expected.sort();
    same(found, expected.iter().map(String::as_str).collect())
}

fn outside() -> Outcome {
    match Command::new(roots::tree(), "/bin/sh").tree(roots::tree(), "/tree").run() {
        Err(Error::OutsideJob { .. }) => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}
